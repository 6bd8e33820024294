"""What a finding says to a person: a title, a message and what to do.

The words of each rule stand with the rule (`detector.judge.rules`). Every text that came from an event is cleaned of
secrets and made visible before it goes into a sentence.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Final

import msgspec

from detector.judge.rules.catalog import RULES
from detector.judge.rules.titles import LONG, Patterns, Say, Words
from detector.values.findings import LEAKED_SECRET, Finding, Resolution
from detector.values.wording import Clean, counted, moment, visible

HANDLE_IS: Final = "Revocation handle: "


class Advice(msgspec.Struct, frozen=True):
    """`title` is one sentence without a full stop. `message` and `remediation` are one to four sentences."""

    title: str
    message: str
    remediation: str


def advise(finding: Finding, patterns: Patterns, clean: Clean) -> Advice:
    """The words for a finding; `patterns` by id."""
    words = Words(patterns, clean)
    title = RULES[finding.rule].title(finding, finding.primary_evidence, words)
    facts = [_extent(finding), _state(finding)]
    if finding.accepted is not None:
        facts.append(f"Accepted: {words.say(finding.accepted, LONG)}.")
    resolution = finding.resolution
    if resolution is not None:
        facts.append(
            f"Resolved: the credential was proved dead at {moment(resolution.time)}{_how(resolution, words)}"
        )
    message = ". ".join([title, *(fact.rstrip(".") for fact in facts if fact)]) + "."
    return Advice(title, message, _remedy(finding, words))


def _how(resolution: Resolution, words: Words) -> str:
    """Where it was revoked, by what that is known, and who had a hand in it."""
    where = f" at {words.say(resolution.target)}" if resolution.target else ""
    told = [words.say(text, LONG) for text in (resolution.proof, resolution.detail) if text]
    return where + (f" ({'; '.join(told)})" if told else "")


def _extent(finding: Finding) -> str:
    """How much was seen and when."""
    if finding.count == 1:
        return f"Seen at {moment(finding.first_seen)}"
    seen = counted(finding.count, *RULES[finding.rule].counted)
    if moment(finding.last_seen) == moment(finding.first_seen):
        return f"{seen} at {moment(finding.first_seen)}"
    return f"{seen} from {moment(finding.first_seen)} to {moment(finding.last_seen)}"


def _state(finding: Finding) -> str:
    """Whether and when the credential ends."""
    credential = finding.credential
    if credential is None:
        return ""
    if credential.revoked is not None:
        return f"It was revoked at {moment(credential.revoked)}"
    if credential.expires_at is None:
        return "It has no expiry, and no revocation of it is known"
    tense = "expired" if credential.expires_at < finding.last_seen else "expires"
    return f"It {tense} at {moment(credential.expires_at)}, and no revocation of it is known"


def _remedy(finding: Finding, words: Words) -> str:
    sentences = [RULES[finding.rule].advice]
    if finding.rule == LEAKED_SECRET and finding.patterns and finding.patterns[0] in words.patterns:
        pattern = words.patterns[finding.patterns[0]]
        sentences += [text.rstrip(". ") + "." for text in (pattern.advice, pattern.revoke) if text]
    credential = finding.credential
    if credential is not None and credential.revocation and credential.revoked is None:
        sentences.append(f"{HANDLE_IS}{handle_of(credential.revocation, words.say)}.")
    return " ".join(sentences)


def handle_of(revocation: Mapping[str, object], say: Say) -> str:
    """The scalars of an issuer's revocation object, as `method=http handle=h-17`."""
    pairs = (
        f"{say(key)}={say(value, LONG) if isinstance(value, str) else value}"
        for key, value in islice(revocation.items(), LONG)
        if isinstance(value, str | int | float | bool)
    )
    return visible(" ".join(pairs), LONG) or "see the command"
