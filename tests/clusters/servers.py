"""kube-apiserver with Debian's etcd, and Vault: started on loopback, stopped by pid."""

import os
import secrets
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.broker.cluster import free_ports
from tests.broker.secure import Authority
from tests.revoke.servers.process import Process, Server, ServerError

BUILT: Final = Path(__file__).parent.parent.parent / ".cache" / "clusters"


class KubernetesServer(Server):
    """An etcd and a kube-apiserver with RBAC. `admin_file` has the token of a cluster's administrator.

    `options` are more of the API server's.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        client, peer, port = free_ports(3)
        self._etcd, self._process = Process("etcd", client), Process("kube-apiserver", port)
        folder = self._process.folder
        self.url = f"https://127.0.0.1:{port}"
        authority = Authority.make(folder / "authority")
        self.ca_file, served = authority.file, authority.issue("apiserver")
        self.admin_file = folder / "admin-token"
        self.admin_file.write_text(secrets.token_hex(16))
        (folder / "tokens.csv").write_text(f'{self.admin_file.read_text()},admin,admin,"system:masters"\n')
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (folder / "accounts.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        self._etcd_command = [
            _program("etcd", "install etcd (Debian: apt-get install etcd-server)"),
            f"--data-dir={self._etcd.folder}/data",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
        ]
        self._api_command = [
            str(_built("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={served}",
            f"--tls-private-key-file={served}",
            f"--cert-dir={folder}/certificates",
            f"--service-account-key-file={folder}/accounts.pem",
            f"--service-account-signing-key-file={folder}/accounts.pem",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--authorization-mode=RBAC",
            f"--token-auth-file={folder}/tokens.csv",
            "--endpoint-reconciler-type=none",
            *options,
        ]

    def start(self) -> Self:
        """Starts both."""
        self._etcd.start(self._etcd_command)
        self._process.start(self._api_command, self._ready)
        return self

    def remove(self) -> None:
        """Ends both."""
        super().remove()
        self._etcd.remove()

    def _ready(self) -> bool:
        trusted = ssl.create_default_context(cafile=str(self.ca_file))
        headers = {"Authorization": f"Bearer {self.admin_file.read_text()}"}
        request = urllib.request.Request(f"{self.url}/readyz", headers=headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=5, context=trusted) as answer:  # noqa: S310 - the same
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class VaultServer(Server):
    """A Vault in memory. `root_file` has its root token."""

    def __init__(self) -> None:
        port = free_ports(1)[0]
        self._process = Process("vault", port)
        self.url = f"http://127.0.0.1:{port}"
        self.root_file = self._process.folder / "root-token"
        self.root_file.write_text(f"root-{secrets.token_hex(16)}")
        self._command = [
            "env",
            f"VAULT_DEV_LISTEN_ADDRESS=127.0.0.1:{port}",
            f"VAULT_DEV_ROOT_TOKEN_ID={self.root_file.read_text()}",
            str(_built("vault")),
        ]

    def start(self) -> Self:
        """Starts it."""
        self._process.start(self._command)
        return self


def _built(name: str) -> Path:
    path = BUILT / name
    if not os.access(path, os.X_OK):
        raise ServerError(f"{name} is not built: run `make test-clusters`")
    return path


def _program(name: str, advice: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ServerError(advice)
    return found
