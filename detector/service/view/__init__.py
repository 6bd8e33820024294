"""The live view: what the service is doing, for a person."""
