"""What a registry answers, whatever was added and removed in which order: as one of dictionaries does."""

import random
import threading
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.routing import issue_key
from detector.registry import claim_kernel as kernel
from detector.registry import issue_records as records
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import CredentialIssued, Identifier
from tests.registry.plain_registry import PlainRegistry

DIGESTS = ["0f" * 32, "e1" * 32, "0F" * 32]
IDS = [
    "c",
    "",
    "é" * 9,
    "ë" * 9,
    "7d9b2c1e-6f3a-4f0e-9d1b-0a1b2c3d4e5f",
    "7D9B2C1E-6F3A-4F0E-9D1B-0A1B2C3D4E5F",
    DIGESTS[0],
]
SCHEMES = ["hmac-sha256", "sha256", "vault-accessor", ""]
identifiers = st.builds(
    Identifier,
    st.sampled_from(SCHEMES),
    st.sampled_from([*DIGESTS, *IDS]),
    st.sampled_from([None, 0, 40, 65535, 65536]),
    st.sampled_from([None, "deadbeef", "00000000", "DEADBEEF", "x"]),
    st.sampled_from([None, "", "k1"]),
    st.sampled_from([None, DIGESTS[1], "no digest"]),
    st.sampled_from([None, "mixed", "unbroken", "of a later version"]),
)


def made(
    credential: int, event: int, time: int, task: str | None, some: list[Identifier]
) -> CredentialIssued:
    return CredentialIssued(
        time=time,
        source=["s", "s1"][event % 2],
        id=["1", "11", "1"][event % 3],
        credential_id=IDS[credential],
        task_id=task,
        identifiers=tuple(some),
    )


issues = st.builds(
    made,
    st.integers(0, len(IDS) - 1),
    st.integers(0, 5),
    st.integers(-1, 3),
    st.sampled_from([None, "", *IDS[3:]]),
    st.lists(identifiers, max_size=3),
)
steps = st.lists(
    st.one_of(st.lists(issues, min_size=1, max_size=4), issues, st.sampled_from(["compact", "copy some"])),
    max_size=14,
)


def half(one: Identifier) -> Identifier:
    """What is kept of an identifier: half of its `folded`, if it has all that finds it."""
    whole = (
        one.scheme != "hmac-sha256"
        or one.value not in DIGESTS[:2]
        or one.length != 40
        or one.check not in ("deadbeef", "00000000")
        or one.folded not in (None, DIGESTS[1])
        or one.shape == "of a later version"
    )
    return one if whole or one.folded is None else msgspec.structs.replace(one, folded=one.folded[:32])


def asked(registry: CredentialRegistry, plain: PlainRegistry, one: CredentialIssued) -> None:
    """Both answer alike."""

    def key(owner: CredentialIssued | None) -> str | None:
        return None if owner is None else issue_key(owner)

    assert registry.known(one.credential_id) == key(plain.by_id(one.credential_id))
    for each in one.identifiers:
        assert registry.by_identifier(each) == key(plain.by_identifier(each))


@given(steps, st.lists(issues, max_size=3))
def test_it_answers_as_dictionaries_do(steps: list[Any], strangers: list[CredentialIssued]) -> None:
    registry, plain = CredentialRegistry(), PlainRegistry()
    seen = [*strangers]
    copying = False
    for step in steps:
        if step == "compact":
            registry.compact()
            copying = False
        elif step == "copy some":
            if not copying:
                registry.begin_compaction()
            copying = not registry.compact_some(1)
            if not copying:
                registry.use_copy()
        elif isinstance(step, list):
            batch = registry.prepared(step)
            new = {each for one in step for each in one.identifiers if not plain.claimed(each)}
            registry.take(batch)
            taken = registry.taken(batch)
            for one in step:
                plain.add(one)
            told = {(each.scheme, each.value) for each in new if plain.claimed(each)}
            assert {(each.scheme, each.value) for each in taken.others} <= told
            assert sum(each.checks.size for each in taken.checked) + len(taken.others) == len(told)
            seen += step
        elif isinstance(step, CredentialIssued):
            registry.remove(step.credential_id, step.source, step.id)
            plain.remove(step.credential_id, step.source, step.id)
        for one in seen:
            asked(registry, plain, one)
        assert (len(registry), registry.conflicts) == (len(plain), plain.conflicts)
        kept = sorted(repr(each) for each in registry.identifiers())
        assert kept == sorted(repr(half(each)) for one in plain.issues() for each in one.identifiers)


def test_questions_for_schemes_that_nobody_has_registered_leave_nothing_behind() -> None:
    registry, plain = CredentialRegistry(), PlainRegistry()
    one = made(0, 0, 0, None, [Identifier("vault-accessor", "v")])
    registry.add(one)
    plain.add(one)
    before = registry.image().schemes
    for number in range(100):
        assert registry.by_identifier(Identifier(f"scheme-{number}", "v")) is None
    assert registry.image().schemes == before
    another = made(1, 1, 1, None, [Identifier("scheme-7", "v")])
    registry.add(another)
    plain.add(another)
    asked(registry, plain, one)
    asked(registry, plain, another)


SHARED = Identifier("vault-accessor", "shared")


def claiming(number: int, credential: str, time: int) -> CredentialIssued:
    return CredentialIssued(
        time=time,
        source="s",
        id=str(number),
        credential_id=credential,
        task_id=f"t{number}",
        identifiers=(SHARED,),
    )


@pytest.mark.parametrize("credentials", [1, 7, 500])
@pytest.mark.parametrize("order", ["as they came", "backwards", "mixed"])
def test_what_very_many_issues_claim_is_given_up_in_any_order(order: str, credentials: int) -> None:
    """One source may claim one identifier, or one credential, with all of its issues."""
    registry, plain = CredentialRegistry(), PlainRegistry()
    issues = [claiming(number, f"c{number % credentials}", number * 7919 % 503) for number in range(500)]
    registry.add(*issues)
    for one in issues:
        plain.add(one)
    if order == "backwards":
        issues.reverse()
    elif order == "mixed":
        random.Random(1).shuffle(issues)
    for one in issues:
        registry.remove(one.credential_id, one.source, one.id)
        plain.remove(one.credential_id, one.source, one.id)
        asked(registry, plain, one)
        assert (len(registry), registry.conflicts) == (len(plain), plain.conflicts)
    assert registry.by_identifier(SHARED) is None


def test_a_name_that_two_claimed_is_contested_until_few_claims_are_left() -> None:
    """To look through all of them takes too long at each removal."""
    registry = CredentialRegistry()
    registry.add(claiming(0, "other", 9), *(claiming(number, "one", 9 + number) for number in range(1, 200)))
    assert (registry.conflicts, registry.by_identifier(SHARED)) == (1, "t:t0")
    registry.remove("other", "s", "0")
    assert registry.by_identifier(SHARED) == "t:t1"
    for number in range(1, 150):
        registry.remove("one", "s", str(number))
        assert registry.by_identifier(SHARED) == f"t:t{number + 1}"
    assert registry.conflicts == 0


def test_issues_of_one_source_spread_over_all_of_the_table() -> None:
    registry = CredentialRegistry()
    registry.add(*(claiming(number, "one", number) for number in range(400)))
    events = registry.image().arrays[2]
    halves = [np.count_nonzero(half) for half in np.array_split(events, 2)]
    assert min(halves) > 100


def test_one_thread_asks_which_digests_are_registered_while_another_changes_that() -> None:
    registry, half = CredentialRegistry(), bytes(15) + b"\7"
    digest = Identifier("hmac-sha256", f"{5:064x}", 40, "deadbeef", folded=(half + bytes(16)).hex())
    one = msgspec.structs.replace(claiming(1, "c", 1), identifiers=(digest,))
    registry.add(one)
    halves, done, found = np.frombuffer(half * 2000, np.uint8), threading.Event(), set[int]()

    def ask() -> None:
        claims = np.empty(2000, np.int64)
        while not done.is_set():
            image = registry.image()
            keys = np.array(image.hash_keys, np.uint64)
            arena, names, *_ = image.arrays
            kernel.claims_of(arena, names, keys, records.FOLDED_NAME, halves, 16, claims)
            found.update(claims[(claims != 0) & (claims < records.FIRST)].tolist())

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(6000):
        registry.remove("c", "s", "1")
        registry.add(one)
    done.set()
    asking.join()
    assert not found
    assert registry.owner_of_folded(half + bytes(16)) == bytes.fromhex(digest.value)
