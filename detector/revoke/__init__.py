"""`curfewd revoke`: carries out revocation commands, proves what came of each, and says so."""
