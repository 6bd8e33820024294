"""The door: every text of every fact is masked, and an id keeps one name."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest

from detector.records.dead_letters import DeadLetter
from detector.registry.finders import Finders
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.redactor import Redactor
from detector.stages.masking import EventMasker
from detector.values.events import (
    TYPES,
    AnyEvent,
    Binding,
    CredentialIssued,
    CredentialUsed,
    Grant,
    Identifier,
    Leak,
    LimitedRecord,
    TaskEnded,
    TaskStarted,
)
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_scanner

KEY = DeploymentKey.of(b"k" * 32)
OLD = DeploymentKey.of(b"o" * 32, "old")
TOKEN = "glpat-" + "Xk93mQzR7tVbN2wLpY5s"
OTHER_TOKEN = "glpat-" + "Lp20cVtR9kWbM4xZqH7d"
REGISTERED = "corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # of no known pattern
LENGTH = len(TOKEN)
# Not looked through: values that recognise a secret, and what this program itself wrote.
NO_SECRET = {
    (Identifier, "value"),
    (Leak, "fingerprint"),
    (Leak, "identifiers"),
    (Leak, "pattern"),
    (Leak, "time_origin"),
}
FACTS: tuple[type[msgspec.Struct], ...] = (*TYPES.values(), Leak, LimitedRecord, DeadLetter)


def finders(*registered: str, keys: Sequence[DeploymentKey] = (KEY,)) -> Finders:
    made = Finders(bundled_scanner(), keys)
    ring = KeyRing(keys)
    made.renew([each for secret in registered for each in ring.identifiers(Secret(secret.encode()))])
    return made


def masker(*registered: str, keys: Sequence[DeploymentKey] = (KEY,)) -> EventMasker:
    return EventMasker(finders(*registered, keys=keys).finder)


def filled(kind: Any, text: str) -> Any:
    """A value of that type with the text wherever one may stand, from the definition alone."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(
            **{
                field.name: filled(field.type, "a" * 8 if (kind, field.name) in NO_SECRET else text)
                for field in msgspec.structs.fields(kind)
            }
        )
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return filled(inner[0], text)
    if origin is tuple:
        return (filled(inner[0], text), filled(inner[0], text))
    if origin is dict:
        return {"handle": text, f"{text}/key": 1, "deep": {"list": [text, {"x": text}, 5]}, "n": None}
    return {str: text, int: 7}[kind]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from texts(getattr(value, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("secret", [TOKEN, REGISTERED], ids=["pattern", "registered"])
def test_every_text_of_every_kind_of_fact_is_masked(kind: type[msgspec.Struct], secret: str) -> None:
    fact = filled(kind, f"https://x/y?private_token={secret}&z=1")
    planted = [text for text in texts(fact) if secret in text]
    assert len(planted) >= len([one for one in msgspec.structs.fields(kind) if one.type is str])
    (masked,) = masker(REGISTERED).masked([fact])
    assert [text for text in texts(masked) if secret in text] == []
    assert len(list(texts(masked))) == len(list(texts(fact)))
    assert type(masked) is kind


def test_a_plain_text_keeps_what_stands_around_the_secret() -> None:
    use = CredentialUsed(time=1, source="s", id="1", resource=f"https://x/y?private_token={TOKEN}&z=1")
    (masked,) = masker().masked([use])
    assert masked.resource == f"https://x/y?private_token=‹gitlab-pat:{LENGTH}›&z=1"


def test_an_id_becomes_one_and_the_same_other_id_everywhere() -> None:
    name = f"job-{TOKEN}"
    events: list[AnyEvent] = [
        TaskStarted(time=1, source=name, id="1", task_id=name),
        TaskEnded(time=2, source="ci", id=name, task_id=name),
    ]
    expected = (
        f"‹gitlab-pat:{LENGTH}:{hmac.new(KEY.material, name.encode(), hashlib.sha256).hexdigest()[:8]}›"
    )
    together = masker().masked(events)
    alone = [masker().masked([event])[0] for event in events]
    assert together == alone
    started, ended = together
    assert isinstance(started, TaskStarted)
    assert isinstance(ended, TaskEnded)
    assert {started.task_id, started.source, ended.task_id, ended.id} == {expected}


def test_what_is_registered_does_not_change_the_name_that_a_pattern_gives_an_id() -> None:
    event = TaskEnded(time=2, source="ci", id="1", task_id=f"job.{TOKEN}")
    assert masker().masked([event]) == masker(TOKEN, f"job.{TOKEN}").masked([event])


def test_the_oldest_key_in_force_names_ids() -> None:
    event = TaskEnded(time=2, source="ci", id="1", task_id=TOKEN)
    assert masker(keys=(KEY, OLD)).masked([event]) == masker(keys=(OLD,)).masked([event])
    assert masker(keys=(KEY, OLD)).masked([event]) != masker(keys=(KEY,)).masked([event])


def test_two_ids_stay_two() -> None:
    both = [TaskEnded(time=2, source="ci", id="1", task_id=f"{n}-{TOKEN}") for n in range(2)]
    assert len({event.task_id for event in masker().masked(both)}) == 2


def test_values_of_identifiers_and_public_ids_stay() -> None:
    issue = CredentialIssued(
        time=1,
        source="ci",
        id="1",
        credential_id="AKIAQ3EGRBZ7LT5XHNJK",
        task_id="t",
        identifiers=(Identifier("aws-access-key-id", "AKIAQ3EGRBZ7LT5XHNJK"), Identifier("jwt-id", TOKEN)),
    )
    assert masker().masked([issue]) == [issue]


def test_a_revocation_handle_with_a_secret_is_masked_and_counted() -> None:
    handle = {
        "url": "https://x",
        "client_secret": "Zr8Lq2WvN5tYx0Kd9Hs3",
        "pin": 93817264501928374,
        "ok": True,
    }
    issue = filled(CredentialIssued, "plain")
    with_secret = msgspec.structs.replace(issue, revocation={**handle, "list": [f"a {TOKEN}"]})
    registered = masker("93817264501928374")
    (masked, same) = registered.masked([with_secret, msgspec.structs.replace(issue, revocation={"a": 1})])
    assert registered.revocations == 1
    assert masked.revocation["url"] == "https://x"
    assert masked.revocation["ok"] is True
    assert masked.revocation["list"] == [f"a ‹gitlab-pat:{LENGTH}›"]
    assert "Zr8Lq2" not in masked.revocation["client_secret"], "the key says that it is a secret"
    assert masked.revocation["pin"] == "‹known-credential:17›"
    assert same.revocation == {"a": 1}


def test_a_glob_and_the_resource_that_it_covers_are_masked_alike() -> None:
    url = f"https://x/y?private_token={TOKEN}"
    issue = msgspec.structs.replace(filled(CredentialIssued, "a"), grants=(Grant(None, (url,)),))
    use = CredentialUsed(time=1, source="s", id="1", resource=url)
    (issue, use) = masker().masked([issue, use])
    assert issue.grants[0].resources == (use.resource,)


def test_networks_and_workloads_of_a_binding_are_looked_through() -> None:
    issue = msgspec.structs.replace(
        filled(CredentialIssued, "a"), bound_to=Binding((f"w/{TOKEN}/*",), ("10.0.0.0/8",))
    )
    (masked,) = masker().masked([issue])
    assert masked.bound_to == Binding((f"w/‹gitlab-pat:{LENGTH}›/*",), ("10.0.0.0/8",))


def test_a_text_does_not_hide_a_secret_in_another() -> None:
    """A key over several lines that begins in one field and ends in another would swallow what is between."""
    begin, end = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq", "x9fQ\n-----END RSA PRIVATE KEY-----"
    facts = [
        CredentialUsed(time=1, source="s", id=str(number), user_agent=begin, workload=TOKEN, action=end)
        for number in range(5)
    ]
    for fact in masker().masked(facts):
        assert TOKEN not in json.dumps(msgspec.to_builtins(fact))


def test_the_result_does_not_depend_on_what_is_masked_together() -> None:
    facts = [
        filled(kind, f"{n} https://x?t={secret}")
        for kind in FACTS
        for n, secret in enumerate((TOKEN, "x", REGISTERED))
    ]
    together = masker(REGISTERED).masked(facts)
    assert together == [masker(REGISTERED).masked([fact])[0] for fact in facts]


def test_a_secret_that_is_registered_later_is_masked_from_then_on() -> None:
    made = finders()
    event = CredentialUsed(time=1, source="s", id="1", user_agent=f"x {REGISTERED}")
    one = EventMasker(made.finder)
    assert one.masked([event]) == [event]
    made.known.add(KeyRing((KEY,)).identifiers(Secret(REGISTERED.encode())))
    (masked,) = one.masked([event])
    assert masked.user_agent == f"x ‹known-credential:{len(REGISTERED)}›"


@pytest.mark.parametrize("form", ["‹{}:20›", "‹{}:20:1a2b3c4d›", "x ‹{}:9› y"])
def test_a_mask_is_never_taken_for_a_secret(form: str) -> None:
    redactor = Redactor(bundled_scanner())
    names = [pattern.id for pattern in bundled_scanner().patterns]
    masks = [
        form.format(name)
        for name in (*names, "detect-secrets:gitlab-token", "known-credential", "unexamined:decoding")
    ]
    assert [mask for mask in masks if redactor.clean(mask) != mask] == []


def test_a_secret_behind_what_looks_like_a_mask_is_found() -> None:
    text = f"‹snowflake-password:20› ‹x:{TOKEN}›"
    assert TOKEN not in Redactor(bundled_scanner()).clean(text)


@pytest.mark.parametrize("form", ["‹{}:40›", "‹x:{}:20›", "‹{}:20:1a2b3c4d›", "‹known-credential:20:{}›"])
@pytest.mark.parametrize(
    "secret",
    [
        "4f9c1d2e7a8b3c6d5e0f9a8b7c6d5e4f3a2b1c0d",
        "4f9c1d2e",
        "key-" + "3ab6c19f29d56d54dc373a9e0b1c2d3e",
        "xoxb-" + "263594206564-2343594206574-k4bc9efghij2mnopq7stuvwx",
    ],
    ids=["registered", "short", "mailgun", "slack"],
)
def test_a_secret_written_like_a_mask_is_masked(form: str, secret: str) -> None:
    known = KnownIndex(KeyRing((KEY,)).identifiers(Secret(secret.encode())), (KEY,))
    index = known if secret.isalnum() else None
    assert secret not in Redactor(bundled_scanner(), index).clean(form.format(secret))


def test_the_name_of_a_file_keeps_the_rest_of_its_path() -> None:
    path = masker(REGISTERED).path(f"/builds/{TOKEN}/a b/{REGISTERED}.log")
    assert path.startswith(f"/builds/‹gitlab-pat:{LENGTH}:")
    assert "/a b/‹known-credential:28:" in path


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(f"x {TOKEN} y".encode()).decode(),
        f"x {TOKEN} y".encode().hex(),
        TOKEN.replace("-", "%2D"),
    ],
    ids=["base64", "hex", "percent"],
)
def test_encoded_secrets_are_masked(text: str) -> None:
    (masked,) = masker().masked([CredentialUsed(time=1, source="s", id="1", user_agent=text)])
    assert masked.user_agent is not None
    assert text not in masked.user_agent
    assert "‹gitlab-pat" in masked.user_agent
