"""The service on Apache Kafka: the stages wired together, watched and served over HTTP."""
