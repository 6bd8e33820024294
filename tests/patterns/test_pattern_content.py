"""The bundled patterns: each carries its evidence, finds its secrets where logs put them, and lets clean logs be."""

import base64
import random
import string
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detector.patterns.pattern import Pattern, load_file
from detector.scan.pattern_examples import check_examples
from detector.scan.scanner import Match, PatternScanner
from tests.bundled import bundled_patterns, bundled_scanner

FOLDER = Path(__file__).parents[2] / "patterns"
FILES = sorted(FOLDER.glob("*.toml"))
HEX = "0123456789abcdef"
WORDS = ("build", "cache", "layer", "fetch", "resolve", "worker", "queue", "stage", "index", "module")
# A registry of packages is named by its packages' pages, never by its host: some networks allow no other mention.
HOSTS_OF_REGISTRIES = tuple(
    f"{name}.{domain}"
    for name, domain in (
        ("pypi", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("nuget", "org"),
        ("quay", "io"),
        ("docker", "io"),
        ("docker", "com"),
    )
)

Context = Callable[[bytes], bytes]
# Where a secret that needs no name beside it turns up.
ANYWHERE: dict[str, Context] = {
    "assignment": lambda s: b"export CREDENTIAL_1=" + s,
    "json": lambda s: b'{"level":"info","value":"' + s + b'","ok":true}',
    "userinfo of a URL": lambda s: b"cloning https://svc:" + s + b"@host.acme.test/repository",
    "quoted": lambda s: b"run --with '" + s + b"' now",
    "end of line": lambda s: b"2026-07-11T10:00:00Z using pre-" + s,
    "start of line": lambda s: s + b" was used",
    "long line": lambda s: (
        b"step 4 " + b"lorem ipsum 12345 " * 300 + b"got (" + s + b"), next " + b"sit amet " * 300
    ),
    "escaped line feeds": lambda s: b'msg="one\\n' + s + b'\\ntwo"',
    "colours": lambda s: b"\x1b[32m" + s + b"\x1b[0m",
    "percent-encoded": lambda s: b"next=1&t%3D" + s + b"%26x=1",
    "escaped JSON": lambda s: b'{"message":"{\\"t\\":\\"' + s + b'\\"}"}',
    "angle brackets": lambda s: b"<" + s + b">",
}
# Where one that is told by its name turns up, the name with it.
WITH_ITS_NAME: dict[str, Context] = {
    "alone": lambda s: s,
    "prefixed line": lambda s: b"2026-07-11T10:00:00Z stdout F " + s,
    "end of line": lambda s: b"worker-7 | " + s,
    "start of line": lambda s: s + b" # set by the job",
    "long line": lambda s: (
        b"step 4 " + b"lorem ipsum 12345 " * 300 + b"got [ " + s + b" ] " + b"sit amet " * 300
    ),
    "between lines": lambda s: b"before\n" + s + b"\nafter",
}


@pytest.fixture(scope="module")
def patterns() -> tuple[Pattern, ...]:
    return bundled_patterns()


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return bundled_scanner()


def test_a_file_loads_and_is_named_after_its_family() -> None:
    for path in FILES:
        patterns = load_file(str(path))
        assert patterns, path.name
        assert {pattern.family for pattern in patterns} == {path.stem}


def test_a_file_names_no_host_of_a_package_registry() -> None:
    found = [
        f"{path.name}: {host}" for path in FILES for host in HOSTS_OF_REGISTRIES if host in path.read_text()
    ]
    assert found == []


def test_at_least_sixty_families(patterns: tuple[Pattern, ...]) -> None:
    assert len({pattern.family for pattern in patterns}) >= 60
    assert len({pattern.id for pattern in patterns}) == len(patterns) >= 110


def test_each_pattern_carries_its_evidence_and_what_to_do(patterns: tuple[Pattern, ...]) -> None:
    for pattern in patterns:
        assert len(pattern.examples) >= 2, pattern.id
        assert len(pattern.near_misses) >= 2, pattern.id
        assert pattern.reference.startswith("https://"), pattern.id
        assert pattern.advice[0].isupper(), pattern.id
        for text in (pattern.advice, pattern.revoke):
            assert text.endswith((".", ")")), pattern.id
            assert 20 <= len(text) <= 300, pattern.id


def test_each_example_is_found_and_no_near_miss(patterns: tuple[Pattern, ...]) -> None:
    assert [str(failure) for failure in check_examples(patterns)] == []


def test_a_secret_is_found_wherever_a_log_puts_it(
    patterns: tuple[Pattern, ...], scanner: PatternScanner
) -> None:
    missed = []
    for pattern in patterns:
        for example in pattern.examples:
            found = _of(pattern, scanner.scan(example.encode()))
            assert found, pattern.id
            secret = found[0].secret.reveal()
            free = bool(_of(pattern, scanner.scan(secret)))
            text = secret if free else example.encode()
            for name, context in (ANYWHERE if free else WITH_ITS_NAME).items():
                if secret not in {match.secret.reveal() for match in scanner.scan(context(text))}:
                    missed.append(f"{pattern.id}: {name}")
    assert missed == []


def test_two_secrets_with_one_character_between_them_are_both_found(
    patterns: tuple[Pattern, ...], scanner: PatternScanner
) -> None:
    bundles = {"fly-token"}  # joined by commas they are one credential
    missed = []
    for pattern in patterns:
        first, second = (
            _of(pattern, scanner.scan(text.encode()))[0].secret.reveal() for text in pattern.examples[:2]
        )
        if pattern.id in bundles or not _of(pattern, scanner.scan(first)):
            continue
        for delimiter in (b",", b" ", b";", b"|"):
            got = {match.secret.reveal() for match in scanner.scan(first + delimiter + second)}
            if not {first, second} <= got:
                missed.append(f"{pattern.id}: {delimiter!r}")
    assert missed == []


def test_a_token_gives_one_match_the_most_specific(scanner: PatternScanner) -> None:
    kubernetes = next(p for p in bundled_patterns() if p.id == "jwt-kubernetes-service-account")
    in_url = f"https://svc:{next(p for p in bundled_patterns() if p.id == 'github-pat-classic').examples[0].split('=')[1]}@github.com/a"
    assert [m.pattern.id for m in scanner.scan(kubernetes.examples[0].encode())] == [kubernetes.id]
    assert [m.pattern.id for m in scanner.scan(in_url.encode())] == ["github-pat-classic"]


def test_nothing_is_found_in_a_clean_log(scanner: PatternScanner) -> None:
    log = "\n".join(_clean_lines(random.Random(7), 21_000)).encode()
    assert len(log) > 2_000_000
    found = [(match.pattern.id, log[match.start - 40 : match.end]) for match in scanner.scan(log)]
    assert found == []


def _of(pattern: Pattern, matches: list[Match]) -> list[Match]:
    return [match for match in matches if match.pattern.id == pattern.id]


def _clean_lines(rng: random.Random, count: int) -> Iterator[str]:
    """Lines that look dangerous and are not: digests, ids, base64 of anything, masks, variables, paths."""

    def digits(length: int) -> str:
        return "".join(rng.choices(HEX, k=length))

    def name(length: int = 8) -> str:
        return "".join(rng.choices(string.ascii_lowercase, k=length))

    def base64_of(size: int) -> str:
        return base64.b64encode(rng.randbytes(size)).decode()

    def identifier() -> str:
        return str(uuid.UUID(bytes=rng.randbytes(16), version=4))

    kinds: tuple[Callable[[], str], ...] = (
        lambda: f"commit {digits(40)} merged into {name()}",
        lambda: f"Digest: sha256:{digits(64)}",
        lambda: f"#12 sha256:{digits(64)} 12.58MB / 31.42MB 0.{rng.randrange(10)}s",
        lambda: f"{digits(12)}: Pull complete",
        lambda: f"github.com/{name()}/{name()} v1.{rng.randrange(40)}.0 h1:{base64_of(32)}",
        lambda: f'      "integrity": "sha512-{base64_of(64)}",',
        lambda: f'{{"request_id":"{identifier()}","trace_id":"{digits(32)}","span_id":"{digits(16)}"}}',
        lambda: (
            f"uploading artifact {identifier()} ({rng.randrange(10**8)} bytes) to /var/lib/{name()}/{identifier()}"
        ),
        lambda: f"payload {base64_of(rng.randrange(30, 400))}",
        lambda: f"-----BEGIN CERTIFICATE----- {base64_of(90)} -----END CERTIFICATE-----",
        lambda: f"{digits(32)}  {name()}.tar.gz",
        lambda: f'etag: W/"{digits(40)}" cache_key={base64_of(24).replace("/", "_")}',
        lambda: f"docker pull images.acme.test/{name()}/{name()}@sha256:{digits(64)}",
        lambda: f"Authorization: Bearer {'*' * rng.randrange(3, 40)}",
        lambda: "git clone https://x-access-token:***@github.com/acme/api.git",
        lambda: f"GITHUB_TOKEN=ghp_{'x' * rng.randrange(4, 40)}",
        lambda: "export AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY} NPM_TOKEN=${{ secrets.NPM_TOKEN }}",
        lambda: "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
        lambda: "DATABASE_URL=postgres://postgres:postgres@localhost:5432/test",
        lambda: f"PASSWORD=changeme API_KEY=<your-api-key> SECRET_KEY=$(cat /run/secrets/{name()})",
        lambda: f"secretKeyRef: name: {name()}-credentials key: api-token",
        lambda: (
            f"{rng.choice(WORDS)} {rng.choice(WORDS)} /home/{name()}/{name()}/{name(14)}.go:{rng.randrange(900)}"
        ),
        lambda: (
            f"time=2026-07-11T10:{rng.randrange(60):02}:00.123456789Z level=info msg={rng.choice(WORDS)} dur={rng.random()}ms"
        ),
        lambda: (
            f"arn:aws:iam::{rng.randrange(10**12):012}:role/{name()} AROA{''.join(rng.choices(string.ascii_uppercase, k=17))}"
        ),
        lambda: f"kubectl rollout status deployment/{name()}-{digits(10)}-{name(5)}",
        lambda: f"Step {rng.randrange(30)}/30 : RUN npm ci --cache /tmp/{digits(40)}",
        lambda: f"token_type=bearer expires_in=3600 key_id={identifier()} api_key_id={identifier()}",
        lambda: (
            f"vault: accessor {name(24)} hmac-sha256:{digits(64)} lease aws/creds/{name()}/{''.join(rng.choices(string.ascii_letters, k=24))}"
        ),
        lambda: (
            f"https://acme.test/{name()}?page={rng.randrange(99)}&cursor={base64_of(30).replace('+', '-').replace('/', '_')}"
        ),
        lambda: f"data:image/png;base64,{base64_of(rng.randrange(60, 600))}",
        lambda: f'"_id":"{digits(24)}","hash":"{digits(128)}"',
        lambda: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{base64_of(32)[:43]} {name()}@{name()}",
        lambda: (
            f"{''.join(rng.choices(string.ascii_letters + string.digits + '-_', k=rng.randrange(16, 120)))}"
        ),
    )
    for _ in range(count):
        yield rng.choice(kinds)()
