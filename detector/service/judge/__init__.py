"""The judge stage: work becomes findings and revocation commands."""
