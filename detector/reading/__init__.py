"""From bytes to records: the formats of files and lines."""
