"""Logs show the names that providers print for everybody: key ids, accessors, token ids, pods. None of them is a leak.

Told from files, as `curfewd replay` reads them, and from Kafka records, as the service does.
"""

import base64
import json
from pathlib import Path
from urllib.parse import quote

from tests.scenarios.telling import told

KEY_ID, OTHERS = "ASIATV3JKY2VLQT2O7WP", "ASIAIRYLQ667GVZEIM74"
JTI, UID = "0f6b1c2e-7d5a-4c58-9b3f-2e1d4a6c8b90", "150aeb23-56c8-4b3c-aa23-c40779154fd2"
ACCESSOR = "dmvQ3pW8ZxT1nR6yK4sL0aBc"
SECRET = "ui2cn0k6Kx25LuD3FDU5WRwBZb/N+GYq8Z05K1I0"


def event(number: int, clock: str, kind: str, /, **data: object) -> str:
    fields = {"specversion": "1.0", "source": "issuer", "id": str(number), "time": f"2026-05-04T{clock}:00Z"}
    return json.dumps({**fields, "type": kind, "data": data})


EVENTS = "\n".join(
    [
        event(1, "08:00", "task.started", task_id="job-1"),
        event(
            2,
            "08:00",
            "credential.issued",
            credential_id="session-1",
            task_id="job-1",
            kind="aws-session",
            expires_at="2026-05-04T09:00:00Z",
            identifiers=[
                {"scheme": "aws-access-key-id", "value": KEY_ID},
                {"scheme": "jwt-id", "value": JTI},
                {"scheme": "kubernetes-pod-uid", "value": UID},
                {"scheme": "vault-accessor", "value": ACCESSOR},
            ],
        ),
        event(3, "08:10", "credential.revoked", credential_id="session-1"),
        event(4, "08:10", "task.ended", task_id="job-1"),
    ]
)
PRESIGNED = (
    f"https://b.s3.amazonaws.com/k?X-Amz-Credential={KEY_ID}%2F20260504%2Fus-east-1%2Fs3%2Faws4_request"
)
LINES = [
    f"hello {KEY_ID}",
    f"hello {OTHERS}",  # a stranger's
    "hello AKIAIRYLQ667GVZEIM74",
    f"GET {PRESIGNED}&X-Amz-Expires=300",
    f"jti={JTI} pod={UID} accessor={ACCESSOR}",
]


def log(lines: list[str]) -> str:
    return "".join(f"2026-05-04T08:05:00Z {line}\n" for line in lines)


def test_public_identifiers_in_clear_and_encoded_are_no_finding_and_ask_for_nothing(tmp_path: Path) -> None:
    encoded = [base64.b64encode(line.encode()).decode() for line in LINES]
    encoded += [line.encode().hex() for line in LINES] + [quote(line, safe="") for line in LINES]
    encoded += [json.dumps({"message": line, "again": json.dumps({"m": line})}) for line in LINES]
    found = told(tmp_path, {"events.jsonl": EVENTS, "job.log": log([*LINES, *encoded])})
    assert found.findings == ()
    assert found.commands == ()
    assert found.dead == ()


def test_the_secret_beside_them_is_the_finding_and_its_excerpt_shows_the_key_id(tmp_path: Path) -> None:
    line = f"export AWS_ACCESS_KEY_ID={KEY_ID} AWS_SECRET_ACCESS_KEY={SECRET}"
    found = told(tmp_path, {"events.jsonl": EVENTS, "job.log": log([*LINES, line])})
    assert found.findings == (("leaked-secret", "aws-secret-access-key", 1, "critical"),)
    assert found.commands == ()
    (piece,) = found.finding("leaked-secret").evidences
    excerpt = getattr(piece.event, "excerpt", "")
    assert f"AWS_ACCESS_KEY_ID={KEY_ID} AWS_SECRET_ACCESS_KEY=‹aws-secret-access-key:40›" in excerpt
    assert SECRET not in excerpt
