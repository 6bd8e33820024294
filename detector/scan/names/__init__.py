"""Secrets that only their name gives away: names and values, judged together."""
