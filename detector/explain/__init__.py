"""`curfewd sources`: the sources that are known, and what became of each record of a file."""
