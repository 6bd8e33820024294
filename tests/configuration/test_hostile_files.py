"""Every file that a configuration or the command line names, with something else in its place: told, at once."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detector import cli

KAFKA = '[kafka]\nbootstrap = ["localhost:9092"]\nevent_topics = ["audit"]\n'
SECURE = f"{KAFKA}[kafka.security]\n"
# A configuration for each key that names a file.
NAMED = {
    "key_file": 'key_file = "there"\n',
    "keys.file": '[[keys]]\nid = "a"\nfile = "there"\n',
    "patterns.paths": '[patterns]\npaths = ["there"]\n',
    "patterns.baseline": '[patterns]\nbaseline = "there"\n',
    "patterns.plugins": '[patterns]\nplugins = ["there.py"]\n',
    "kafka.security.ca_file": f'{SECURE}protocol = "SSL"\nca_file = "there"\n',
    "kafka.security.cert_file": f'{SECURE}protocol = "SSL"\ncert_file = "there"\n',
    "kafka.security.key_file": f'{SECURE}protocol = "SSL"\ncert_file = "certificate"\nkey_file = "there"\n',
    "kafka.security.key_password_file": (
        f'{SECURE}protocol = "SSL"\ncert_file = "certificate"\nkey_password_file = "there"\n'
    ),
    "kafka.security.password_file": (
        f'{SECURE}protocol = "SASL_SSL"\nmechanism = "PLAIN"\nusername = "u"\npassword_file = "there"\n'
    ),
    "kafka.security.token_file": f'{SECURE}protocol = "SASL_SSL"\nmechanism = "OAUTHBEARER"\ntoken_file = "there"\n',
    "kafka.security.token_ca_file": (
        f'{SECURE}protocol = "SASL_SSL"\nmechanism = "OAUTHBEARER"\ntoken_endpoint = "https://id.example/token"\n'
        'oauth_client_id = "c"\nclient_secret_file = "secret"\ntoken_ca_file = "there"\n'
    ),
    "kafka.security.client_secret_file": (
        f'{SECURE}protocol = "SASL_SSL"\nmechanism = "OAUTHBEARER"\ntoken_endpoint = "https://id.example/token"\n'
        'oauth_client_id = "c"\nclient_secret_file = "there"\n'
    ),
    "service.view_token_file": f'{KAFKA}[service]\nview = true\nview_token_file = "there"\n',
    "--config": None,
}


def zeroes(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 38)  # a hole


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 9)


HOSTILE = [zeroes, os.mkfifo, Path.mkdir, loop, huge, binary]


@pytest.mark.parametrize("command", [["check"], ["patterns", "list"]])
def test_a_configuration_may_come_through_a_pipe(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `--config <(decrypt curfewd.toml)` gives it: it can be read once."""
    monkeypatch.setenv("CURFEWD_KEY", "00" * 32)
    ours, theirs = os.pipe()
    os.write(theirs, b'[patterns]\ndisable = ["*"]\ndetect_secrets = false\n')
    os.close(theirs)
    try:
        assert cli.main([*command, "--config", f"/proc/self/fd/{ours}"]) == 0
    finally:
        os.close(ours)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "make"),
    # A folder of patterns is no mistake.
    [(name, make) for name in NAMED for make in HOSTILE if (name, make) != ("patterns.paths", Path.mkdir)],
)
def test_what_is_no_such_file_is_told_at_once(
    name: str,
    make: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CURFEWD_KEY", raising=False)
    Path("certificate").write_text("-----BEGIN CERTIFICATE-----\n")
    Path("secret").write_text("a secret")
    file = Path("there.py" if name.endswith("plugins") else "there")
    make(file)
    if (text := NAMED[name]) is not None:
        Path("curfewd.toml").write_text(text)
    config = "there" if text is None else "curfewd.toml"
    begin = time.monotonic()
    code = cli.main(["check", "--config", config])
    told = capsys.readouterr().err
    assert time.monotonic() - begin < 8
    assert code == 2
    assert "there" in told or "certificate" in told
    assert "internal error" not in told
    assert "\0" not in told
