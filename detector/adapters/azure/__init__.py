"""Microsoft Entra ID and Azure."""
