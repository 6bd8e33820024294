"""Records for the topics are those that each finding and command has on its own, whatever they were drafted with."""

import json

from detector.outputs.command_signature import signing_key
from detector.outputs.commands import command_record
from detector.outputs.ocsf import change_record
from detector.outputs.output import Run
from detector.service.judge.topic_output import OutputTopics, TopicOutput
from detector.values.findings import FindingChange
from detector.values.secrets import DeploymentKey
from tests.outputs import finding_samples as made

FINDINGS = {finding.uid: finding for finding in made.all_rules()}
COMMANDS = [made.command(), made.command(escalated=True)]


def clean(text: str) -> str:
    return text.replace("cred-7", "‹x:6›")


def test_drafted_records_are_those_of_each() -> None:
    assert "cred-7" in repr(FINDINGS)
    output = TopicOutput(OutputTopics(), Run(made.PATTERNS, clean))
    alone = TopicOutput(OutputTopics(), Run(made.PATTERNS, clean))
    output.draft(list(FINDINGS.values()), COMMANDS)
    for finding in FINDINGS.values():
        assert output.digest(finding) == alone.digest(finding)
        for activity in ("created", "updated", "closed"):
            change = FindingChange(activity, finding)
            output.finding(change)
            assert json.loads(output.records[-1].value or b"") == json.loads(
                json.dumps(change_record(change, made.PATTERNS, clean))
            )
    for command in COMMANDS:
        output.command(command)
        assert json.loads(output.records[-1].value or b"") == command_record(command, clean)
    assert len(output.taken()) == 3 * len(FINDINGS) + len(COMMANDS)
    assert output.records == []


def test_a_signed_command_is_that_of_a_replay_and_has_its_signature_in_a_header() -> None:
    key = signing_key([DeploymentKey.of(bytes(16), "2026")])
    output = TopicOutput(OutputTopics(), Run(made.PATTERNS, clean, command_key=key))
    output.draft([], COMMANDS)
    output.appended_ms = 5
    for command in COMMANDS:
        output.command(command)
    alone = TopicOutput(OutputTopics(), Run(made.PATTERNS, clean, command_key=key))
    alone.command(COMMANDS[0])
    first, escalated = output.taken()
    assert first.value == alone.taken()[0].value
    for record in (first, escalated):
        told = json.loads(record.value or b"")
        assert dict(record.headers) == {
            "curfewd-appended": b"5",
            "curfewd-signature": told["signature"].encode(),
        }
        assert told["keyid"] == "2026"
