"""Keys of model providers over their lives: a use after the deletion is found. The samples have the common forms."""

import json
from pathlib import Path
from typing import Any

from tests.scenarios.telling import told

UNTIL = "2026-05-04T00:00:00Z"
KEY = "apikey_01Rj2N8SVvo6BePZj99NhmiT"


def activity(number: int, at: str, kind: str, actor: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": f"activity_0{number}",
        "created_at": at,
        "organization_id": "org_1",
        "actor": actor,
        "type": kind,
        **fields,
    }


def test_a_key_of_claude_is_used_after_it_was_made_inactive(tmp_path: Path) -> None:
    user = {"type": "user_actor", "user_id": "user_1", "ip_address": "192.0.2.1"}
    holder = {"type": "api_actor", "api_key_id": KEY, "ip_address": "198.51.100.4"}
    ended = {"type": "status", "previous_value": "active", "current_value": "inactive"}
    feed = [
        activity(4, "2026-05-01T11:00:00Z", "compliance_api_accessed", holder),
        activity(
            3, "2026-05-01T10:00:00Z", "platform_api_key_updated", user, api_key_id=KEY, updates=[ended]
        ),
        activity(2, "2026-05-01T09:00:00Z", "claude_chat_created", user),
        activity(1, "2026-05-01T08:00:00Z", "platform_api_key_created", user, api_key_id=KEY),
    ]
    page = json.dumps({"data": feed, "has_more": False}).encode()
    found = told(tmp_path / "in", {"feed.jsonl": page}, until=UNTIL)
    assert found.rules == {"overlong-credential", "use-after-revocation"}
    assert dict(found.result.summary.idle) == {"claude/claude": 1}


def test_a_key_of_openai_is_used_after_its_project_was_archived(tmp_path: Path) -> None:
    actor = {"type": "api_key", "api_key": {"id": "key_1", "type": "service_account"}}
    records = [
        {"id": "audit_log-1", "type": "api_key.created", "effective_at": 1777622400, "project": {"id": "p_1"},
         "actor": {"type": "session"}, "api_key.created": {"id": "key_1"}},
        {"id": "audit_log-2", "type": "project.archived", "effective_at": 1777626000, "actor": {"type": "session"},
         "project.archived": {"id": "p_1"}},
        {"id": "audit_log-3", "type": "user.added", "effective_at": 1777629600, "actor": actor, "user.added": {"id": "u"}},
    ]  # fmt: skip
    lines = "\n".join(map(json.dumps, records)).encode()
    found = told(tmp_path / "in", {"audit.jsonl": lines}, until=UNTIL)
    assert found.rules == {"overlong-credential", "use-after-revocation"}
    assert found.dead == ()
