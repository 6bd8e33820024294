"""Takes what Alertmanager sends, and keeps it by receiver."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Received = dict[str, list[dict[str, Any]]]


@contextmanager
def listening() -> Iterator[tuple[str, Received]]:
    """The address, and the alerts that each receiver was told of so far."""
    received: Received = defaultdict(list)

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received[self.path.strip("/")] += json.loads(body)["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
