"""Envelopes that carry records of other sources."""
