"""Random histories as files and Kafka records, and what the contract gives for each, known from how it was drawn."""
