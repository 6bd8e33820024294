"""docs/trust.md and examples/sign_event.py: what they show is what curfewd believes."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

from detector.configuration.settings import Settings
from detector.ingest.kafka_records import Contents, read_record
from detector.ingest.trust.policy import TrustPolicy
from detector.ingest.trust.signed_content import signed_content
from detector.records.dead_letters import UNTRUSTED
from detector.values.times import MILLISECOND, parse_rfc3339
from tests.fake_records import NOW, FakeRecord
from tests.ingest.signing import private_key, private_pem, public_pem

ROOT = Path(__file__).parents[2]
SIGNER = runpy.run_path(str(ROOT / "examples" / "sign_event.py"))
KAFKA = '[kafka]\nbootstrap = "127.0.0.1:9092"\nevent_topics = ["*-audit", "*-webhooks", "issuer"]\n'
PAGE = (ROOT / "docs" / "trust.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ATTRIBUTES = {
    "ce_id": b"1",
    "ce_source": b"ci",
    "ce_specversion": b"1.0",
    "ce_time": b"2026-05-04T08:00:00Z",
    "ce_type": b"task.ended",
}
VALUE = b'{"task_id": "build-1"}'


def test_the_configurations_of_the_page_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "issuer-2026-05.pem").write_bytes(public_pem(private_key("Ed25519")))
    (tmp_path / "github-webhook-secret").write_text("correct horse battery staple")
    (tmp_path / "curfewd.toml").write_text("\n".join((*EXAMPLES, KAFKA)))
    environ = {"GITLAB_SIGNING_TOKEN": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    settings = Settings.load(str(tmp_path / "curfewd.toml"), environ)
    assert len(settings.trust) == PAGE.count("[[trust]]\n") == 6
    assert settings.unmet == ()


def test_the_page_shows_what_is_signed_in_binary_mode() -> None:
    (shown,) = re.findall(r"^```text\n(cloudevent-binary-v1\n.*?)\n^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown.encode() == signed_content(list(ATTRIBUTES.items()), VALUE)
    assert shown.encode() == SIGNER["binary_content"](ATTRIBUTES, VALUE)


def test_the_page_names_every_reason() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \| ", PAGE, re.MULTILINE)) >= set(UNTRUSTED)


def test_the_example_signs_what_curfewd_believes(tmp_path: Path) -> None:
    key = private_key("Ed25519")
    (tmp_path / "private.pem").write_bytes(private_pem(key))
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    (tmp_path / "curfewd.toml").write_text(
        '[[trust]]\ntopics = ["issuer"]\nsignature = "jws"\n'
        f'[[trust.keys]]\nid = "2026-05"\nalgorithm = "Ed25519"\nfile = "public.pem"\n{KAFKA}'
    )
    trust = TrustPolicy(Settings.load(str(tmp_path / "curfewd.toml"), {}).trust).of_topic("issuer")
    event = {name.removeprefix("ce_"): held.decode() for name, held in ATTRIBUTES.items()}
    structured = json.dumps({**event, "data": json.loads(VALUE)}).encode()
    for headers, value in (({}, structured), (ATTRIBUTES, VALUE)):
        content = SIGNER["binary_content"](headers, value) if headers else value
        run = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "sign_event.py"), str(tmp_path / "private.pem"), "2026-05"],
            input=content, check=True, capture_output=True,
        )  # fmt: skip
        name, signature = run.stdout.decode().strip().split(": ")
        for signed in (signature, signature[:-8] + "AAAAAAAA"):
            contents = Contents()
            record = FakeRecord(
                value,
                headers=[*headers.items(), (name, signed.encode())],
                timestamp=parse_rfc3339("2026-05-04T08:00:01Z") // MILLISECOND,
            )
            read_record(record, NOW, contents, trust=trust)
            assert [event.source for _, event in contents.events] == (["ci"] if signed == signature else [])
