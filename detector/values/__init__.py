"""The values that everything else is made of: events, findings, secrets, times, errors."""
