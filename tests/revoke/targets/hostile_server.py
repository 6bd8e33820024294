"""A provider on loopback that answers with given bytes, and may never come to an end."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TOKEN = "not-a-real-token-of-the-revoker-but-long-enough"


class HostileServer:
    """Its address, and the heads and bodies of the requests that came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heads: list[str] = []
        self.bodies: list[bytes] = []


@asynccontextmanager
async def answering(
    *answers: bytes, endless: bytes = b"", pause: float = 0.0
) -> AsyncIterator[HostileServer]:
    """Sends one answer after another, the last one again and again; after each `endless` for ever, with a pause."""
    made = HostileServer("")
    left = list(answers)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            made.heads.append(head.decode("latin-1"))
            length = re.search(rb"(?i)content-length: (\d+)", head)
            made.bodies.append(await reader.readexactly(int(length[1])) if length else b"")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
            while endless:
                writer.write(endless)
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    try:
        yield made
    finally:
        server.close()


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An answer of HTTP; underscores in the names of headers are hyphens."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
