"""Benchmarks: a seeded corpus with ground truth, peers beside curfewd, and the tables. See README.md."""
