"""GitLab webhooks and audit events."""
