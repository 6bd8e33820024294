"""The registered credentials: whose an identifier is, and what finds their secrets."""
