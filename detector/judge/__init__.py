"""The judge: what events say of tasks and credentials, and what follows from it. Plain functions of values."""
