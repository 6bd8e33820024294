"""The scanner: what log text shows of secrets, in clear or encoded. Plain functions of values."""
