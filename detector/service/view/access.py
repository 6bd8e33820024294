"""Who may see the live view: those who show the token. If none is set, those on this machine.

The token comes in the Authorization header only. A browser would send a cookie to every port of the host, whichever
page asks for it, and an address ends up in histories and logs. So the page keeps the token in its memory.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from detector.configuration.urls import loopback
from detector.service.http.server import Answer, line
from detector.values.secrets import Secret

_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})  # `same-site`: another port of this machine, too
_SCHEME: Final = "bearer "


class Access:
    """No `token` is asked for if it is None. `local` says whether the port is on loopback only."""

    def __init__(self, token: Secret | None, *, local: bool) -> None:
        self._token = token
        self._local = local

    def refuse_foreign_host(self, headers: Mapping[str, str]) -> Answer | None:
        """The refusal of a request under a foreign host name, else None: a page elsewhere may make a name point here.

        A port on more than loopback may have any name. It has a token, which that page does not have.
        """
        if self._local and not _names_loopback(headers.get("host", "")):
            return line(403, "open it at a loopback address: 127.0.0.1, [::1] or localhost")
        return None

    def refuse(self, headers: Mapping[str, str]) -> Answer | None:
        """The refusal of a request for data, None if it may have them."""
        foreign = self.refuse_foreign_host(headers)
        if foreign is not None:
            return foreign
        if headers.get("sec-fetch-site", "") in _ELSEWHERE:
            return line(403, "a page from elsewhere may not read this")
        if self._token is None or bearer_token(headers) == self._token:
            return None
        return line(401, "send the token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})


def bearer_token(headers: Mapping[str, str]) -> Secret | None:
    """The token of a request; None if it has none. To compare it takes the same time, however much of it is right."""
    authorization = headers.get("authorization", "")
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    return Secret(authorization[len(_SCHEME) :].encode("latin-1", "replace"))


def _names_loopback(host: str) -> bool:
    """Whether a Host header, with a port or not, names loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name != "localhost":
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
    return loopback(name)
