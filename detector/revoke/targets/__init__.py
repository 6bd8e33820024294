"""The targets: a module for each kind of provider whose credentials can be revoked."""
