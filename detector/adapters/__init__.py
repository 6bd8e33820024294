"""The sources and carriers, one module for each format: each translates what a provider writes into canonical events."""
