"""How a conversation with an agent is named as a task, by whatever tells of it: a span, a gateway's log."""

from collections.abc import Mapping
from typing import Any, Final

MCP_SESSION: Final = "mcp.session.id"
"""The attribute that OpenTelemetry's conventions and gateways' logs give a session of the Model Context Protocol."""


def agent_task(conversation: str) -> str:
    """The task id of a conversation with an agent, or of a session of the Model Context Protocol."""
    return f"agent/{conversation}"


def session_task(record: Mapping[str, Any]) -> str | None:
    """The task of the session that a record names by that attribute."""
    session = record.get(MCP_SESSION)
    return agent_task(session) if isinstance(session, str) and session else None
