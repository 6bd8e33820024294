"""Reads the revoker's own password: blanks may be part of it, as they may not be of a token."""

import asyncio

from detector.revoke.target import UnavailableError
from detector.terminal.output import shown
from detector.values.bounded_files import secret_in


async def read_password(path: str) -> str:
    """The password in a file, as it is now.

    Raises:
        UnavailableError: there is none. Once the file is mended, the command goes on.
    """
    try:
        secret = await asyncio.to_thread(secret_in, path)
    except ValueError as error:
        raise UnavailableError(f"{shown(path)}: {error}") from None
    return secret.reveal().decode()
