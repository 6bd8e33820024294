"""Credentials that are gone give their memory back, while others come and are found."""

import itertools

from detector.judge.routing import encode, registry_key
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.known_credentials import KeyRing
from detector.scan.sightings import NoPatterns
from detector.values.events import CredentialIssued, Identifier
from detector.values.secrets import DeploymentKey, Secret
from tests.fake_records import FakeRecord

KEY = DeploymentKey.of(bytes(range(32)))
MANY, KEPT = 4000, 500


def secret(number: int) -> str:
    return f"zR{number:06}kQwPx7Lm2"


def record(number: int, *, gone: bool = False) -> FakeRecord:
    (keyed,) = KeyRing((KEY,)).identifiers(Secret(secret(number).encode()))
    one = CredentialIssued(
        time=1,
        source="s",
        id=str(number),
        credential_id=f"c{number}",
        task_id=f"t{number}",
        identifiers=(keyed, Identifier("jwt-id", f"j{number}")),
    )
    return FakeRecord(None if gone else encode(one), number, key=registry_key(one))


async def test_what_removed_credentials_took_is_given_back_while_others_come() -> None:
    registered = RegisteredCredentials(Finders(NoPatterns(), (KEY,)))
    await registered.apply([record(number) for number in range(MANY)])
    before = registered.registry.size
    await registered.apply([record(number, gone=True) for number in range(KEPT, MANY)])
    late = itertools.count(MANY)
    for _ in range(5):
        await registered.apply([record(next(late))])
    registry, seen = registered.registry, registered.finders.known.seen
    assert not registry.wasteful
    assert registry.size < before / 2
    assert len(registry) == KEPT + 5
    for number in (0, KEPT - 1, MANY, MANY + 4):
        assert registry.known(f"c{number}") == f"t:t{number}"
        assert seen(f"x {secret(number)} y".encode())[0] == [(2, 2 + len(secret(number)))]
        assert registered.finders.known.registered(Identifier("jwt-id", f"j{number}"))
    for number in (KEPT, MANY - 1):
        assert registry.known(f"c{number}") is None
        assert not any(seen(f"x {secret(number)} y".encode()))
        assert not registered.finders.known.registered(Identifier("jwt-id", f"j{number}"))
