"""The revoker's own credentials as an OAuth 2 client (RFC 6749, section 2.3.1)."""

import base64
from urllib.parse import quote_plus

from detector.revoke.targets.provider_http import read_secret


async def basic_credentials(client_id: str, secret_file: str) -> str:
    """The header `Authorization` of a client, with the secret that its file has now.

    Raises:
        UnavailableError: there is none in it.
    """
    secret = (await read_secret(secret_file)).reveal().decode("ascii")
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
