"""Schedulers and pipelines: one module each."""
