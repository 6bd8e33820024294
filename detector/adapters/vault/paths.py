"""What a request to HashiCorp Vault or OpenBao does to tokens and leases, from its path.

Paths are those of the HTTP API without `/v1/` and the namespace. The deprecated forms with an id are still in use.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_RENEW_TOKEN: Final = ("auth/token/renew", "auth/token/renew-self", "auth/token/renew-accessor")
_RENEW_LEASE: Final = ("sys/leases/renew", "sys/renew")
_REVOKE_LEASE: Final = ("sys/leases/revoke", "sys/revoke")
_DEEPEST: Final = 8  # parts of a lease's path that are read
REVOKE_SELF: Final = "auth/token/revoke-self"
REVOKE_ACCESSOR: Final = "auth/token/revoke-accessor"
REVOKE_ORPHAN: Final = "auth/token/revoke-orphan"
REVOKE_TOKEN: Final = ("auth/token/revoke", REVOKE_ORPHAN)
_REVOKE_PREFIX: Final = (
    "sys/leases/revoke-prefix",
    "sys/leases/revoke-force",
    "sys/revoke-prefix",
    "sys/revoke-force",
)
# Groups that end together: with a token, with a token that leaves its children, below a path.
UNDER, LEASES, PREFIX = "under", "leases", "prefix"
SPENDS_WRAPPING: Final = ("sys/wrapping/unwrap", "sys/wrapping/rewrap")


def is_wrapping(path: str) -> bool:
    """Whether a request is for the contents of a wrapping token, or about one."""
    return path in (*SPENDS_WRAPPING, "sys/wrapping/lookup")


def is_login(path: str) -> bool:
    """Whether a request is a login. A token that comes with it is not used."""
    return path.startswith("auth/") and (
        "/login/" in f"{path}/" or path.endswith(("/callback", "/oidc/poll"))
    )


def _at(path: str, names: tuple[str, ...]) -> str | None:
    """The rest of a path after one of these prefixes; empty if there is no rest, None if no prefix fits."""
    for name in names:
        if path == name:
            return ""
        if path.startswith(f"{name}/"):
            return path[len(name) + 1 :]
    return None


def renews_token(path: str) -> bool:
    """Whether a request renews a token."""
    return _at(path, _RENEW_TOKEN) is not None


def renews_lease(path: str) -> bool:
    """Whether a request renews a lease."""
    return _at(path, _RENEW_LEASE) is not None


def revoked_lease(path: str) -> str | None:
    """The lease that the path revokes; empty if the request's data names it, None if it revokes none."""
    return _at(path, _REVOKE_LEASE)


def revokes_token(path: str) -> bool:
    """Whether a request revokes a token, by itself or by its accessor."""
    return path in (REVOKE_SELF, *REVOKE_TOKEN) or revoked_accessor(path) is not None


def revoked_prefix(path: str) -> str | None:
    """The path below which all leases are revoked, if a request does that."""
    return (_at(path, _REVOKE_PREFIX) or "").strip("/") or None


def prefixes(lease: str) -> Iterator[str]:
    """The groups of a lease, by the paths that it is below."""
    names = lease.split("/")
    return (f"{PREFIX}/{'/'.join(names[:size])}" for size in range(1, min(len(names), _DEEPEST)))


def makes_child(path: str, record: Mapping[str, Any]) -> bool:
    """Whether a token made by this request ends with its maker's."""
    data = record["request"].get("data")
    orphan = isinstance(data, dict) and data.get("no_parent") is True
    return _at(path, ("auth/token/create",)) is not None and not orphan


def revoked_accessor(path: str) -> str | None:
    """The accessor whose token the path revokes; empty if the request's data names it, None if it revokes none."""
    return _at(path, (REVOKE_ACCESSOR,))
