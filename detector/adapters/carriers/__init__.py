"""Envelopes around records of other sources."""
