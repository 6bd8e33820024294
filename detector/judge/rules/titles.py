"""What titles of findings are put together from: who, where, when, in words for a person.

Every text that came from an event goes through `say`, which masks secrets and shows what does not print.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from detector.values.events import DENIED, CredentialUsed, Leak, LimitedRecord
from detector.values.findings import CandidateFacts, Evidence, Finding
from detector.values.wording import Clean, one_of, visible

SHORT: Final = 64  # characters of a name in a title
LONG: Final = 200  # characters of a sentence that somebody wrote, such as a reason
_ACRONYMS: Final = frozenset(
    {"api", "aws", "gcp", "iam", "jwt", "mtls", "oidc", "ssh", "sts", "svid", "tls", "x509"}
)
_ENCODINGS: Final = {
    "escaped": "an escaped string",
    "percent": "percent escapes",
    "ansi": "coloured text",
    "html": "HTML entities",
    "utf-16": "UTF-16",
    "spaced": "single characters",
}


class PatternWords(Protocol):
    """What of a pattern (`detector.patterns.pattern.Pattern`) is told to a person."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the pattern's fields, described there
    @property
    def advice(self) -> str: ...  # noqa: D102 - the same
    @property
    def revoke(self) -> str: ...  # noqa: D102 - the same


Patterns = Mapping[str, PatternWords]
Say = Callable[..., str]


class Words:
    """Puts one finding into words. `patterns` by id, `say` as in `sayer`."""

    __slots__ = ("patterns", "say")

    def __init__(self, patterns: Patterns, clean: Clean) -> None:
        self.patterns = patterns
        self.say = sayer(clean)

    def who(self, finding: Finding) -> str:
        """`Token cred-7 of task release-4711` or `of one of 3 github-job tasks`, as far as known."""
        say, credential = self.say, finding.credential
        task = finding.task.task_id if finding.task else credential.task_id if credential else None
        if credential is None:
            return f"Task {say(task or finding.key)}"
        whose = f"task {say(task)}" if finding.candidates is None else self.one_of(finding.candidates)
        comma = "," if finding.candidates is not None and finding.candidates.count == 1 else ""
        return f"{noun_of(say(credential.kind, 32))} {say(credential.credential_id)} of {whose}{comma}"

    def one_of(self, candidates: CandidateFacts) -> str:
        """Whose a credential is that has only candidates, as `one_of`."""
        first = candidates.tasks[0].task_id if candidates.tasks else None
        return one_of(candidates.count, self.say(candidates.kind, 24), self.say(first))

    def end(self, finding: Finding) -> str:
        """What ended, as a sentence says it: `the task ended`, `the last of them ended`, `the task's lease lapsed`."""
        several = finding.candidates is not None and finding.candidates.count > 1
        if finding.task_lapsed:
            return "the lease of the last of them lapsed" if several else "the task's lease lapsed"
        return "the last of them ended" if several else "the task ended"

    def used(self, piece: Evidence, when: str) -> str:
        """`was used <when>, by workload W from A: action on resource`, as far as known."""
        event, say = piece.event, self.say
        if not isinstance(event, CredentialUsed):
            return f"was used {when}"
        words = f"was {'tried, and denied,' if event.outcome == DENIED else 'used'} {when}".rstrip()
        origin = [f"by workload {say(event.workload)}"] if event.workload else []
        origin += [f"from {say(event.source_ip)}"] if event.source_ip else []
        if origin:
            words += ", " + " ".join(origin)
        deed = [say(event.action)] if event.action else []
        deed += [f"on {say(event.resource)}"] if event.resource else []
        return words + (": " + " ".join(deed) if deed else "")

    def place(self, leak: Leak | LimitedRecord) -> str:
        """Where a record stands: `build.log line 17`, `logs partition 3 offset 1042`."""
        source = self.say(leak.source, 120)
        if leak.line is not None:
            return f"{source} line {leak.line}"
        if leak.partition is not None:
            return f"{source} partition {leak.partition} offset {leak.offset}"
        if leak.offset is not None:
            return f"{source} offset {leak.offset}"
        return f"{source} {self.say(leak.id)}".strip()


def sayer(clean: Clean) -> Say:
    """A function that makes a text of an event safe to show: without secrets, visible, at most `limit` characters."""

    def say(text: str | None, limit: int = SHORT) -> str:
        return visible(clean(text), limit) if text else ""

    return say


def encoded_as(leak: Leak) -> str:
    """`, in base64,` or `, in hex inside base64,`: the encodings stand outermost first."""
    names = [_ENCODINGS.get(one, one) for one in reversed(leak.encodings)]
    return f", in {' inside '.join(names)}," if names else ""


def noun_of(kind: str) -> str:
    """A credential's kind as a sentence begins with it: `aws-session` is an AWS session."""
    if not kind.replace("_", "").replace("-", "").isalnum():
        return kind or "Credential"
    first, _, rest = kind.replace("_", "-").partition("-")
    first = first.upper() if first.lower() in _ACRONYMS else first[:1].upper() + first[1:]
    return f"{first} {rest.replace('-', ' ')}".rstrip()
