"""The table of `curfewd revoke held`: approvers see the whole id, credential, time and reason, however narrow it is."""

import io

import pytest

from detector.outputs.report_text import console_for
from detector.revoke.approve_command import Waiting, print_held
from detector.service.approvals.held_commands import HeldCommand

ID = "6f0c7a0e-1f0c-5d4b-9d0e-0a4f3f0f7b11"
WHY = "needs 2 approvals, 1 so far (bob): revoke.approval asks for it; would ALTER ROLE etl_7 NOLOGIN"
HELD = HeldCommand(ID, "github/acme/orders/job/48217365/t-7", "orders-db", WHY, 1777623243 * 10**9)


def printed(waiting: list[Waiting]) -> str:
    stream = io.StringIO()
    print_held(waiting, console_for(stream), lambda text: text)
    return stream.getvalue()


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_nothing_is_cut(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = printed([Waiting(HELD, {"bob": "approve"}), Waiting(HELD, {})])
    assert "…" not in out
    assert all(len(line) <= columns for line in out.splitlines())
    lines = [line.split("  ")[0] for line in out.splitlines()]
    assert lines.count(ID) == 2
    assert "since 2026-05-01 08:14:03Z" in out
    assert "bob: approve" in out
    assert out.count(HELD.credential_id) == 2


def test_nothing_held_is_said() -> None:
    assert printed([]) == "Nothing is held.\n"
