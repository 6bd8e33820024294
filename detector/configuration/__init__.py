"""The configuration: its tables, read into frozen settings."""
