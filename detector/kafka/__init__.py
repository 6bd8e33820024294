"""Kafka, as a stage of the service needs it: exactly once, and errors that say what to do."""
