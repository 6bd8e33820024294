"""Exchanges a service account's key for access tokens (RFC 7523; Google, "Using OAuth 2.0 for server to server").

The key's file names an address for the exchange; the configuration's counts, so that a file cannot send it elsewhere.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from detector.revoke.target import UnavailableError
from detector.revoke.targets.google_options import GoogleOptions
from detector.terminal.output import shown
from detector.values.bounded_files import SECRET_BYTES, BadFileError, read_bounded

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_LIVES: Final = 600  # seconds


class _Key(msgspec.Struct):
    client_email: str
    private_key: str
    private_key_id: str


async def assertion(options: GoogleOptions) -> Mapping[str, str]:
    """The form that asks for an access token, signed with the key as its file has it now.

    Raises:
        UnavailableError: the file has no key.
    """
    path = options.credentials_file or ""
    try:
        raw = await asyncio.to_thread(read_bounded, path, SECRET_BYTES)
        key = msgspec.json.decode(raw, type=_Key)
        now = int(time.time())
        claims = {
            "iss": key.client_email,
            "scope": _SCOPE,
            "aud": options.token_url,
            "iat": now,
            "exp": now + _LIVES,
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": key.private_key_id}
        signed = jwt.encode(header, claims, RSAKey.import_key(key.private_key))
    except BadFileError as error:
        raise UnavailableError(f"{shown(path)}: {error}") from None
    except (ValueError, JoseError):  # of which msgspec's errors are some
        raise UnavailableError(f"{shown(path)}: it is not a service account's key in JSON") from None
    return {"grant_type": _GRANT, "assertion": signed}
