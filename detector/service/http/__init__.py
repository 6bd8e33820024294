"""The HTTP port: metrics, probes and the live view."""
