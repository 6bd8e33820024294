"""`curfewd run` over TLS and SCRAM, and what it says when the brokers refuse it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker.secure import DAY, PASSWORD, USER, Authority, SecureBroker
from tests.ingest.streams import until
from tests.service.whole.deployment import ended
from tests.service.whole.disturbed import Disturbed, deployed, history

WRONG = "not-the-password-at-all"
SECONDS = 300  # to say no, on a machine that is busy


def tls(secure: SecureBroker, protocol: str = "SSL") -> str:
    return f'protocol = "{protocol}"\nca_file = "{secure.authority.file}"\n'


def scram(secure: SecureBroker) -> str:
    return f'{tls(secure, "SASL_SSL")}mechanism = "SCRAM-SHA-512"\nusername = "{USER}"\n'


async def test_a_history_over_tls_with_a_password(
    secure: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEWD_KAFKA_PASSWORD", PASSWORD)
    records, expected = history(tmp_path)
    changed = [
        (secure.address("PLAINTEXT"), secure.address("SCRAM")),
        ("[service]", f"[kafka.security]\n{scram(secure)}[service]"),
    ]
    with deployed(Disturbed(secure.address("PLAINTEXT"), tmp_path, changed=changed)) as deployment:
        await deployment.create()
        await deployment.produce(records)
        process = deployment.start()
        await until(deployment.ready, "readiness")
        await deployment.agrees(expected)
        process.terminate()
        assert await ended(process) == 0
        assert PASSWORD not in deployment.log.read_text()


def refusals(secure: SecureBroker, folder: Path) -> dict[str, tuple[str, str, str]]:
    """Listener, security and what is said, of each thing that a person has to mend."""
    stranger = Authority.make(folder / "stranger")
    expired = secure.authority.issue("late", life=-DAY)
    return {
        "wrong password": ("SCRAM", scram(secure), "does not accept the user, the password or the token"),
        "expired certificate": ("EXPIRED", tls(secure), "the broker's certificate has expired"),
        "our certificate has expired": (
            "MUTUAL",
            f'{tls(secure)}cert_file = "{expired}"\n',
            "Our certificate in cert_file has expired",
        ),
        "unknown authority": (
            "TLS",
            f'protocol = "SSL"\nca_file = "{stranger.file}"\n',
            "is signed by an authority that ca_file does not contain",
        ),
    }


def test_who_is_not_let_in_is_told_why_in_one_line_and_ends(
    secure: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEWD_KAFKA_PASSWORD", WRONG)
    for what, (listener, security, says) in refusals(secure, tmp_path).items():
        config = tmp_path / "curfewd.toml"
        config.write_text(
            f'[kafka]\nbootstrap = "{secure.address(listener)}"\nevent_topics = ["logs"]\n'
            f'[kafka.security]\n{security}[service]\nlisten = "127.0.0.1:0"\nprobes = "127.0.0.1:0"\nlog_format = "json"\n'
        )
        command = [sys.executable, "-m", "detector.cli", "run", "--config", str(config)]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        (line,) = (line for line in done.stderr.splitlines() if '"level": "error"' in line)
        assert (done.returncode, done.stdout) == (2, ""), what
        assert "cannot connect to Kafka" in line, what
        assert says in line, what
        assert "Traceback" not in done.stderr, what
        assert WRONG not in done.stderr, what
