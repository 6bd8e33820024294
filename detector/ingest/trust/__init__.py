"""Which input may carry which events: the checks that `[[trust]]` entries ask for."""
