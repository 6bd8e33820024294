"""`curfewd redact --known`: it stops where a credential that it should mask could pass."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from detector.scan.known_credentials import KeyRing
from detector.values.secrets import DeploymentKey, Secret
from tests.command_line import curfewd

KEY = DeploymentKey.of(b"k" * 32)
KNOWN = b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern


def issued(folder: Path, *identifiers: dict[str, Any]) -> str:
    """A file of events that registers one credential by these identifiers."""
    path = folder / "issued.jsonl"
    data = {"credential_id": "c", "task_id": "t", "identifiers": identifiers}
    event = {"specversion": "1.0", "id": "1", "source": "/issuer", "type": "credential.issued"}
    path.write_text(json.dumps({**event, "time": "2026-05-01T00:00:00Z", "data": data}) + "\n")
    return str(path)


HMAC = {"scheme": "hmac-sha256", "value": KeyRing((KEY,)).identifiers(Secret(KNOWN))[0].value}
SHA256 = {"scheme": "sha256", "value": hashlib.sha256(KNOWN).hexdigest(), "length": len(KNOWN)}


@pytest.mark.parametrize(
    ("identifiers", "reason"),
    [
        (
            [HMAC],
            "1 credential cannot be recognised: there is no deployment key: set CURFEWD_KEY or key_file",
        ),
        ([SHA256 | {"length": 200_000}], "its length is above"),
        ([{"scheme": "hmac-sha256", "value": "?"}], "1 record or file cannot be read, and may register"),
    ],
    ids=["no-key", "too-long", "broken"],
)
def test_redact_stops_where_a_credential_that_it_should_mask_would_pass(
    tmp_path: Path, identifiers: list[dict[str, Any]], reason: str
) -> None:
    path = issued(tmp_path, *identifiers)
    out, err, code = without_key("--known", path)
    assert (code, out) == (2, b"")
    assert err.startswith("curfewd: redact --known: ")
    assert reason in err
    assert err.count("\n") == 1
    assert "--pass-unrecognised" in err
    out, err, code = without_key("--known", path, "--pass-unrecognised")
    assert (code, out) == (0, b"a=%s\n" % KNOWN)
    assert reason in err
    assert "curfewd: warning: --known: " in err


@pytest.mark.parametrize("identifiers", [[HMAC, SHA256], [SHA256]], ids=["both", "sha256"])
def test_a_credential_that_a_plain_hash_finds_needs_no_key(
    tmp_path: Path, identifiers: list[dict[str, Any]]
) -> None:
    out, _, code = without_key("--known", issued(tmp_path, *identifiers))
    assert (code, out) == (0, f"a=‹known-credential:{len(KNOWN)}›\n".encode())


def test_redact_stops_where_one_of_many_files_of_credentials_cannot_be_read(tmp_path: Path) -> None:
    issued(tmp_path, SHA256)
    (tmp_path / "rest.jsonl.gz").write_bytes(b"\x1f\x8b\x08 no gzip at all")
    out, err, code = without_key("--known", str(tmp_path))
    assert (code, out) == (2, b"")
    assert "rest.jsonl.gz" in err


def test_redact_stops_where_no_credential_is_registered_at_all(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text("nothing but text\n")
    out, err, code = without_key("--known", str(tmp_path))
    assert (code, out) == (2, b"")
    assert "no credential is registered there" in err


def test_redact_reads_the_credentials_of_a_source_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "curfewd.toml").write_text(
        """
[[source]]
name = "robots"
match = [{ path = "schema", equals = "robots-1" }]
[[source.event]]
type = "credential.issued"
time = "{at}"
id = "{id}"
credential_id = "c"
task_id = "t"
identifiers = [{ secret = "{code}" }]
"""
    )
    record = {"schema": "robots-1", "at": "2026-05-01T00:00:00Z", "id": 1, "code": KNOWN.decode()}
    (tmp_path / "robots.jsonl").write_text(json.dumps(record) + "\n")
    arguments = ("--known", str(tmp_path / "robots.jsonl"), "--config", str(tmp_path / "curfewd.toml"))
    out, _, code = without_key(*arguments)
    assert (code, out) == (0, f"a=‹known-credential:{len(KNOWN)}›\n".encode())


def test_without_known_nobody_is_told_of_a_key_that_nothing_needs() -> None:
    assert without_key() == (b"a=%s\n" % KNOWN, "", 0)


def without_key(*arguments: str) -> tuple[bytes, str, int]:
    """What redact writes, says and exits with, given a line with the secret, where there is no deployment key."""
    done = curfewd("redact", *arguments, given=b"a=%s\n" % KNOWN, environ={"CURFEWD_KEY": None})
    return done.out, done.err.decode(), done.code
