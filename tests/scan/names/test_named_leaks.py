"""What becomes of a value behind a name: the leak's name, confidence and severity, and what must not be in them."""

import msgspec
import pytest

from detector.patterns.pattern import load_bundled
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.values.events import Identifier, Leak
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_scanner

KEY = DeploymentKey.of(bytes(range(32)))
HEX = "4c8e1f0b7a2d9356e8b1c7f40a6d2e95b3f8c017"
BASE62 = "vN3kQ8xZr5LmT2wYb7HcJd4SgP6uXe9A"


def leaks(text: str, secrets: tuple[str, ...] = ()) -> list[Leak]:
    identifiers = [
        Identifier("hmac-sha256", KEY.fingerprint(Secret(one.encode())), len(one)) for one in secrets
    ]
    finder = LeakFinder(bundled_scanner(), KnownIndex(identifiers, [KEY]), [KEY])
    data = text.encode()
    return finder.find(Batch("logs", data, lambda _: RecordAt(0, len(data), "1")))


def test_a_leak_says_the_name_and_how_sure_it_is_and_its_severity_follows() -> None:
    told = [
        (leak.pattern, leak.name, leak.confidence, leak.severity)
        for leak in leaks(f"HARBOR_TOKEN={HEX}\nACME_KEY={BASE62}\nDB_PASSWORD=k#9Vw!2xQ;z&Lp7$")
    ]
    assert told == [
        ("named-secret", "HARBOR_TOKEN", 3, 4),
        ("named-secret", "ACME_KEY", 2, 3),
        ("named-password", "DB_PASSWORD", 3, 4),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'Config {{ host: "a", harbor_token: Some("{HEX}"), port: 1 }}',
        f'\\"harbor_token\\": Some(\\"{HEX}\\")',
        f"HARBOR_TOKEN=acme_{HEX}",
        f"HARBOR_TOKEN=ac-live-{HEX}",
        "HARBOR_TOKEN=gAzV5=INQM4ilR",
    ],
)
def test_these_are_found(text: str) -> None:
    (leak,) = leaks(text)
    assert (leak.pattern or "").startswith("named-")


@pytest.mark.parametrize(
    "text",
    [
        f"harbor_token {HEX} is old",  # a sentence
        f"harbor_token  {HEX} and more",
        f"the harbor_token  {HEX}",
        f"a:harbor-token {HEX}",
        "def check(token, secret=DEFAULT_BFJIQB_2) -> Claims",
        "HARBOR_TOKEN=k8s:secret/azdccm/x7Kp2Qd9Lm",
        "BACKEND_KEY=igokrl/6bd4316a-de4e-4e76-9862-5ef9054311de.json",
        "HARBOR_TOKEN=age1fvr6zruvug8rywdu0tcg29lve0kuz2g0e4axltzdzg0p0hejjm8ddecrjq",
        f"HARBOR_TOKEN={BASE62}--{BASE62[:16]}--{BASE62[5:27]}==",
        # A mask, which has a name, and what stands behind it.
        "redis://x:‹redis-url-password:12›@db.example.com:5432/prod1x",
        "‹named-secret:40›Ab9-_x2Kq8",
    ],
)
def test_these_are_left_alone(text: str) -> None:
    assert leaks(text) == []


def test_the_excerpt_shows_the_name_and_not_the_value() -> None:
    (leak,) = leaks(f"HARBOR_TOKEN={HEX}")
    assert leak.excerpt == "HARBOR_TOKEN=‹named-secret:40›"


def test_a_vendors_pattern_wins_and_needs_no_name() -> None:
    github = next(one for one in load_bundled() if one.id == "github-pat-classic").examples[0].split("=")[1]
    (leak,) = leaks(f"HARBOR_TOKEN={github}")
    assert (leak.pattern, leak.name, leak.confidence) == ("github-pat-classic", None, None)


def test_a_registered_credential_is_told_by_its_identifier() -> None:
    (leak,) = leaks(f"HARBOR_TOKEN={HEX}", (HEX,))
    assert Identifier("hmac-sha256", KEY.fingerprint(Secret(HEX.encode())), 40) in leak.identifiers


def test_a_name_that_shows_a_part_of_another_secret_is_left_out() -> None:
    registered = "Zq9!kVw-token"
    told = {leak.pattern: leak.name for leak in leaks(f"Zq9!kVw-token={HEX}", (registered,))}
    assert told["named-secret"] is None


@pytest.mark.parametrize(
    "wrap", ['{{"log": "{{\\"harborToken\\": \\"{}\\"}}"}}', "HARBOR_TOKEN%3D{}%26x", "harbor_token&#61;{} "]
)
def test_a_name_is_found_in_text_that_has_to_be_decoded(wrap: str) -> None:
    assert BASE62 not in "".join(leak.excerpt for leak in leaks(wrap.format(BASE62)))
    assert leaks(wrap.format(BASE62))


def test_name_and_confidence_go_over_the_wire_and_an_older_leak_has_none() -> None:
    (leak,) = leaks(f"HARBOR_TOKEN={HEX}")
    raw = msgspec.msgpack.encode(leak)
    assert msgspec.msgpack.decode(raw, type=Leak) == leak
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(raw)[:-3])
    assert msgspec.msgpack.decode(older, type=Leak).name is None


def test_ten_thousand_names_in_a_line_are_looked_at_once_each() -> None:
    scanner = PatternScanner([one for one in load_bundled() if one.named is not None])
    data = b" ".join(
        b"TOKEN_%d=%032x" % (n, n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)) for n in range(10_000)
    )
    assert len(scanner.scan(data)) > 9_900
