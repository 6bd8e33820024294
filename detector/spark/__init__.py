"""A replay on Apache Spark: the stages of units as tasks of a cluster."""
