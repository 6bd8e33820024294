"""OAuth 2 servers, OpenID claims and security events."""
