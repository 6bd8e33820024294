"""Who may see the live view: whoever shows the token, or, where none is set, whoever sits at this machine.

The token comes in the Authorization header and nowhere else. A cookie would be sent to every port of the host and by
every page that makes a browser ask; an address ends up in histories and logs. So the page keeps the token in its memory.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from detector.configuration.kafka_settings import loopback
from detector.service.http.server import Answer, line
from detector.values.secrets import Secret

_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})  # `same-site`: another port of this machine, too
_SCHEME: Final = "bearer "


class Access:
    """`token` None: no token is asked for. `local`: the port is a loopback one."""

    def __init__(self, token: Secret | None, *, local: bool) -> None:
        self._token = token
        self._local = local

    def stranger(self, headers: Mapping[str, str]) -> Answer | None:
        """The refusal of a request that a page from elsewhere sends under a name that it made point here, else None.

        What listens on more than loopback has whatever name it is given, and a token, which that page does not have.
        """
        if self._local and not _names_loopback(headers.get("host", "")):
            return line(403, "ask for it by a loopback address: 127.0.0.1, [::1] or localhost")
        return None

    def refusal(self, headers: Mapping[str, str]) -> Answer | None:
        """The refusal of a request for what is shown, None if it may have it."""
        stranger = self.stranger(headers)
        if stranger is not None:
            return stranger
        if headers.get("sec-fetch-site", "") in _ELSEWHERE:
            return line(403, "a page from elsewhere may not read this")
        if self._token is None or self._shown(headers.get("authorization", "")):
            return None
        return line(401, "show the token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})

    def _shown(self, authorization: str) -> bool:
        """Compares in a time that does not tell how much of it is right."""
        given = authorization[len(_SCHEME) :].encode("latin-1", "replace")
        return authorization[: len(_SCHEME)].lower() == _SCHEME and Secret(given) == self._token


def _names_loopback(host: str) -> bool:
    """Of a Host header, which may have a port."""
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
