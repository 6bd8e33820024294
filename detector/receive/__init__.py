"""`curfewd receive`: takes what others send over HTTP, and acknowledges it once Kafka, or a file, has it."""
