"""From bytes to log texts and events: what a record is, in which format, and where it stands."""
