"""Stories told in a source's own format, from issue to command, replayed and read as Kafka records."""
