"""What a person sees on the terminal: progress, and output that somebody may stop reading."""
