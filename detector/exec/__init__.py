"""`curfewd exec`: runs a job as a task that is registered, masked if asked, and ended whatever happens."""
