"""Approvals of revocations: which commands wait for a person, and the records by which people let them go or not."""
