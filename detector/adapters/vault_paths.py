"""What a request to HashiCorp Vault or OpenBao does to tokens and leases, told by its path.

Paths are those of the HTTP API without `/v1/` and the namespace; the deprecated forms that carry an id stay in use.
"""

from typing import Final

_RENEW_TOKEN: Final = ("auth/token/renew", "auth/token/renew-self", "auth/token/renew-accessor")
_RENEW_LEASE: Final = ("sys/leases/renew", "sys/renew")
_REVOKE_LEASE: Final = ("sys/leases/revoke", "sys/revoke")
REVOKE_SELF: Final = "auth/token/revoke-self"
REVOKE_ACCESSOR: Final = "auth/token/revoke-accessor"
REVOKE_TOKEN: Final = ("auth/token/revoke", "auth/token/revoke-orphan")
UNWRAP: Final = "sys/wrapping/unwrap"


def is_login(path: str) -> bool:
    """Whether a token is got by this, not used: whatever token comes with it is not looked at."""
    return path.startswith("auth/") and (
        "/login/" in f"{path}/" or path.endswith(("/oidc/callback", "/callback")) or "/oidc/poll" in path
    )


def _at(path: str, names: tuple[str, ...]) -> str | None:
    """What stands behind one of these names; empty if nothing does, None if it is none of them."""
    for name in names:
        if path == name:
            return ""
        if path.startswith(f"{name}/"):
            return path[len(name) + 1 :]
    return None


def renews_token(path: str) -> bool:
    """Whether this renews a token."""
    return _at(path, _RENEW_TOKEN) is not None


def renews_lease(path: str) -> bool:
    """Whether this renews a lease."""
    return _at(path, _RENEW_LEASE) is not None


def revoked_lease(path: str) -> str | None:
    """The lease that the path revokes; empty if the request's data names it, None if it revokes none."""
    return _at(path, _REVOKE_LEASE)


def revoked_accessor(path: str) -> str | None:
    """The accessor whose token the path revokes; empty if the request's data names it, None if it revokes none."""
    return _at(path, (REVOKE_ACCESSOR,))
