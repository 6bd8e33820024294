"""A second look at recent logs, for credentials that were registered after they leaked."""
