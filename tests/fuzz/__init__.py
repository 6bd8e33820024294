"""Hostile bytes for whatever reads bytes: `python -m tests.fuzz TARGET --seconds 60`, and `make fuzz` for all of them.

A target is a function of bytes that raises where something must not be. atheris drives it, led by coverage;
`make test` runs each over its seeds, over every input that once broke it (`found/`) and over a few mutations of
these.
"""
