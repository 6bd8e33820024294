"""The terminal: progress bars, and output whose reader may close the pipe."""
