"""A real Keycloak, from Maven: 175 MB, and half a minute to start.

`python -m tests.revoke.servers.keycloak` installs it. It has a realm `ci` with the user `ann`, and the clients `task`
(whose tokens are revoked) and `resource`. The revoker's client is that of deploy/revoke/keycloak.json. Each client's
secret is `<name>-secret`.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import urllib.parse
import zipfile
from pathlib import Path
from typing import Any, Final, Self

from tests.broker.cluster import free_ports
from tests.revoke.servers.process import Process, Server, ServerError

VERSION: Final = "26.7.3"
CACHE: Final = Path(__file__).parents[3] / ".cache" / "keycloak"
HOME: Final = CACHE / f"keycloak-{VERSION}"
_COMPLETE: Final = HOME / ".complete"
_ARTIFACT: Final = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
_NEEDED: Final = "run `make test-clusters` once: it installs Keycloak (needs Java 17 or newer and Maven)"
_SETTINGS: Final = ("--db=dev-mem", "--health-enabled=false", "--metrics-enabled=false")
REALM: Final = "ci"
REVOKER: Final = "curfewd-revoker"
POLICY: Final = Path(__file__).parents[3] / "deploy" / "revoke" / "keycloak.json"


def fetch() -> None:
    """Installs Keycloak, and builds it for the settings of the tests, once."""
    if _COMPLETE.exists():
        return
    if shutil.which("mvn") is None:
        raise ServerError(_NEEDED)
    CACHE.mkdir(parents=True, exist_ok=True)
    copy = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={CACHE}"]
    if subprocess.run(copy, cwd=CACHE, check=False, timeout=1800).returncode != 0:
        raise ServerError("Maven could not fetch Keycloak: see above")
    archive = CACHE / f"keycloak-quarkus-dist-{VERSION}.zip"
    with zipfile.ZipFile(archive) as members:
        members.extractall(CACHE)
    archive.unlink()
    program = HOME / "bin" / "kc.sh"
    program.chmod(0o755)
    if subprocess.run([program, "build", *_SETTINGS], check=False, timeout=900).returncode != 0:
        raise ServerError("Keycloak could not be built: see above")
    _COMPLETE.touch()


class KeycloakServer(Server):
    """One server; a context manager that leaves nothing running. `url` is its address."""

    def __init__(self) -> None:
        if not _COMPLETE.exists() or shutil.which("java") is None:
            raise ServerError(_NEEDED)
        self._process = Process("keycloak", free_ports(1)[0])
        self.url = f"http://127.0.0.1:{self._process.port}"
        self._admin = ""

    def start(self) -> Self:
        """Starts it with an empty database, and makes the realm."""
        environment = os.environ | {
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin-of-the-tests",
            "JAVA_OPTS_APPEND": "-Xmx512m -XX:TieredStopAtLevel=1",
        }
        given = [
            f"{name}={environment[name]}" for name in sorted(environment) if name.startswith(("KC_", "JAVA_"))
        ]
        options = ["--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={self._process.port}"]
        command = ["env", *given, str(HOME / "bin" / "kc.sh"), "start", "--optimized", *options]
        self._process.start([*command, "--hostname-strict=false", "--cache=local"])
        self._make_realm()
        return self

    def remove(self) -> None:
        """See `Server`."""
        if self._process.pid is not None:  # the script that started it does not end Java with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        super().remove()

    def _make_realm(self) -> None:
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin"}
        form["password"] = "admin-of-the-tests"
        self._admin = self._form("master", "token", form)["access_token"]
        self.admin("POST", "", {"realm": REALM, "enabled": True}, realms=True)
        for name in ("task", "resource"):
            made: dict[str, Any] = {
                "clientId": name,
                "secret": f"{name}-secret",
                "serviceAccountsEnabled": True,
            }
            made |= {"directAccessGrantsEnabled": name == "task", "standardFlowEnabled": False}
            if name == "task":
                made["protocolMappers"] = [_audience(name)]
            self.admin("POST", "/clients", made)
        password = {"type": "password", "value": "p", "temporary": False}
        ann = {
            "username": "ann",
            "enabled": True,
            "email": "ann@ci.example",
            "firstName": "A",
            "lastName": "N",
        }
        self.admin("POST", "/users", {**ann, "credentials": [password]})
        self.admin("POST", "/partialImport", json.loads(POLICY.read_text()))
        client = self.admin("GET", f"/clients?clientId={REVOKER}")[0]
        self.admin("PUT", f"/clients/{client['id']}", client | {"secret": f"{REVOKER}-secret"})

    def revoker_roles(self, method: str, *names: str) -> None:
        """Gives roles to the revoker (POST), or takes them (DELETE)."""
        management = self.admin("GET", "/clients?clientId=realm-management")[0]["id"]
        client = self.admin("GET", f"/clients?clientId={REVOKER}")[0]["id"]
        account = self.admin("GET", f"/clients/{client}/service-account-user")["id"]
        roles = [each for each in self.admin("GET", f"/clients/{management}/roles") if each["name"] in names]
        self.admin(method, f"/users/{account}/role-mappings/clients/{management}", roles)

    def admin(self, method: str, path: str, body: Any = None, *, realms: bool = False) -> Any:
        """The answer to a request of the administrator about the realm."""
        headers = {"Authorization": f"Bearer {self._admin}", "Content-Type": "application/json"}
        where = "/admin/realms" if realms else f"/admin/realms/{REALM}{path}"
        return self._exchange(method, where, headers, None if body is None else json.dumps(body))[1]

    def session_token(self, scope: str = "openid") -> str:
        """A token of ann's, which has a session; an offline one with the scope `offline_access`."""
        form = {"grant_type": "password", "username": "ann", "password": "p", "scope": scope}
        return str(self._form(REALM, "token", form | _client("task"))["access_token"])

    def service_token(self) -> str:
        """A token of the service account of `task`, which has no session."""
        form = {"grant_type": "client_credentials"} | _client("task")
        return str(self._form(REALM, "token", form)["access_token"])

    def active(self, token: str, client: str = "task") -> bool:
        """Whether Keycloak calls the token active when a client asks."""
        found = self._form(REALM, "token/introspect", {"token": token} | _client(client))
        return found["active"] is True

    def userinfo(self, token: str) -> int:
        """The status with which it answers a use of the token."""
        path = f"/realms/{REALM}/protocol/openid-connect/userinfo"
        return self._exchange("GET", path, {"Authorization": f"Bearer {token}"})[0]

    def _form(self, realm: str, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        path = f"/realms/{realm}/protocol/openid-connect/{endpoint}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        found: dict[str, Any] = self._exchange("POST", path, headers, urllib.parse.urlencode(form))[1]
        return found

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._process.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, None


def _audience(client: str) -> dict[str, Any]:
    """Puts a client into the audience of the tokens. Keycloak calls them inactive to all who are not in it."""
    config = {"included.client.audience": client, "access.token.claim": "true"}
    return {
        "name": "aud",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": config,
    }


def _client(name: str) -> dict[str, str]:
    return {"client_id": name, "client_secret": f"{name}-secret"}


if __name__ == "__main__":
    fetch()
