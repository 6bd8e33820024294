"""The service on Kafka: its two stages, what travels between them, and the state of the one that judges."""
