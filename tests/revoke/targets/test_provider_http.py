"""The client of all targets over HTTP, against providers that lie, stall and flood."""

import asyncio
import ssl
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.provider_http import HttpOptions, ProviderHttp
from tests.broker.secure import Authority
from tests.revoke.targets.hostile_server import TOKEN, answer, answering


def _at(second: int) -> str:
    """A date of HTTP by the provider's clock, which is another than ours."""
    return formatdate(1_700_000_000 + second, usegmt=True)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


async def asked(url: str, token_file: Path, path: tuple[str, ...] = ("x",), **options: Any) -> Any:
    http = ProviderHttp(HttpOptions(url=url, token_file=str(token_file), **{"timeout": 2.0, **options}))
    try:
        return await http.ask("GET", path)
    finally:
        await http.close()


async def failure(token_file: Path, *answers: bytes, **serving: Any) -> UnavailableError:
    async with answering(*answers, **serving) as server:
        started = time.monotonic()
        with pytest.raises(UnavailableError) as raised:
            await asked(server.url, token_file, timeout=0.5)
        assert time.monotonic() - started < 3
    assert TOKEN not in str(raised.value)
    return raised.value


async def test_it_sends_its_token_and_reads_a_bounded_answer(token_file: Path) -> None:
    async with answering(answer("200 OK", b'{"a": 1}', X_Thing="1")) as server:
        found = await asked(server.url, token_file, ("a b", "c/d"))
    assert (found.status, found.fields(), found.headers["x-thing"]) == (200, {"a": 1}, "1")
    assert server.heads[0].startswith("GET /api/a%20b/c%2Fd HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}\r\n" in server.heads[0]
    assert "a" not in repr(found).replace("answer", "")[30:]


async def test_the_token_is_read_again_for_each_request(token_file: Path) -> None:
    async with answering(answer("200 OK", b"{}")) as server:
        http = ProviderHttp(HttpOptions(url=server.url, token_file=str(token_file)))
        await http.ask("GET", ["x"])
        token_file.write_text("another")
        await http.ask("GET", ["x"])
        await http.close()
    assert "Bearer another\r\n" in server.heads[1]


@pytest.mark.parametrize(
    ("status", "headers", "least", "most"),
    [
        ("429 Too Many Requests", {"Retry_After": "7"}, 7, 9),
        ("503 Service Unavailable", {"Retry_After": _at(30), "Date": _at(0)}, 31, 31),
        ("503 Service Unavailable", {"Retry_After": "99999999999"}, 3600, 3600),
        ("403 Forbidden", {"X_RateLimit_Remaining": "0"}, 60, 60),
    ],
    ids=["seconds", "date", "centuries", "rate-limit"],
)
async def test_it_says_how_long_a_provider_asks_to_wait(
    token_file: Path, status: str, headers: dict[str, str], least: float, most: float
) -> None:
    error = await failure(token_file, answer(status, b"", **headers))
    assert error.after is not None
    assert least <= error.after <= most


@pytest.mark.parametrize(
    "sent",
    [
        answer("500 Internal Server Error", TOKEN.encode()),
        answer("503 Service Unavailable", Retry_After="soon"),
        answer("401 Unauthorized", TOKEN.encode()),
        answer("302 Found", Location=f"http://203.0.113.7/{TOKEN}"),
        answer("307 Temporary Redirect", Location="https://elsewhere.example/"),
        answer("200 OK", b"\x1f\x8b\x08", Content_Encoding="gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"",
    ],
    ids=[
        *(
            "500",
            "503",
            "401",
            "redirect",
            "redirect-tls",
            "compressed",
            "short",
            "chunks",
            "status",
            "header",
        ),
        *("ssh", "nothing"),
    ],
)
async def test_a_provider_that_fails_is_unavailable_and_never_quoted(token_file: Path, sent: bytes) -> None:
    assert "127.0.0.1" in str(await failure(token_file, sent))


async def test_a_flood_and_a_trickle_end(token_file: Path) -> None:
    flood = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    assert "more than 1024 KiB" in str(await failure(token_file, flood, endless=b"x" * 65536))
    assert "within 0.5 s" in str(await failure(token_file, flood, endless=b"x", pause=0.05))
    assert "within 0.5 s" in str(
        await failure(token_file, b"HTTP/1.1 200 OK\r\n", endless=b"A: b\r\n", pause=0.05)
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": 1} x', b"[1]", b'"text"', b"NaN"]
)
async def test_garbage_is_no_json_object(token_file: Path, body: bytes) -> None:
    async with answering(answer("200 OK", body)) as server:
        found = await asked(server.url, token_file)
    with pytest.raises(UnavailableError, match=r"not JSON|not a JSON"):
        found.fields()


@pytest.mark.parametrize("part", ["", ".", "..", "a\nb", "\x00", "x" * 600])
async def test_no_part_of_a_path_leads_elsewhere(token_file: Path, part: str) -> None:
    with pytest.raises(RefusedError):
        await asked("http://127.0.0.1:1/api", token_file, ("tokens", part))


@pytest.mark.parametrize("text", ["", "two words", "tür", "x\r\nHost: y", "x" * 20_000])
async def test_a_file_without_one_token_is_waited_for(token_file: Path, text: str) -> None:
    token_file.write_text(text)
    with pytest.raises(UnavailableError, match="token"):
        await asked("http://127.0.0.1:1/api", token_file)
    token_file.unlink()
    with pytest.raises(UnavailableError, match="No such file"):
        await asked("http://127.0.0.1:1/api", token_file)


@pytest.mark.parametrize(
    "url",
    [
        *("http://provider.example/api", "http://10.0.0.1/", "ftp://127.0.0.1/", "//x", "x", ""),
        *(
            "https://user:pass@provider.example/",
            "https://provider.example/?a=b",
            "https://[",
            "file:///etc/passwd",
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_found_with_the_configuration(url: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="url: write https://"):
        msgspec.convert({"url": url}, HttpOptions)


async def test_the_environment_is_not_asked(
    token_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret-of-netrc")
    monkeypatch.setenv("HOME", str(tmp_path))
    async with answering(answer("200 OK", b"{}")) as server, answering(answer("200 OK", b"{}")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        await asked(server.url, token_file)
        assert len(server.heads) == 1
        assert proxy.heads == []
        assert "Basic" not in server.heads[0]
        await asked(server.url, token_file, use_proxy=True)
        assert len(proxy.heads) == 1


async def test_a_certificate_must_be_trusted(token_file: Path, tmp_path: Path) -> None:
    """A server with a certificate of its own authority, which the system does not know."""
    authority = Authority.make(tmp_path / "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("provider"))

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("200 OK", b"{}"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(UnavailableError, match="ca_file"):
        await asked(url, token_file)
    assert (await asked(url, token_file, ca_file=str(authority.file))).status == 200
    with pytest.raises(UnavailableError, match="certificate"):
        await asked(url, token_file, ca_file=str(token_file))
    server.close()
