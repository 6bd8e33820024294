"""The page of the live view, built once: one document that loads nothing and asks only this port."""

from functools import cache
from typing import Final

from detector.pages import (
    COMPONENT_SCRIPTS,
    COMPONENT_STYLES,
    content_security_policy,
    document,
    joined,
    source,
)
from detector.service.http.server import Answer

_POLICY: Final = "Content-Security-Policy"
_GUARDED: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DATA_HEADERS: Final = {**_GUARDED, _POLICY: "default-src 'none'; frame-ancestors 'none'"}


@cache
def live_page() -> Answer:
    """The page with its headers. It holds no data: it asks for them, with the token if there is one."""
    script = joined((*COMPONENT_SCRIPTS, "live.js"))
    style = joined((*COMPONENT_STYLES, "live.css"))
    policy = content_security_policy(
        script,
        style,
        connect_src="'self'",
        require_trusted_types_for="'script'",  # no text can become markup, whoever forgets what
        trusted_types="'none'",
    )
    page = document(title="curfewd live", script=script, style=style, body=source("live.html"), policy=policy)
    headers = {**_GUARDED, _POLICY: f"{policy}; frame-ancestors 'none'"}
    return Answer(200, page, "text/html; charset=utf-8", headers)
