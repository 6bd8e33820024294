"""The HTTP of aiobotocore, with answers of bounded size and no redirects, which would carry the session token along."""

from typing import Any, Final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

from detector.revoke.targets.provider_http import ANSWER_BYTES

_CHUNK: Final = 1 << 16


class _Bounded:
    """An aiohttp session that reads each answer up to the limit before it gives it on."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **more: Any) -> aiohttp.ClientResponse:
        response = await self._session.request(method, **{**more, "allow_redirects": False})
        parts, size = [], 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > ANSWER_BYTES:
                response.close()
                raise aiohttp.ClientPayloadError("the answer is too large")
            parts.append(chunk)
        response._body = b"".join(parts)  # noqa: SLF001 - what `read` gives, which aiobotocore calls
        return response


class BoundedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore ships no types
    """What aiobotocore sends its requests with."""

    async def _get_session(self, proxy_url: str | None) -> _Bounded:
        return _Bounded(await super()._get_session(proxy_url))
