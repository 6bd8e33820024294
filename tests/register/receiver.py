"""An HTTP server that takes CloudEvents, and answers what a test wants."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any


class Receiver:
    """What was posted to it: each event and the headers it came with. `status` is its next answers."""

    def __init__(self) -> None:
        self.status = 202
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@contextlib.contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """A receiver on this port of the loopback, or on a free one."""
    taken = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.headers.append(dict(self.headers))
            if taken.status < 300:
                taken.events.append(json.loads(body))
            self.send_response(taken.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        taken.url = f"http://127.0.0.1:{server.server_address[1]}/events"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()
