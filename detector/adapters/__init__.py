"""One file a source format: each turns what a provider writes into canonical events."""
