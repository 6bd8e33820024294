"""A MinIO on loopback with one disk, and what its administrator does: users, keys, sessions."""

import hashlib
from pathlib import Path
from typing import Any, Final, Self

from minio import Minio, MinioAdmin
from minio.credentials.providers import AssumeRoleProvider, StaticProvider
from minio.error import MinioException
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from tests.broker.cluster import free_ports
from tests.revoke.servers.process import Process, Server, ServerError

BUILT: Final = Path(__file__).parent.parent.parent / ".cache" / "clusters" / "minio"
POLICY: Final = Path(__file__).parents[2] / "deploy" / "revoke" / "minio.json"
ROOT: Final = "root-user"
SECRET: Final = "a secret of loopback"


class MinioServer(Server):
    """One server; a context manager that leaves nothing running."""

    def __init__(self) -> None:
        self._process = Process("minio", free_ports(1)[0])
        self._http = PoolManager(retries=False, timeout=10)
        self.admin = self.administrator(ROOT)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._process.port}"

    def start(self) -> Self:
        if not BUILT.exists():
            raise ServerError("minio is not built: run `make test-clusters`")
        environment = {"MINIO_ROOT_USER": ROOT, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off"}
        command = ["env", *(f"{name}={value}" for name, value in environment.items()), str(BUILT)]
        data = str(self._process.folder / "data")
        self._process.start([*command, "server", "--quiet", "--address", self.address, data], self._ready)
        return self

    def stop(self) -> None:
        self._process.stop()

    def _ready(self) -> bool:
        try:
            return self.client(ROOT, SECRET).list_buckets() is not None
        except (MinioException, HTTPError):
            return False

    def client(self, access_key: str, secret_key: str, token: str | None = None) -> Minio:
        """S3, as a key sees it."""
        return Minio(
            self.address,
            access_key=access_key,
            secret_key=secret_key,
            session_token=token,
            secure=False,
            region="us-east-1",
            http_client=self._http,
        )

    def administrator(self, user: str) -> MinioAdmin:
        """The admin API, as a user sees it."""
        provider = StaticProvider(user, SECRET)
        return MinioAdmin(endpoint=self.address, credentials=provider, secure=False, http_client=self._http)

    def user(self, name: str, policy: str = "readwrite") -> None:
        self.admin.user_add(name, SECRET)
        self.admin.attach_policy([policy], user=name)

    def account(self, parent: str, key: str, note: str) -> None:
        """An access key of a service account, with a description."""
        self.administrator(parent).add_service_account(access_key=key, secret_key=SECRET, description=note)

    def session(self, user: str, revoke_type: str | None) -> Any:
        """Temporary credentials of a user (STS), of a TokenRevokeType."""
        provider = AssumeRoleProvider(
            sts_endpoint=f"http://{self.address}", access_key=user, secret_key=SECRET, http_client=self._http
        )
        if revoke_type is not None:
            provider._body += f"&TokenRevokeType={revoke_type}"  # the library has no argument for it
            provider._content_sha256 = hashlib.sha256(provider._body.encode()).hexdigest()
        return provider.retrieve()

    def remove(self) -> None:
        """See `Server`."""
        super().remove()
        self._http.clear()
