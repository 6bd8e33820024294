"""Logs passed on with every leak masked, and nothing else changed."""
