"""Something on loopback that is not the server that was expected: it sends given bytes, and then closes or hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def garbage(sent: bytes, *, hang: bool) -> AsyncIterator[int]:
    """Its port. Each connection gets `sent` once something was asked."""
    writers: list[asyncio.StreamWriter] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionError):
            await reader.read(1 << 16)
            writer.write(sent)
            await writer.drain()
            if not hang:
                writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
