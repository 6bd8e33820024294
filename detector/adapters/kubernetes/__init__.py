"""Kubernetes audit events."""
