"""One record as it was read: what it holds, when it was written, and why it could not be read."""
