"""detect-secrets takes part: plugins find and confirm, custom plugins load, a baseline silences."""

import hashlib
import json
import random
import string
from pathlib import Path

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

from detector.patterns.detect_secrets_plugins import OFF, load_plugins, read_baseline
from detector.patterns.pattern import Pattern
from detector.scan.scanner import PatternScanner
from detector.values.errors import ConfigError
from detector.values.findings import Severity

SENDGRID = b"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"
STRIPE = b"rk_live_5TcWfjKmJgpql9hjpRnwRXbT"
QUIET = load_plugins()


def found(line: bytes, *plugins: str) -> dict[str, bytes]:
    scanner = PatternScanner([], load_plugins(plugins) if plugins else QUIET)
    return {match.pattern.id: match.secret.reveal() for match in scanner.scan(line)}


@pytest.mark.parametrize(
    ("line", "plugin", "secret"),
    [
        (b"key: " + SENDGRID + b" ok", "sendgrid-api-key", SENDGRID),
        (b"STRIPE=" + STRIPE, "stripe-access-key", STRIPE),
        (b"x glpat-hellOworld380_-t9Q2z y", "gitlab-token", b"glpat-hellOworld380_-t9Q2z"),
        (
            b'cloudant_password = "a3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"',
            "cloudant-credentials",
            b"a3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
    ],
)
def test_a_plugin_finds_what_it_finds_in_detect_secrets(line: bytes, plugin: str, secret: bytes) -> None:
    assert found(line) == {f"detect-secrets:{plugin}": secret}
    assert found(b"\xff\xfe" + line + b"\xc3\nnext") == {f"detect-secrets:{plugin}": secret}


@pytest.mark.parametrize(
    "line",
    [
        b"xglpat-" + b"a1B2" * 20,  # the plugin's own lookahead: too long for a token
        b"STRIPE=rk_live_ABCDEFGHIJKLMNOPQRSTUVWX",  # a sequence
        b"commit 3f786850e387550fdab836ed7e6dc881de23001b",
        b"image@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        b"request id 6fa459ea-ee8a-3ca4-894e-db77e160355e",
        b"host 8.8.8.8 connects",
    ],
)
def test_what_a_plugin_or_a_filter_refuses_is_no_secret(line: bytes) -> None:
    assert found(line) == {}


def test_plugins_that_cry_wolf_are_off_until_asked_for() -> None:
    line = b"db: postgres://ci:Kq7vT2xZ9w@10.0.0.5/main"
    assert found(line) == {}
    expected = {"detect-secrets:basic-auth-credentials": b"Kq7vT2xZ9w"}
    assert found(line, "BasicAuthDetector") == expected
    assert found(line, "detect-secrets:basic-auth-credentials") == expected
    plugins: dict[str, type] = get_mapping_from_secret_type_to_class()
    names = {plugin.__name__ for plugin in plugins.values()}
    assert set(OFF) < names
    assert len(QUIET) == len(names) - len(OFF)


def test_the_plugins_without_regexes_work_when_asked_for() -> None:
    quoted = b'digest = "7f1c3a9be04d5268c1f0e2d3b4a59687"'
    assert found(quoted, "HexHighEntropyString") == {
        "detect-secrets:hex-high-entropy-string": b"7f1c3a9be04d5268c1f0e2d3b4a59687"
    }
    assert found(b'x = "aaaaaaaabbbb"', "HexHighEntropyString") == {}
    assert found(b'db_password = "m9Xv-2kLq"', "KeywordDetector") == {
        "detect-secrets:secret-keyword": b"m9Xv-2kLq"
    }


def test_our_own_pattern_wins_over_a_plugin_for_the_same_secret() -> None:
    ours = Pattern(
        id="sendgrid", name="SendGrid", regex=r"(?P<secret>SG\.[\w-]{22}\.[\w-]{43})", severity=Severity.HIGH,
        keywords=("sg.",),
    )  # fmt: skip
    (match,) = PatternScanner([ours], QUIET).scan(b"token " + SENDGRID)
    assert match.pattern is ours


CUSTOM = """
import re
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

class AcmeDetector(RegexBasedDetector):
    secret_type = "Acme Key"
    denylist = [re.compile(r"(?<![a-z])acme_([0-9a-z]{12})(?=\\b)")]

class OddDetector(BasePlugin):
    secret_type = "Odd Word"

    def analyze_string(self, string):
        if "boom" in string:
            raise RuntimeError(string)
        yield from (word for word in string.split() if word.startswith("odd7"))
"""


def test_a_custom_plugin_file_takes_part(tmp_path: Path) -> None:
    path = tmp_path / "acme.py"
    path.write_text(CUSTOM)
    for name in (str(path), f"file://{path}"):
        lines = b"key acme_7h3k9q2m5x8z.\nno zacme_7h3k9q2m5x8z\nboom odd7Zq1\nan odd7Wk29v too\n"
        assert found(lines, name) == {
            "detect-secrets:acme-key": b"7h3k9q2m5x8z",
            "detect-secrets:odd-word": b"odd7Wk29v",
        }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "holds no detect-secrets plugin"),
        ("import missing_thing\n", "raises ModuleNotFoundError"),
        ("def broken(:\n", "raises SyntaxError"),
    ],
)
def test_a_custom_plugin_file_that_is_none_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "ours.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason) as error:
        load_plugins([str(path)])
    assert error.value.path == str(path)


def test_an_unknown_plugin_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no plugin 'SendGird'; there are AWSKeyDetector"):
        load_plugins(["SendGird"])
    with pytest.raises(ConfigError, match="No such file"):
        load_plugins(["/nowhere/plugin.py"])


def test_a_hostile_line_does_not_reach_the_plugins_regexes_whole() -> None:
    """npm's plugin tries `//.+/:_authToken=` from every slash: over a megabyte of slashes, hours."""
    place = b"//r.example/:_authToken=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"
    data = b"/" * 1_000_000 + place + b"\n" + place + b" " + b"/" * 50_000 + b"\n" + place
    starts = [match.start for match in PatternScanner([], QUIET).scan(data)]
    assert starts[-1] == len(data) - 40


def sha1(secret: bytes) -> str:
    return hashlib.sha1(secret, usedforsecurity=False).hexdigest()


def baseline(path: Path, **labels: bool | None) -> str:
    secrets = {"sendgrid": SENDGRID, "stripe": STRIPE}
    entries = [
        {"type": "x", "filename": "a", "hashed_secret": sha1(secrets[name]), "line_number": 3}
        | ({} if label is None else {"is_secret": label})
        for name, label in labels.items()
    ]
    path.write_text(json.dumps({"version": "1.5.0", "plugins_used": [], "results": {"a": entries}}))
    return str(path)


def test_a_baseline_silences_what_was_seen_but_not_what_was_audited_as_real(tmp_path: Path) -> None:
    line = SENDGRID + b" " + STRIPE
    path = tmp_path / ".secrets.baseline"
    for labels, reported in (
        ({"sendgrid": False}, {STRIPE}),
        ({"sendgrid": None, "stripe": None}, set()),
        ({"sendgrid": False, "stripe": True}, {STRIPE}),
        ({}, {SENDGRID, STRIPE}),
    ):
        silenced = read_baseline(baseline(path, **labels))
        matches = PatternScanner([], QUIET, silenced).scan(line)
        assert {match.secret.reveal() for match in matches} == reported


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"results": 3}', '{"results": {"a": [{}]}}', "[" * 100_000]
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not a detect-secrets baseline"):
        read_baseline(str(path))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_baseline(str(tmp_path / "none.json"))


def test_digests_ids_and_encoded_text_are_quiet() -> None:
    """What pipelines print by the thousand: hex of every digest's length, UUIDs, base64, quoted or assigned."""
    rng = random.Random(3)
    alphabet = string.ascii_letters + string.digits + "+/"
    lines = []
    for _ in range(3000):
        size = rng.choice([7, 12, 32, 40, 64, 96, 128])
        digest = "".join(rng.choices("0123456789abcdef", k=size))
        text = "".join(rng.choices(alphabet, k=rng.choice([24, 28, 44, 60, 88]))) + "="
        uuid = "-".join("".join(rng.choices("0123456789abcdef", k=n)) for n in (8, 4, 4, 4, 12))
        shape = rng.choice(
            ["{d}", "sha256:{d}", 'id: "{u}"', "image@sha256:{d}", "sha512-{t}", "h1:{t}", "etag={d} key={u}",
             "Restored cache from key: linux-{d}", "aws s3 cp key '{d}'", "token_id={u}", "AccountKey version {t}"]
        )  # fmt: skip
        lines.append(shape.format(d=digest, t=text, u=uuid))
    assert PatternScanner([], QUIET).scan("\n".join(lines).encode()) == []
