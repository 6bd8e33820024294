"""The rule about log records that could not be examined whole."""

from typing import Final

from detector.judge.rules import classification as filed
from detector.judge.rules.classification import Classification
from detector.judge.rules.rule import Phrase, Rule
from detector.judge.rules.titles import Words
from detector.values.events import LimitedRecord
from detector.values.findings import SCAN_LIMITED, Evidence, Finding, Severity
from detector.values.wording import counted

_RECORDS: Final = ("log record", "log records")


def _limited(_record: LimitedRecord) -> bool:
    return True


def _title(finding: Finding, piece: Evidence, words: Words) -> str:
    record = piece.event
    what = counted(finding.count, *_RECORDS)
    could = f"{what} could not be examined whole"
    if not isinstance(record, LimitedRecord):
        return could
    task = f" of task {words.say(record.task_id)}" if record.task_id else ""
    first = ", first" if finding.count > 1 else ""
    return f"{what}{task} could not be examined whole{first}: {words.place(record)}"


LIMITED: Final = Rule(
    id=SCAN_LIMITED,
    severity=Severity.MEDIUM,
    limited=_limited,
    summary="Log records could not be examined whole",
    description=(
        "A stream has log records that need more decoding than the limit, so a secret may be hidden in them, or shows "
        "more secrets than the limit, so not all of them are reported."
    ),
    title=_title,
    phrase=Phrase(
        "could not be examined whole", "could not be examined whole", "stream of logs", "streams of logs"
    ),
    counted=_RECORDS,
    advice=(
        "Find out what prints these records: a log has little reason to hold text that decodes to so much more, or that "
        "many secrets. Unpack one by hand and look for secrets in it, or replay them with scan.findings_per_stream = 0. Until "
        "then treat what the task could print as printed."
    ),
    classification=Classification(
        attack=(filed.HIDDEN,),
        atlas=(filed.AI_UNSECURED,),
        nhi=("NHI2:2025",),
        agentic=("ASI03",),
        maestro="L5",
        rmf="MEASURE 2.7",
    ),
)
