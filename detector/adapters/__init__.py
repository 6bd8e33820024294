"""The sources and carriers: a module for each format translates what a provider writes into canonical events."""
