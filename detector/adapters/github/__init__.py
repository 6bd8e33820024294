"""GitHub webhooks and audit log."""
