"""Least privilege from history: what `curfewd suggest` does."""
