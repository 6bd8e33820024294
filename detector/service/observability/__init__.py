"""Metrics, logs and readiness, made of the facts that the stages report."""
