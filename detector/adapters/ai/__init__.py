"""The organisations' audit logs of model providers: API keys created, used and deleted."""
