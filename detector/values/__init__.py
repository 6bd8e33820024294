"""The values that all other packages use: events, findings, secrets, times, errors."""
