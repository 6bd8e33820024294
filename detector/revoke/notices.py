"""What owners are told of an outcome, in the forms of `[[revoke.notice]]`: pure, and without a secret.

Ids, names and details are hostile: each is cleaned, bounded and written so that it cannot act on who shows it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.configuration.revoke_settings import Notice
from detector.revoke.outcomes import TYPE, Outcome
from detector.revoke.rails import Proposal, covers
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Plan
from detector.revoke.webhook_signature import webhook_headers
from detector.values.times import MINUTE, format_rfc3339
from detector.values.wording import Clean, visible

ALERT: Final = "CurfewdRevocation"
ALERTS_PATH: Final = "/api/v2/alerts"
_STANDS: Final = 10 * MINUTE  # how long an alert stands: longer than Alertmanager waits to group it
_LONGEST: Final = 500  # characters of a detail or proof
_LONGEST_NAME: Final = 200
_DONE: Final = {
    "confirmed": "was revoked, and is proved dead",
    "gone-already": "was dead already",
    "done-unproved": "was revoked, but is not proved dead",
    "refused": "is not revoked",
    "failed": "could not be revoked",
    "held": "is not revoked yet",
}


class Message(msgspec.Struct, frozen=True):
    """The body of a request to a notice's URL, with more `headers`, and a `path` after the URL."""

    body: bytes
    headers: Mapping[str, str] = {}
    path: str = ""


def wanted(notice: Notice, command: RevocationCommand, outcome: Outcome) -> bool:
    """Whether a notice tells of this outcome."""
    return outcome.verdict in notice.outcomes and covers(
        notice.scope, Proposal(command, outcome.target, Plan((), "", 0.0))
    )


def webhook_message(
    command: RevocationCommand, outcome: Outcome, clean: Clean, secret: bytes, now: int
) -> Message:
    """A webhook, signed as Standard Webhooks says. `now` is in seconds. Every try of one outcome has the same id."""
    facts = _facts(command, outcome, clean)
    body = msgspec.json.encode(
        {"type": TYPE, "timestamp": format_rfc3339(outcome.finished_at), "data": facts}
    )
    return Message(body, webhook_headers(secret, f"{command.id}_{outcome.number}", body, now))


def slack_message(command: RevocationCommand, outcome: Outcome, clean: Clean) -> Message:
    """A text as Slack and Mattermost take it. What was read stands in code marks, where no name calls anybody."""
    facts = _facts(command, outcome, clean)
    whose = [f"{name} {_code(facts[name])}" for name in ("task", "owner", "kind", "target") if facts[name]]
    rest = [f"{name}: {_code(facts[name])}" for name in ("detail", "proof") if facts[name]]
    text = f"*{outcome.verdict}*: the credential {_code(facts['credential'])} {_DONE[outcome.verdict]}"
    lines = [text, ", ".join(whose), *rest, f"command {_code(command.id)}"]
    return Message(msgspec.json.encode({"text": "\n".join(line for line in lines if line)}))


def alert_message(command: RevocationCommand, outcome: Outcome, clean: Clean) -> Message:
    """An alert for Alertmanager's API v2, which can e-mail it. Routes see `owner`, `target`, `kind` and `outcome`.

    It ends by itself after ten minutes: it tells of something that happened.
    """
    facts = _facts(command, outcome, clean)
    labels = {
        name: facts[name] for name in ("owner", "target", "kind", "outcome", "credential") if facts[name]
    }
    labels |= {"alertname": ALERT, "severity": "ticket", "team": "security", "command": command.id}
    summary = f"{facts['credential']} {_DONE[outcome.verdict]}"
    described = [f"{name}: {facts[name]}" for name in ("task", "detail", "proof") if facts[name]]
    alert = {
        "labels": labels,
        "annotations": {"summary": summary, "description": "; ".join(described) or summary},
        "startsAt": format_rfc3339(outcome.finished_at),
        "endsAt": format_rfc3339(outcome.finished_at + _STANDS),
    }
    return Message(msgspec.json.encode([alert]), path=ALERTS_PATH)


def _facts(command: RevocationCommand, outcome: Outcome, clean: Clean) -> dict[str, Any]:
    def shown(text: str, limit: int = _LONGEST_NAME) -> str:
        return visible(clean(text), limit)

    tasks = command.task_ids
    more = f" or {len(tasks) - 1} others" if len(tasks) > 1 else ""
    return {
        "command": command.id,
        "credential": shown(command.credential_id),
        "task": shown(tasks[0]) + more if tasks else "",
        "owner": shown(command.owner),
        "kind": shown(command.kind),
        "severity": command.severity.label,
        "outcome": outcome.verdict,
        "target": shown(outcome.target),
        "detail": shown(outcome.detail, _LONGEST),
        "proof": shown(outcome.proof, _LONGEST),
        "finished_at": format_rfc3339(outcome.finished_at),
    }


def _code(text: str) -> str:
    """Text between code marks, without what Slack reads as a link or a mention."""
    quoted = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"`{quoted.replace('`', chr(39))}`"
