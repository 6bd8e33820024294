"""Identity providers: Okta, Auth0, Teleport, SPIRE."""
