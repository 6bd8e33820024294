"""The `[[trust]]` table: what it may say, which keys it refuses, and what its messages say."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from detector.configuration.settings import Settings, problems
from detector.configuration.trust_settings import GITHUB, JWS, STANDARD_WEBHOOKS, TrustedHeader, TrustEntry
from detector.values.times import DAY, HOUR
from tests.ingest.signing import SECRET, private_key, private_pem, public_pem

KEY = private_key("Ed25519")
TEXT = "whsec_" + base64.b64encode(SECRET).decode()
KAFKA = """
[kafka]
bootstrap = "127.0.0.1:9092"
event_topics = ["a", "gitlab-*", "issuer*"]
log_topics = ["logs.*"]
"""
SIGNED = """
[[trust]]
topics = ["issuer"]
signature = "{scheme}"
[[trust.keys]]
id = "k1"
{rest}
"""


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> tuple[TrustEntry, ...]:
    (folder / "curfewd.toml").write_text(text + KAFKA)
    return Settings.load(str(folder / "curfewd.toml"), environ or {}).trust


def wrong(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    (folder / "curfewd.toml").write_text(text + KAFKA)
    found = problems(str(folder / "curfewd.toml"), environ or {})
    return [str(error).removeprefix(f"{folder}/curfewd.toml:") for error in found]


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "issuer.pem").write_bytes(public_pem(KEY))
    entries = load(
        tmp_path,
        """
        [[trust]]
        topics = ["gitlab-*"]
        sources = ["gitlab", "gitlab.audit"]
        types = ["credential.*", "task.ended"]
        exclusive = false
        header = { name = "x-gateway", value = "gitlab-*" }
        signature = "jws"
        signature_header = "x-signature"
        max_age = "1h"

        [[trust.keys]]
        id = "2026-05"
        algorithm = "ed25519"
        file = "issuer.pem"

        [[trust]]
        paths = ["audit/*"]
        types = ["credential.used"]
        """,
    )
    first, second = entries
    assert first.topics == ("gitlab-*",)
    assert first.sources == ("gitlab", "gitlab.audit")
    assert first.types == ("credential.*", "task.ended")
    assert not first.exclusive
    assert first.header == TrustedHeader("x-gateway", "gitlab-*")
    assert first.signature is not None
    assert (first.signature.scheme, first.signature.header) == (JWS, "x-signature")
    assert first.signature.max_age == HOUR
    (key,) = first.signature.keys
    assert (key.id, key.algorithm, key.public) == ("2026-05", "Ed25519", public_pem(KEY).strip())
    assert second == TrustEntry(paths=("audit/*",), types=("credential.used",), line=17)
    assert first.line == 2


def test_a_signed_event_may_be_as_old_as_what_is_remembered(tmp_path: Path) -> None:
    text = SIGNED.format(scheme=STANDARD_WEBHOOKS, rest='env = "WEBHOOK"')
    for retention, expected in (("", DAY), ('retention = "2h"\n', 2 * HOUR)):
        (entry,) = load(tmp_path, retention + text, {"WEBHOOK": TEXT})
        assert entry.signature is not None
        assert entry.signature.max_age == expected
        assert entry.signature.keys[0].secret is not None
        assert entry.signature.keys[0].secret.reveal() == SECRET


@pytest.mark.parametrize("text", [TEXT, SECRET.hex(), base64.b64encode(SECRET).decode(), f"{TEXT}\n"])
def test_a_secret_of_standard_webhooks(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text(text)
    (entry,) = load(tmp_path, SIGNED.format(scheme=STANDARD_WEBHOOKS, rest='file = "secret"'))
    assert entry.signature is not None
    assert entry.signature.keys[0].secret is not None
    assert entry.signature.keys[0].secret.reveal() == SECRET


def test_githubs_secret_is_the_text_itself(tmp_path: Path) -> None:
    (entry,) = load(
        tmp_path, SIGNED.format(scheme=GITHUB, rest='env = "S"'), {"S": "correct horse battery staple"}
    )
    assert entry.signature is not None
    assert entry.signature.keys[0].secret is not None
    assert entry.signature.keys[0].secret.reveal() == b"correct horse battery staple"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('types = ["task.ended"]', "1: trust: needs topics, paths or both: which inputs it holds"),
        (
            'topics = ["a"]',
            "1: trust: holds its inputs to nothing: write sources, types, header or signature",
        ),
        ('topics = []\ntypes = ["task.*"]', "2: trust.topics: write a list of globs with at least one in it"),
        (
            'topics = ["a"]\nsources = ["*"]',
            "3: trust.sources: `*` is every source: to let an input carry events of any source, leave sources out",
        ),
        (
            'topics = ["a"]\ntypes = ["task.finished"]',
            (
                "3: trust.types: no type of event matches 'task.finished' (did you mean task.ended?); the types are "
                "task.started, task.heartbeat, task.ended, credential.issued, credential.renewed, credential.used, credential.revoked, "
                "credential.revocation.outcome"
            ),
        ),
        (
            'topics = ["a"]\ntypes = ["task.*"]\nexclusive = true',
            "4: trust.exclusive: says who else may carry events of sources, and there are no sources",
        ),
        ('topics = ["a"]\nheader = "x"', '3: trust.header: write { name = "…", value = "…" }'),
        ('topics = ["a"]\nheader = { name = "x" }', '3: trust.header: write { name = "…", value = "…" }'),
        (
            'topics = ["a"]\nheader = { name = "x", value = "*" }',
            "3: trust.header: value: this matches any value, so whoever sets the header could write anything",
        ),
        (
            'topics = ["a"]\nheader = { name = "ce_source", value = "x" }',
            "3: trust.header: the sender of an event chooses its ce_ headers: they prove nothing",
        ),
        (
            'paths = ["a"]\nheader = { name = "x", value = "y" }',
            (
                "3: trust.header: a file has no headers, so this could not be judged there: write an entry of its own for "
                "paths"
            ),
        ),
        ('topics = ["a"]\nsignature = "jws"', "3: trust.signature: needs at least one [[trust.keys]]"),
        (
            'topics = ["a"]\nsignature = "pgp"',
            "3: trust.signature: write jws, standard-webhooks or github",
        ),
        (
            'topics = ["a"]\ntypes = ["task.*"]\nmax_age = "1h"',
            "4: trust.max_age: has an effect only with signature",
        ),
        (
            'topics = ["a"]\ntypes = ["task.*"]\nsignatur = "jws"',
            (
                "4: trust.signatur: no such key (did you mean signature?); known here: topics, paths, sources, types, "
                "exclusive, header, signature, signature_header, max_age, keys"
            ),
        ),
    ],
)
def test_what_is_wrong_with_an_entry(tmp_path: Path, text: str, said: str) -> None:
    assert said in wrong(tmp_path, f"[[trust]]\n{text}\n")


KEY_LINE = 5


@pytest.mark.parametrize(
    ("scheme", "rest", "said"),
    [
        (JWS, "", f"{KEY_LINE}: trust.keys: each needs an id, and either file or env"),
        (JWS, 'file = "a"\nenv = "B"', f"{KEY_LINE}: trust.keys: each needs an id, and either file or env"),
        (
            JWS,
            'file = "public.pem"',
            f"{KEY_LINE}: trust.keys: a key of a jws needs an algorithm: Ed25519, ES256, ES384, PS256, RS256",
        ),
        (
            JWS,
            'algorithm = "none"\nfile = "public.pem"',
            f"{KEY_LINE + 2}: trust.keys.algorithm: write Ed25519, ES256, ES384, PS256 or RS256",
        ),
        (
            JWS,
            'algorithm = "HS256"\nfile = "public.pem"',
            f"{KEY_LINE + 2}: trust.keys.algorithm: write Ed25519, ES256, ES384, PS256 or RS256",
        ),
        (
            JWS,
            'algorithm = "Ed25519"\nkey = "MCowBQ…"',
            f"{KEY_LINE + 3}: trust.keys.key: never write a key in the configuration: say where it is, with file or env",
        ),
        (
            JWS,
            'algorithm = "Ed25519"\nfile = "private.pem"',
            (
                f"{KEY_LINE + 3}: trust.keys.file: this is the private key, which only the signer may have: write its public "
                "key (openssl pkey -in private.pem -pubout -out public.pem)"
            ),
        ),
        (
            JWS,
            'algorithm = "ES256"\nfile = "public.pem"',
            f"{KEY_LINE + 3}: trust.keys.file: the key is of another kind than ES256 needs",
        ),
        (
            JWS,
            'algorithm = "ES256"\nfile = "p384.pem"',
            f"{KEY_LINE + 3}: trust.keys.file: the key is of another kind than ES256 needs",
        ),
        (
            JWS,
            'algorithm = "Ed25519"\nfile = "ed448.pem"',
            f"{KEY_LINE + 3}: trust.keys.file: the key is of another kind than Ed25519 needs",
        ),
        (
            JWS,
            'algorithm = "RS256"\nfile = "rsa1024.pem"',
            f"{KEY_LINE + 3}: trust.keys.file: a weak key: RSA needs at least 2048 bits, this one has 1024",
        ),
        (
            JWS,
            'algorithm = "RS256"\nfile = "text"',
            f"{KEY_LINE + 3}: trust.keys.file: no public key in PEM: it begins with -----BEGIN PUBLIC KEY-----",
        ),
        (
            JWS,
            'algorithm = "Ed25519"\nfile = "two.pem"',
            f"{KEY_LINE + 3}: trust.keys.file: more than one key in PEM: write each into a file of its own",
        ),
        (
            JWS,
            'algorithm = "RS256"\nfile = "cert.pem"',
            (
                f"{KEY_LINE + 3}: trust.keys.file: this is a certificate: write its public key (openssl x509 -in cert.pem "
                "-pubkey -noout)"
            ),
        ),
        (
            STANDARD_WEBHOOKS,
            'algorithm = "ES256"\nfile = "text"',
            f"{KEY_LINE + 2}: trust.keys.algorithm: standard-webhooks has HMAC-SHA-256 and no other: leave it out",
        ),
        (
            STANDARD_WEBHOOKS,
            'file = "public.pem"',
            (
                f"{KEY_LINE + 2}: trust.keys.file: a key in PEM is no secret of an HMAC: whoever has the public key could "
                "sign with it"
            ),
        ),
        (
            GITHUB,
            'file = "public.pem"',
            (
                f"{KEY_LINE + 2}: trust.keys.file: a key in PEM is no secret of an HMAC: whoever has the public key could "
                "sign with it"
            ),
        ),
        (
            STANDARD_WEBHOOKS,
            'file = "text"',
            f"{KEY_LINE + 2}: trust.keys.file: write the secret as whsec_ and base64, or in hex or base64",
        ),
        (
            STANDARD_WEBHOOKS,
            'env = "SHORT"',
            f"{KEY_LINE + 2}: trust.keys.env: Standard Webhooks has secrets of 24 to 64 bytes, this one has 16",
        ),
        (
            STANDARD_WEBHOOKS,
            'env = "ZEROS"',
            f"{KEY_LINE + 2}: trust.keys.env: a weak secret: generate one of at least 16 random bytes",
        ),
        (
            GITHUB,
            'env = "HUNTER"',
            f"{KEY_LINE + 2}: trust.keys.env: a weak secret: generate one of at least 16 random bytes",
        ),
        (
            GITHUB,
            'env = "AAAA"',
            f"{KEY_LINE + 2}: trust.keys.env: a weak secret: generate one of at least 16 random bytes",
        ),
    ],
)
def test_what_is_wrong_with_a_key(tmp_path: Path, scheme: str, rest: str, said: str) -> None:
    (tmp_path / "public.pem").write_bytes(public_pem(KEY))
    (tmp_path / "private.pem").write_bytes(private_pem(KEY))
    (tmp_path / "p384.pem").write_bytes(public_pem(ec.generate_private_key(ec.SECP384R1())))
    (tmp_path / "rsa1024.pem").write_bytes(
        public_pem(rsa.generate_private_key(65537, 1024))  # noqa: S505 - a weak key is what is tested
    )
    other = ed448.Ed448PrivateKey.generate().public_key()
    (tmp_path / "ed448.pem").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "two.pem").write_bytes(public_pem(KEY) + public_pem(private_key("Ed25519")))
    (tmp_path / "text").write_text("no key at all!")
    environ = {
        "SHORT": bytes(range(16)).hex(),
        "ZEROS": bytes(32).hex(),
        "HUNTER": "hunter2-hunter2",
        "AAAA": "a" * 32,
    }
    found = wrong(tmp_path, SIGNED.format(scheme=scheme, rest=rest), environ)
    assert said in found
    assert not any(text in line for line in found for text in environ.values())


def test_two_keys_of_one_id_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_bytes(public_pem(KEY))
    key = '[[trust.keys]]\nid = "k1"\nalgorithm = "Ed25519"\nfile = "public.pem"\n'
    text = f'[[trust]]\ntopics = ["a"]\nsignature = "jws"\n{key}{key}'
    assert wrong(tmp_path, text) == ["9: trust.keys.id: another key of this entry has this id"]


def test_a_key_that_this_machine_lacks_stops_the_service_and_no_replay(tmp_path: Path) -> None:
    text = SIGNED.format(scheme=STANDARD_WEBHOOKS, rest='env = "WEBHOOK"')
    said = "7: trust.keys.env: the environment variable WEBHOOK with the secret is not set"
    assert wrong(tmp_path, text) == [said]
    settings = Settings.load(str(tmp_path / "curfewd.toml"), {})
    assert [str(error).endswith(said) for error in settings.unmet] == [True]
    missing = text.replace('env = "WEBHOOK"', 'file = "gone"')
    assert wrong(tmp_path, missing) == [
        f"7: trust.keys.file: {tmp_path}/gone: cannot be read: No such file or directory"
    ]


@pytest.mark.parametrize(
    ("glob", "said"),
    [
        ("other", "other is no input: name the topic in kafka.event_topics, or leave it out here"),
        ("gitlab", "gitlab is no input: name the topic in kafka.event_topics, or leave it out here"),
        ("logs.ci", "logs.ci is under kafka.log_topics, where nothing is an event: leave it out here"),
        ("l*", "l* is under kafka.log_topics, where nothing is an event: leave it out here"),
    ],
)
def test_a_glob_that_matches_no_topic_of_events_is_a_mistake(tmp_path: Path, glob: str, said: str) -> None:
    text = f'[[trust]]\ntypes = ["task.*"]\ntopics = ["issuer-2", "g*t", "{glob}"]\n'
    assert wrong(tmp_path, text) == [f"3: trust.topics: {said}"]


def test_a_topic_that_no_entry_holds_is_a_warning_where_others_are_held(tmp_path: Path) -> None:
    """An event of any source may end a task: one open topic lets in what the entries keep out of the others."""
    text = '[[trust]]\ntypes = ["task.*"]\ntopics = ["issuer*"]\n'
    (tmp_path / "curfewd.toml").write_text(text + KAFKA)
    live = Settings.load(str(tmp_path / "curfewd.toml"), {}).live()
    assert [warning for warning in live.warnings if "[[trust]]" in warning] == [
        f"kafka.event_topics: no [[trust]] entry holds {glob}: whoever may write to it can end any task and revoke any "
        "credential, under a source that no entry reserves"
        for glob in ("a", "gitlab-*")
    ]
    for whole in (
        KAFKA,
        text.replace("issuer*", "*") + KAFKA,
        '[[trust]]\npaths = ["x"]\ntypes = ["task.*"]\n' + KAFKA,
    ):
        (tmp_path / "curfewd.toml").write_text(whole)
        live = Settings.load(str(tmp_path / "curfewd.toml"), {}).live()
        assert not any("[[trust]]" in warning for warning in live.warnings)


def test_a_secret_is_of_one_scheme(tmp_path: Path) -> None:
    """GitHub signs a body that somebody else may choose: it could be the text that Standard Webhooks would sign."""
    environ = {"S": SECRET.hex()}
    first = SIGNED.format(scheme=STANDARD_WEBHOOKS, rest='env = "S"')
    assert wrong(tmp_path, first + SIGNED.format(scheme=STANDARD_WEBHOOKS, rest='env = "S"'), environ) == []
    ascii_secret = "correct horse battery staple"
    environ = {"S": ascii_secret.encode().hex(), "T": ascii_secret}
    assert wrong(tmp_path, first + SIGNED.format(scheme=GITHUB, rest='env = "T"'), environ) == [
        "12: trust.keys: the secret of k1 is also one of standard-webhooks: generate one for each scheme"
    ]


def test_topics_without_kafka_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "curfewd.toml").write_text('[[trust]]\ntopics = ["a"]\ntypes = ["task.*"]\n')
    (error,) = problems(str(tmp_path / "curfewd.toml"), {})
    assert error.reason == (
        "trust.topics: there is no [kafka] table, so no topic is read: for a replay's files write paths"
    )
    (tmp_path / "curfewd.toml").write_text('[[trust]]\npaths = ["a"]\ntypes = ["task.*"]\n')
    assert problems(str(tmp_path / "curfewd.toml"), {}) == []
