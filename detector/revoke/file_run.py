"""`curfewd revoke --commands FILE --out DIR`: carries the commands of a replay out once, without Kafka.

It ends when nothing is left that could be done soon. What is held, or waits for a later step, goes on when the same
command is run again: what is done already is not done again.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from detector.configuration.revoke_settings import RevokeSettings
from detector.revoke.audit_log import AuditLog
from detector.revoke.audit_records import Recorder
from detector.revoke.case import NEVER, Case
from detector.revoke.case_files import OUTCOMES, CaseFiles
from detector.revoke.command_masker import CommandMasker
from detector.revoke.deciding import Configured
from detector.revoke.executor import Executor
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.service import close_targets, executor_settings, turn_settings
from detector.revoke.target_tables import TableTarget, make_targets
from detector.revoke.turn import Act, Turns
from detector.terminal.output import put, say, shown
from detector.values.errors import StopError
from detector.values.times import MINUTE, format_rfc3339
from detector.values.wording import Clean, counted, visible

SOON: Final = 2 * MINUTE
"""What is due by then is waited for, such as a place under `limits.per_minute`."""

DONE: Final = 0
NOT_ALL: Final = 1
_TICK_SECONDS: Final = 0.02
_GOOD: Final = frozenset({"confirmed", "gone-already", "done-unproved"})


def run_file(
    settings: RevokeSettings,
    commands: Sequence[RevocationCommand],
    out: Path,
    clean: Clean,
    masker: CommandMasker,
) -> int:
    """Carries commands out and prints what came of each; 0 if all are done, else 1.

    `clean` masks secrets in texts, `masker` in what an earlier run stored.

    Raises:
        UsageError: a target, the folder or the audit log cannot be used.
        StopError: the disk cannot be written.
    """
    targets = make_targets(settings)
    files = CaseFiles(out, masker)
    recorder = Recorder(AuditLog(Path(settings.audit_log)), clean)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            cases = asyncio.run(_carried_out(settings, targets, commands, files, recorder))
            return _report(cases, out, clean)
        put("stopped: run the same command again to go on")
        return NOT_ALL
    finally:
        files.close()
        recorder.log.close()


async def _carried_out(
    settings: RevokeSettings,
    targets: Sequence[TableTarget],
    commands: Sequence[RevocationCommand],
    files: CaseFiles,
    recorder: Recorder,
) -> list[Case]:
    """The cases of the commands as they are in the end."""
    executor = Executor(
        Configured(settings, targets),
        executor_settings(settings),
        time.time_ns,
        Turns(turn_settings(settings), time.time_ns, _Telling(recorder).act, clean=recorder.clean),
    )
    executor.restore(0, files.restored(commands))
    executor.wake()  # the settings may be others now
    for command in commands:
        executor.take(command, 0, time.time_ns())
    try:
        while True:
            changes = executor.pump(0, time.time_ns())
            await files.write(changes, recorder)
            executor.committed(0)
            if executor.failure is not None:
                raise StopError(f"nothing more is revoked: {executor.failure}")
            if not changes and not executor.busy and not _soon(executor):
                found = (executor.case(command.id) for command in commands)
                return [case for case in found if case is not None]
            await asyncio.sleep(_TICK_SECONDS)
    finally:
        await executor.close()
        await close_targets(targets)


class _Telling:
    """Records acts, and tells a person of the first failure at each target: it may be tried for minutes."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told: set[str] = set()

    async def act(self, act: Act) -> None:
        """Records an act."""
        await self._recorder.act(act)
        if act.what == "failed" and act.case.target not in self._told:
            self._told.add(act.case.target)
            say(visible(self._recorder.clean(f"{act.case.target}: {act.words}")))


def _soon(executor: Executor) -> bool:
    until = time.time_ns() + SOON
    return any(case.due <= until for case in executor.open)


def _report(cases: Sequence[Case], out: Path, clean: Clean) -> int:
    """Prints a line for each command, and how many came to what."""
    counts: Counter[str] = Counter()
    for case in cases:
        verdict = case.verdict or ("held" if case.phase == "held" else "waits")
        counts[verdict] += 1
        later = f" until {format_rfc3339(case.due)}" if case.open and 0 < case.due < NEVER else ""
        reason = f": {case.reason}" if case.reason else ""
        put(visible(clean(f"{verdict}{later}  {case.command.credential_id}  {case.target}{reason}")))
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "no commands"
    put(f"{counted(len(cases), 'command')}: {told}; the outcomes are in {shown(str(out / OUTCOMES))}")
    return DONE if counts.keys() <= _GOOD else NOT_ALL
