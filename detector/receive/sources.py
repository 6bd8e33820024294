"""A source as requests meet it: the proofs that it asks for, and what reads its bodies."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from detector.configuration.receive_settings import SourceEntry
from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.receive import (
    auth0,
    buildkite,
    circleci,
    github,
    gitlab,
    kubernetes,
    okta,
    otlp,
    pubsub,
    webhooks,
)
from detector.receive.cloudevents import EventReader
from detector.receive.delivery import Head, Reading
from detector.receive.eventgrid import EventGridReader
from detector.receive.issuer_keys import IssuerKeys
from detector.receive.own_events import OwnEvents
from detector.receive.proofs import CertificateProof, Proof, SecretProof
from detector.receive.sinks import Sink
from detector.receive.tokens import TokenProof
from detector.service.http.server import Answer
from detector.values.secrets import Secret

Read = Callable[[Head, bytes], Reading]
Verify = Callable[[Head, bytes], None]
"""Checks the signature of a body. It raises RefusalError."""

_SIGNED: Final[Mapping[str, Callable[[Sequence[Secret]], Verify]]] = {
    "github": github.verifier,
    "gitlab": gitlab.verifier,
    "buildkite": buildkite.verifier,
    "circleci": circleci.verifier,
}
_READ: Final[Mapping[str, Read]] = {
    "github": github.read,
    "gitlab": gitlab.read,
    "buildkite": buildkite.read,
    "circleci": webhooks.read,
    "azure-devops": webhooks.read,
    "eventbridge": webhooks.read,
    "okta": okta.read,
    "auth0": auth0.read,
    "pubsub": pubsub.read,
}


class Source(msgspec.Struct, frozen=True):
    """Who may send to one path, how it is read, and where it goes.

    `grid` answers Event Grid's handshakes, `challenged` a GET, once the proofs hold.
    """

    name: str
    topic: str
    proofs: tuple[Proof, ...]
    read: Read
    verify: Verify | None = None
    grid: EventGridReader | None = None
    challenged: Callable[[Head], Answer] | None = None


def make_source(
    entry: SourceEntry,
    keys: Callable[[str], IssuerKeys],
    sink: Sink,
    classifier: RecordClassifier = BUNDLED,
) -> Source:
    """The source of an entry, for records of this sink. `keys` gives those at a URL, `classifier` reads its records."""
    proofs: list[Proof] = []
    if entry.clients:
        proofs.append(CertificateProof(entry.clients))
    if entry.token is not None:
        proofs.append(TokenProof(entry.token, keys(entry.token.keys_url)))
    signed = _SIGNED.get(entry.type)
    if entry.secrets and signed is None:
        proofs.append(SecretProof(entry.secrets, entry.header, entry.user))
    grid = EventGridReader(entry.sources) if entry.type == "eventgrid" else None
    read, own = grid.read if grid is not None else _reader(entry, sink), OwnEvents(entry, classifier)
    return Source(
        name=entry.name,
        topic=entry.topic,
        proofs=tuple(proofs),
        read=lambda head, body: own.check(read(head, body)),
        verify=None if signed is None else signed(entry.secrets),
        grid=grid,
        challenged=okta.challenged if entry.type == "okta" else None,
    )


def _reader(entry: SourceEntry, sink: Sink) -> Read:
    if entry.type == "kubernetes":
        return partial(kubernetes.read, most_bytes=sink.record_bytes)
    if entry.type == "otlp":
        return partial(otlp.read, binary=sink.binary)
    if entry.type == "cloudevents":
        return EventReader(entry.sources).read
    return _READ[entry.type]
