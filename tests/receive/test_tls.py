"""TLS: a client's certificate as a proof, and certificates that change while the port is open."""

import asyncio
import contextlib
import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from detector.configuration.receive_settings import TlsFiles
from detector.receive.tls import ReloadedTls
from detector.values.errors import ConfigError
from tests.broker.secure import DAY, Authority
from tests.receive.serving import JSON, Served, serving, source

CLUSTER = source("cluster", type="eventbridge", secrets=None, clients=["kube-*"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "ours")


def client(authority: Authority, certificate: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


async def status(served: Served, context: ssl.SSLContext) -> int | str:
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    url = served.url("/cluster", "https").replace("localhost", "127.0.0.1")
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.post(url, data=b'{"id": "1"}', headers=JSON) as answer:
                return answer.status
        except aiohttp.ClientError as error:
            return type(error).__name__


def tables(certificate: Path, authority: Authority) -> str:
    return f"cert_file = '{certificate}'\nclient_ca_file = '{authority.file}'"


async def test_only_the_certificate_of_the_cluster_may_send(tmp_path: Path, authority: Authority) -> None:
    stranger = Authority.make(tmp_path / "strangers").issue("kube-apiserver")
    certificate = authority.issue("receive")
    tls = ReloadedTls(TlsFiles(str(certificate), client_ca_file=str(authority.file)))
    async with serving(tmp_path, CLUSTER, top=tables(certificate, authority), tls=tls) as served:
        assert await status(served, client(authority, authority.issue("kube-apiserver"))) == 200
        assert await status(served, client(authority, authority.issue("other"))) == 403
        assert await status(served, client(authority, None)) == 403
        assert await status(served, client(authority, stranger)) not in {200, 403}
        assert len(served.lines("cluster")) == 1


async def test_a_certificate_that_changes_is_read_again(tmp_path: Path, authority: Authority) -> None:
    used = tmp_path / "tls.pem"
    shutil.copy(authority.issue("before"), used)
    tls = ReloadedTls(TlsFiles(str(used), client_ca_file=str(authority.file)))
    told: list[ConfigError | None] = []
    with watching(tls, told):
        async with serving(tmp_path, CLUSTER, top=tables(used, authority), tls=tls) as served:
            used.write_bytes(b"no certificate")
            await until(told, 1)
            assert isinstance(told[0], ConfigError)
            assert await status(served, client(authority, authority.issue("kube-1"))) == 200
            assert 29.9 < (tls.expires - time.time()) / 86400 < 30.1
            other = Authority.make(tmp_path / "others")
            shutil.copy(other.issue("after", life=7 * DAY), used)
            await until(told, 2)
            assert told[1] is None
            assert 6.9 < (tls.expires - time.time()) / 86400 < 7.1
            assert await status(served, client(authority, authority.issue("kube-1"))) != 200
            assert await status(served, client(other, authority.issue("kube-1"))) == 200


@contextlib.contextmanager
def watching(tls: ReloadedTls, told: list[ConfigError | None]) -> Iterator[None]:
    task = asyncio.ensure_future(tls.watch(told.append, 0.02))
    try:
        yield
    finally:
        task.cancel()


async def until(told: list[ConfigError | None], count: int) -> None:
    async with asyncio.timeout(60):
        while len(told) < count:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.01)
