import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.judge.routing import (
    Claim,
    Recall,
    decode,
    encode,
    registry_key,
    route,
    without_terms,
)
from detector.registry.credential_registry import CredentialRegistry
from detector.stages.blinding import blinded
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    Leak,
    TaskEnded,
    TaskStarted,
)
from tests.histories import History, histories

HMAC = Identifier("hmac-sha256", "ab" * 32, 40, "0123abcd")
PLAIN = Identifier("sha256", "cd" * 32)
ACCESS_KEY = Identifier("aws-access-key-id", "AKIAEXAMPLE")


def issue(number: int, credential: str, task: str, *identifiers: Identifier) -> CredentialIssued:
    return CredentialIssued(
        time=number,
        source="vault",
        id=str(number),
        credential_id=credential,
        task_id=task,
        identifiers=identifiers or (HMAC,),
        grants=(Grant(("read",), None),),
        revocation={"lease": credential},
    )


def use(credential: str | None = None, identifier: Identifier | None = None) -> CredentialUsed:
    return CredentialUsed(time=9, source="audit", id="9", credential_id=credential, identifier=identifier)


def leak(*identifiers: Identifier, pattern: str | None = "a-token", fingerprint: str = "ab" * 32) -> Leak:
    return Leak(
        time=9,
        source="logs",
        id="p0@7",
        identifiers=identifiers,
        fingerprint=fingerprint,
        pattern=pattern,
        severity=5 if pattern else None,
        excerpt="‹a-token:40›",
    )


def keys(event: AnyEvent, *known: CredentialIssued) -> list[str]:
    registry = CredentialRegistry()
    for each in known:
        registry.add(each)
    return [key for key, _ in route(event, registry)]


def test_a_task_has_what_happens_to_it() -> None:
    assert keys(TaskStarted(time=1, source="ci", id="1", task_id="t1")) == ["t:t1"]
    assert keys(TaskEnded(time=1, source="ci", id="1", task_id="t1")) == ["t:t1"]


def test_an_issue_is_its_tasks_and_all_its_names_hear_of_it_without_its_terms() -> None:
    event = issue(1, "c1", "t1", HMAC, ACCESS_KEY)
    routed = route(event, CredentialRegistry())
    assert [key for key, _ in routed] == [
        "t:t1",
        "c:c1",
        "i:hmac-sha256:" + "ab" * 32,
        "s:" + "ab" * 32,
        "i:aws-access-key-id:AKIAEXAMPLE",
    ]
    assert routed[0][1] == event
    assert {payload for _, payload in routed[1:]} == {Claim(without_terms(event))}
    assert "lease" not in encode(routed[1][1]).decode()


def test_a_use_goes_to_the_task_of_its_credential() -> None:
    assert keys(use("c1"), issue(1, "c1", "t1")) == ["t:t1"]
    assert keys(use(None, HMAC), issue(1, "c1", "t1")) == ["t:t1"]
    assert keys(CredentialRevoked(time=1, source="v", id="2", credential_id="c1"), issue(1, "c1", "t1")) == [
        "t:t1"
    ]


def test_a_credential_id_wins_over_an_identifier() -> None:
    assert keys(use("c2", HMAC), issue(1, "c1", "t1"), issue(2, "c2", "t2", ACCESS_KEY)) == ["t:t2"]


def test_an_unknown_id_comes_before_a_known_identifier() -> None:
    """It may be known where its name is judged, which passes the event on."""
    assert keys(use("c2", HMAC), issue(1, "c1", "t1")) == ["c:c2"]
    recall = Recall(issue(1, "c2", "t2"))
    assert decode(encode(recall)) == recall


def test_what_nobody_claims_waits_under_its_name() -> None:
    assert keys(use("c1")) == ["c:c1"]
    assert keys(use(None, ACCESS_KEY)) == ["i:aws-access-key-id:AKIAEXAMPLE"]


def test_of_two_claims_the_earliest_has_the_name() -> None:
    older, newer = issue(1, "c2", "t2"), issue(2, "c1", "t1")
    for known in ((older, newer), (newer, older)):
        assert keys(use(None, HMAC), *known) == ["t:t2"]
    assert keys(use("c1"), issue(2, "c1", "t1"), issue(1, "c1", "t0")) == ["t:t0"]


def test_a_leak_goes_to_every_owner_and_waits_at_names_without_one() -> None:
    shown = leak(HMAC, ACCESS_KEY, PLAIN)
    assert keys(shown, issue(1, "c1", "t1"), issue(2, "c2", "t2", ACCESS_KEY)) == [
        "t:t1",
        "t:t2",
        "i:sha256:" + "cd" * 32,
    ]
    assert keys(leak(HMAC)) == ["i:hmac-sha256:" + "ab" * 32, "s:" + "ab" * 32]


def test_what_is_taken_back_is_unknown_again() -> None:
    registry = CredentialRegistry()
    first, again = issue(1, "c1", "t1", HMAC), issue(2, "c1", "t1", HMAC, ACCESS_KEY)
    for each in (first, again, again):
        registry.add(each)
    registry.remove("c1", again.source, again.id)
    registry.remove("c1", again.source, again.id)
    assert [key for key, _ in route(use(None, ACCESS_KEY), registry)] == ["i:aws-access-key-id:AKIAEXAMPLE"]
    assert [key for key, _ in route(use(None, HMAC), registry)] == ["t:t1"]
    registry.remove("c1", first.source, first.id)
    assert len(registry) == 0
    assert [key for key, _ in route(use(None, HMAC), registry)] == ["i:hmac-sha256:" + "ab" * 32]


def test_no_two_issues_share_a_key_in_the_registry() -> None:
    hostile = (issue(1, "a", "t"), issue(1, 'a","vault', "t"), issue(11, "a", "t"))
    assert len({registry_key(each) for each in hostile}) == 3
    assert json.loads(registry_key(hostile[1])) == ["cred", 'a","vault', "vault", "1"]


@settings(max_examples=50, deadline=None)
@given(histories())
def test_what_travels_arrives_as_it_was(history: History) -> None:
    registry = CredentialRegistry()
    for event in history.events:
        for _, payload in route(event, registry):
            assert decode(encode(payload)) == payload


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'["nothing",1]', b'["task.ended",1]', b"\xff"])
def test_what_is_no_payload_is_refused(value: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(value)


@given(st.sampled_from((PLAIN, HMAC, ACCESS_KEY)))
def test_no_plain_hash_of_a_leaked_secret_travels_yet_it_meets_the_issue(identifier: Identifier) -> None:
    force = (b"k" * 16, b"l" * 16)
    travels = blinded(leak(identifier), force)
    assert PLAIN.value not in encode(travels).decode()
    registered = blinded(issue(1, "c1", "t1", identifier), force)
    assert identifier in registered.identifiers
    assert keys(travels, registered)[0] == "t:t1"
    assert keys(blinded(leak(identifier), force[1:]), registered)[0] == "t:t1"


def test_without_a_key_a_leak_loses_its_plain_hash() -> None:
    assert blinded(leak(PLAIN, ACCESS_KEY), ()).identifiers == (ACCESS_KEY,)
    assert blinded(use("c1"), ()) == use("c1")


def test_conflicts_are_identifiers_that_two_credentials_claim() -> None:
    registry = CredentialRegistry()
    issues = [issue(number, f"c{number}", "t1", HMAC, ACCESS_KEY) for number in range(3)]
    for each in [*issues, issues[0]]:
        registry.add(each)
    assert registry.conflicts == 2
    for each in issues[:2]:
        registry.remove(each.credential_id, each.source, each.id)
    assert registry.conflicts == 0
