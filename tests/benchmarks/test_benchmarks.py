"""The benchmarks measure what they say: the corpus repeats, its truth is true, its matching is fair."""

import base64
import gzip
import html
import json
import quopri
import random
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmarks import contexts, corpus, formats, measure, peers, tables
from benchmarks.corpus import Corpus, Spec, Truth, generate
from benchmarks.families import BY_NAME, FAMILIES, registered_secret, secret_of
from benchmarks.matching import Hit, score
from benchmarks.replay_bench import deployment_key, registry
from detector.values.secrets import DeploymentKey, Secret

SPEC = Spec.of(1.0, seed=11, density=40)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return generate(SPEC, tmp_path_factory.mktemp("corpus"))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(made: Corpus, tmp_path: Path) -> None:
    again = generate(SPEC, tmp_path)
    other = generate(Spec.of(1.0, seed=12, density=40), tmp_path)

    assert [path.read_bytes() for path in again.files()] == [path.read_bytes() for path in made.files()]
    assert again.truth() == made.truth()
    assert other.files()[0].read_bytes() != made.files()[0].read_bytes()


def test_as_much_is_planted_as_asked_in_every_family_and_encoding(made: Corpus) -> None:
    truth = made.truth()

    assert made.bytes() >= SPEC.size
    assert len(truth) == SPEC.secrets + SPEC.registered
    assert {row.family for row in truth} == {family.name for family in FAMILIES} | {corpus.REGISTERED}
    assert {row.encoding for row in truth} == {contexts.PLAIN, *contexts.ENCODED}
    assert len(FAMILIES) >= 29


def _messages(lines: list[str]) -> list[str]:
    """What stands in a record's message, of JSON records; else the lines."""
    return [json.loads(line)["message"] if line.startswith('{"time"') else line for line in lines]


def _undone(reading: str) -> Iterator[str]:
    """What a text reads with one encoding undone, of those that the corpus uses."""
    yield re.sub(r'\\(u[0-9a-fA-F]{4}|[nrtbf"\\/])', lambda match: json.loads(f'"{match[0]}"'), reading)
    yield unquote(reading)
    yield html.unescape(reading)
    unwrapped = re.sub(r"=\n(\S*[0-9]\S* )?", "", reading)  # each line may have the time before it
    yield quopri.decodestring(unwrapped.encode()).decode("latin-1")
    yield re.sub(r"\x1b\[[0-9;]*[mK]", "", reading)
    yield re.sub(r"(?<=\S) (?=\S)", "", reading)
    yield re.sub(r"(?<=[A-Za-z0-9+/]{76})\n", "", reading)
    for blob in re.findall(r"[A-Za-z0-9+/]{16,}", reading):
        data = base64.b64decode(blob + "A" * (-len(blob) % 4))
        with suppress(EOFError, OSError, zlib.error):
            data = gzip.decompress(data)
        yield data.decode("latin-1")
        yield data[::2].decode("latin-1")
    for blob in re.findall(r"(?:[0-9a-f]{2}){12,}", reading):
        yield bytes.fromhex(blob).decode("latin-1")


def _is_shown(needle: str, lines: list[str]) -> bool:
    """Whether it stands in the lines, as they are or with up to three encodings undone."""
    messages = _messages(lines)
    wrapped = "".join(line.rpartition(" ")[2] for line in messages[1:])  # the first is what printed it
    readings = ["\n".join(messages), wrapped]
    for _ in range(4):
        if any(needle in reading for reading in readings):
            return True
        readings = [inner for reading in readings for inner in {*_undone(reading)} - {reading}]
    return False


def test_each_truth_names_lines_that_really_show_the_secret(made: Corpus) -> None:
    files = {path.name: path.read_bytes().decode().split("\n") for path in made.files()}

    for row in made.truth():
        lines = files[row.file][row.line - 1 : row.end_line]
        # Of a key of many lines each stands with its own prefix; its longest line is enough.
        needle = max(row.secret.split("\n"), key=len)
        assert _is_shown(needle, lines), row
        assert row.sha256 == formats.sha256_hex(row.secret)
        if row.encoding == contexts.PLAIN:
            assert any(needle in line for line in lines), row


def test_what_is_called_encoded_does_not_stand_in_clear(made: Corpus) -> None:
    files = {path.name: path.read_bytes().decode().split("\n") for path in made.files()}

    for row in made.truth():
        if row.encoding in {"base64", "base64-pair", "hex"}:
            assert row.secret not in files[row.file][row.line - 1], row


def test_a_clean_corpus_has_decoys_and_no_secret(tmp_path: Path) -> None:
    clean = generate(Spec.of(0.3, seed=3, clean=True), tmp_path)

    assert clean.truth() == []
    assert len(clean.decoys()) > 10


def test_one_file_in_eight_is_json_records_with_a_message(made: Corpus) -> None:
    (path,) = [path for path in made.files() if path.suffix == ".jsonl"]

    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert all({"time", "stream", "task_id", "message"} == set(record) for record in records)


@pytest.mark.parametrize(
    "name", ["github-pat", "github-oauth", "github-app-user", "github-app-server", "npm"]
)
def test_github_and_npm_tokens_carry_their_checksum(name: str) -> None:
    for seed in range(50):
        assert formats.crc_base62_holds(BY_NAME[name].make(random.Random(seed)))


def test_gitlab_routable_tokens_carry_length_and_checksum() -> None:
    for seed in range(50):
        token = BY_NAME["gitlab-pat-routable"].make(random.Random(seed))
        payload, *_ = token.removeprefix("glpat-").split(".")
        assert formats.gitlab_routable_holds(token)
        assert int(token[-9:-7], 36) == len(payload)
        assert base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))[-1] == 16


def test_the_checksum_of_routable_tokens_is_that_of_the_handbooks_example() -> None:
    assert formats.gitlab_routable_holds("glpat-bzox79Of-KE9FD2LjoXXF4CvyxA.0r03gxo7s")


def test_jwts_and_macaroons_read_as_such() -> None:
    rng = random.Random(5)
    header, claims, _ = BY_NAME["kubernetes-token"].make(rng).split(".")
    macaroon = BY_NAME["pypi"].make(rng)

    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "RS256"
    assert "jti" in json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert macaroon.startswith("pypi-AgEIcHlwaS5vcmcC")
    assert base64.urlsafe_b64decode(macaroon.removeprefix("pypi-") + "==")[-34:-32] == b"\x06\x20"


def test_private_keys_have_a_frame_and_lines_of_base64() -> None:
    for name in ("rsa-key", "pkcs8-key", "ec-key", "openssh-key"):
        head, *body, tail = BY_NAME[name].make(random.Random(2)).split("\n")
        assert head.replace("BEGIN", "END") == tail
        assert base64.b64decode("".join(body), validate=True)


def test_the_secret_of_a_url_is_its_password() -> None:
    family = BY_NAME["redis-url"]
    text = family.make(random.Random(1))

    assert text == f"redis://:{secret_of(family, text)}@cache.prod.internal:6379/0"


def _truth(
    line: int, secret: str, family: str = "npm", encoding: str = contexts.PLAIN, end: int = 0
) -> Truth:
    return Truth(
        file="a.log",
        line=line,
        end_line=end or line,
        family=family,
        encoding=encoding,
        context="env",
        carrier="text",
        block="pip",
        secret=secret,
        text=secret,
        sha256=formats.sha256_hex(secret),
    )


def test_a_hit_on_a_planted_line_finds_it_and_one_beside_it_is_false() -> None:
    truth = [_truth(3, "first-secret-of-all"), _truth(7, "second-secret-of-all")]
    hits = [Hit("a.log", 3, 3, "rule"), Hit("a.log", 4, 4, "rule"), Hit("a.log", 4, 4, "other")]

    made = score(truth, {("a.log", 4): "digest"}, hits)

    assert (made.total.found, made.total.planted) == (1, 2)
    assert made.false_lines == 1
    assert made.false_by_class == {"digest": 1}
    assert [row.line for row in made.missed] == [7]


def test_a_hit_with_the_planted_text_finds_it_on_whatever_line_it_says() -> None:
    made = score(
        [_truth(3, "first-secret-of-all")], {}, [Hit("a.log", 99, 99, "rule", "first-secret-of-all")]
    )

    assert (made.total.found, made.false_lines) == (1, 0)


def test_a_hit_within_a_secret_of_many_lines_finds_it() -> None:
    made = score([_truth(3, "a key of several lines", end=9)], {}, [Hit("a.log", 5, 5, "rule")])

    assert made.plain.found == 1


def test_another_files_line_does_not_count() -> None:
    made = score([_truth(3, "first-secret-of-all")], {}, [Hit("b.log", 3, 3, "rule")])

    assert (made.total.found, made.false_lines) == (0, 1)


def test_registered_and_encoded_secrets_are_counted_apart() -> None:
    truth = [_truth(1, "one-secret-here", corpus.REGISTERED), _truth(2, "two-secret-here", encoding="base64")]

    made = score(truth, {}, [Hit("a.log", 1, 1, "r"), Hit("a.log", 2, 2, "r")])

    assert (made.registered.found, made.encoded.found, made.plain.planted, made.total.planted) == (1, 1, 0, 1)


def test_false_reports_that_name_no_place_count_too() -> None:
    made = score([], {}, [Hit("a.log", 1, 1, "rule", "0123456789abcdef", extra=4)])

    assert made.false_lines == 5


def test_the_registry_holds_the_fingerprint_of_every_registered_secret(made: Corpus) -> None:
    events = [json.loads(line) for line in registry(made, known=2_000).read_bytes().splitlines()]
    key = DeploymentKey.of(deployment_key(SPEC.seed))
    known = {one["value"]: one for event in events for one in event["data"]["identifiers"]}

    assert len(events) == 2_000
    for row in made.truth():
        if row.family == corpus.REGISTERED:
            secret = Secret(row.secret.encode())
            one = known[key.fingerprint(secret)]
            assert (one["length"], one["check"]) == (len(secret), key.check(secret))


def test_registered_secrets_are_opaque() -> None:
    rng = random.Random(4)
    secrets = {registered_secret(rng) for _ in range(200)}

    assert len(secrets) == 200
    assert all(len(secret) >= 32 for secret in secrets)


def test_a_slice_has_the_first_lines_and_just_their_truth(made: Corpus) -> None:
    part = peers.sliced(made, 0)
    assert part.truth() == []

    first = made.files()[0]
    whole = peers.sliced(made, 1)
    assert (whole.logs / first.name).read_bytes() == first.read_bytes()
    assert 0 < len(whole.truth()) <= len(made.truth())


def test_a_run_is_measured_with_its_children() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(3_000_000))'])"
    done = measure.run([sys.executable, "-c", script])

    assert done.exit_code == 0
    assert done.cpu > 0
    assert done.memory > 1_000_000
    assert done.rate(10**6) == pytest.approx(1 / done.cpu)


def test_tables_escape_what_would_break_them() -> None:
    assert tables.table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |"
