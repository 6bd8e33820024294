"""A stream with very many secrets: some are reported, the others counted, and no registered credential is missed."""

import base64
import gzip
import hashlib
import itertools
import json
import random
import string
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.configuration.allowlist import Allow, Allowlist
from detector.registry.finders import Finders
from detector.scan.finding_shares import WINDOW, FindingShares
from detector.scan.leaks import RecordAt
from detector.stages.scan import PartitionScanner, ScanFacts
from detector.values.events import Identifier, Leak, LimitedRecord
from detector.values.findings import MOST_FINDINGS, MOST_LEAKS
from detector.values.secrets import Secret, sha256_hex
from tests.bundled import bundled_scanner
from tests.fake_records import NOW, FakeRecord, records
from tests.stages.test_scan import ISSUE, KEY, OTHER, SECRET

MOST = 3
b64 = base64.b64encode


def token(number: int) -> str:
    """One of very many made-up tokens."""
    return "hf_" + "".join(random.Random(number).choices(string.ascii_letters, k=34))


def line(text: str, task: str | None = "dump", stream: str = "stdout") -> bytes:
    return json.dumps({"message": text, "task_id": task, "stream": stream}).encode()


def made(*identifiers: Identifier, most: int = MOST, allowlist: Allowlist | None = None) -> Finders:
    finders = Finders(bundled_scanner(), (KEY,), allowlist=allowlist, most_findings=most)
    finders.renew(identifiers)
    return finders


@pytest.fixture(scope="module")
def finders() -> Finders:
    return made(*ISSUE.identifiers)


def scanned(
    finders: Finders, polls: Sequence[Sequence[FakeRecord]], *, with_clean: bool = False
) -> ScanFacts:
    """All facts of some polls; of what was cut short the last, as the judge has it."""
    scanner = PartitionScanner("logs", 0)
    all_facts = ScanFacts()
    cut_short: dict[str, LimitedRecord] = {}
    parts = [scanner.scan(poll, finders.finder, NOW, with_clean=with_clean) for poll in polls if poll]
    parts.append(scanner.flush(finders.finder, with_clean=with_clean))
    for facts in parts:
        all_facts.leaks += facts.leaks
        all_facts.secret_spans += facts.secret_spans
        all_facts.cut_short_records += facts.cut_short_records
        cut_short |= {record.id: record for record in facts.cut_short}
    all_facts.cut_short = list(cut_short.values())
    return all_facts


def names(leaks: Iterable[Leak]) -> set[tuple[str, str, str | None, str]]:
    """What tells leaks apart: reassembled text may show one a second time, which changes nothing."""
    return {(leak.id, leak.fingerprint, leak.pattern, leak.excerpt) for leak in leaks}


def test_the_first_secrets_of_a_stream_are_reported_and_the_others_counted(finders: Finders) -> None:
    some = records([line(token(number)) for number in range(10)])
    facts = scanned(finders, [some])
    assert [leak.offset for leak in facts.leaks] == [0, 1, 2]
    (cut,) = facts.cut_short
    assert (cut.id, cut.reason, cut.offset, cut.records) == ("p0@3#findings", "findings", 3, 7)
    assert cut.size >= 7 * len(token(0))
    assert cut.stream_name == "logs/dump/stdout"
    assert facts.cut_short_records == 7


def test_what_is_printed_again_takes_nothing_of_the_share(finders: Finders) -> None:
    some = records([line(token(number % MOST)) for number in range(10)])
    facts = scanned(finders, [some])
    assert (len(facts.leaks), facts.cut_short) == (10, [])


def test_what_stands_around_a_secret_is_shown_a_thousand_times(finders: Finders) -> None:
    """Each leak counts, registered or not, and none shows what another stream shows no more."""
    often = f"a {SECRET} b {token(1)} c"
    some = records([*([line(often)] * 1001), line(often, "other"), line(f"a {token(2)} c")])
    leaks = scanned(finders, [some[:600], some[600:]]).leaks
    assert len(leaks) == 2 * 1002 + 1
    bare = [(leak.offset, leak.excerpt) for leak in leaks if not leak.excerpt.startswith("a ")]
    assert [offset for offset, _ in bare] == [1000, 1000]
    assert all(excerpt.startswith("‹") and excerpt.endswith("›") for _, excerpt in bare)
    masked = scanned(finders, [some], with_clean=True).secret_spans
    assert {first for first, _ in masked} == {record.offset for record in some}


def test_a_secret_printed_without_end_is_reported_ten_thousand_times_and_hides_no_registered_one(
    finders: Finders,
) -> None:
    printed = [line(f"{token(1)} {token(2)}")] * (MOST_LEAKS // 2 + 50)
    some = records([*printed, line(SECRET), line(token(1)), line(token(1), "other")])
    for polls in ([some], [some[:4000], some[4000:5020], some[5020:]]):
        facts = scanned(finders, polls)
        assert [leak.offset for leak in facts.leaks] == [
            *(offset for offset in range(MOST_LEAKS // 2) for _ in "12"), len(printed), len(printed) + 2,
        ]  # fmt: skip
        (cut,) = facts.cut_short
        assert (cut.offset, cut.records) == (MOST_LEAKS // 2, 52)


def test_one_registered_among_ten_thousand_others_in_a_megabyte_is_found() -> None:
    texts = [f"{token(number)} {'.' * 40}" for number in range(10_000)]
    texts.insert(7_000, SECRET)
    some = records([line(text) for text in texts])
    facts = scanned(made(*ISSUE.identifiers, most=MOST_FINDINGS), [some])
    assert [leak.offset for leak in facts.leaks] == [*range(MOST_FINDINGS), 7_000]
    assert facts.leaks[-1].fingerprint == ISSUE.identifiers[0].value
    (cut,) = facts.cut_short
    assert cut.records == 10_001 - MOST_FINDINGS


def test_no_other_stream_loses_anything(finders: Finders) -> None:
    some = records([
        *(line(token(number)) for number in range(10)),
        line(token(20), "other"), line(token(21), "dump", "stderr"), line(token(22), None),
    ])  # fmt: skip
    assert [leak.offset for leak in scanned(finders, [some]).leaks] == [0, 1, 2, 10, 11, 12]


FORMS = {
    "clear": SECRET,
    "glued": f"x{SECRET}y",
    "beside another": f"{token(99)} {SECRET} {OTHER}",
    "base64": b64(f"the token is {SECRET} in here".encode()).decode(),
    "base64 of gzip": b64(gzip.compress(f"the token is {SECRET}".encode(), mtime=0)).decode(),
    "percent": "".join(f"%{byte:02x}" for byte in SECRET.encode()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("polls", [1, 40])
def test_a_registered_credential_in_the_midst_of_it_is_found(finders: Finders, form: str, polls: int) -> None:
    texts = [token(number) for number in range(40)]
    texts[30] = FORMS[form]
    some = records([line(text) for text in texts])
    facts = scanned(finders, [some[number::1][:1] for number in range(40)] if polls > 1 else [some])
    found = names(leak for leak in facts.leaks if leak.offset == 30)
    assert found == {("p0@30", ISSUE.identifiers[0].value, None, f"‹known-credential:{len(SECRET)}›")}
    (cut,) = facts.cut_short
    assert cut.records == 37


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier("sha256", sha256_hex(Secret(OTHER.encode()))),
        Identifier("sha256", sha256_hex(Secret(OTHER.encode())), len(OTHER)),
        Identifier("hmac-sha256", KEY.fingerprint(Secret(OTHER.encode()))),
    ],
    ids=["sha256 alone", "sha256 and length", "hmac alone"],
)
def test_one_that_only_a_pattern_may_tell_is_found_too(identifier: Identifier) -> None:
    finders = made(identifier)
    texts = [*map(token, range(20)), f"user:{OTHER}", *map(token, range(20, 30))]
    some = records([line(text) for text in texts])
    for polls in ([some], [some[:10], some[10:]]):
        facts = scanned(finders, polls)
        assert [leak.offset for leak in facts.leaks] == [0, 1, 2, 20]
        assert facts.cut_short[0].records == 28


def test_a_jwt_told_by_its_id_is_found_too() -> None:
    def part(claims: dict[str, object]) -> str:
        return b64(json.dumps(claims).encode(), b"-_").decode().rstrip("=")

    signature = b64(hashlib.sha256(b"x").digest(), b"-_").decode().rstrip("=")
    jwt = (
        f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'jti': 'job-71', 'iss': 'ci', 'exp': 1})}.{signature}"
    )
    some = records([line(text) for text in (*map(token, range(20)), jwt)])
    leak = scanned(made(Identifier("jwt-id", "job-71")), [some[:15], some[15:]]).leaks[-1]
    assert leak.offset == 20
    assert ("jwt-id", "job-71") in {(one.scheme, one.value) for one in leak.identifiers}


def test_every_secret_is_masked_where_records_are_passed_on(finders: Finders) -> None:
    some = records([line(token(number)) for number in range(10)])
    for polls in ([some], [some[:6], some[6:]]):
        facts = scanned(finders, polls, with_clean=True)
        assert sorted(facts.secret_spans) == [(number, number) for number in range(10)]
        assert len(facts.leaks) == MOST


def test_zero_reports_all(finders: Finders) -> None:
    del finders
    some = records([line(token(number)) for number in range(50)])
    facts = scanned(made(most=0), [some])
    assert (len(facts.leaks), facts.cut_short) == (50, [])


def test_what_is_allowed_takes_nothing_of_the_share() -> None:
    allow = Allow(reason="fixtures", expiry=NOW * 2, pattern="github-*")
    some = records([line(f"ghp_{number:036d}") for number in range(3)] + [line(OTHER)] * 3 + [line(token(1))])
    facts = scanned(made(allowlist=Allowlist([allow]), most=1), [some])
    assert [leak.offset for leak in facts.leaks if not leak.allowed] == [6]
    assert facts.cut_short == []


def test_a_start_after_a_kill_reports_at_most_one_share_more_and_no_registered_credential_is_missed(
    finders: Finders,
) -> None:
    texts = [*map(token, range(30)), SECRET]
    some = records([line(text) for text in texts])
    for killed in (0, 1, MOST, MOST + 1, 20, len(texts) - 1):
        # What was looked at and not committed is looked at again, by a scanner that has counted nothing.
        again = max(0, killed - 2)
        before, after = scanned(finders, [some[:killed]]), scanned(finders, [some[again:]])
        reported = {leak.fingerprint for leak in (*before.leaks, *after.leaks) if leak.pattern is not None}
        assert len(reported) <= 2 * MOST
        assert after.leaks[-1].fingerprint == ISSUE.identifiers[0].value
        examined = before.cut_short_records + after.cut_short_records
        assert examined + len(reported) >= len(texts) - 1  # none is forgotten


def test_in_the_next_window_the_share_begins_anew(finders: Finders) -> None:
    texts = [line(token(number)) for number in range(12)]
    some = [FakeRecord(text, WINDOW - 6 + number) for number, text in enumerate(texts)]
    for polls in ([some], [some[:8], some[8:]], [[one] for one in some]):
        facts = scanned(finders, polls)
        assert [leak.offset for leak in facts.leaks] == [WINDOW - 6 + n for n in (0, 1, 2, 6, 7, 8)]
        assert [(one.offset, one.records) for one in facts.cut_short] == [(WINDOW - 3, 3), (WINDOW + 3, 3)]


TEXTS = st.one_of(
    st.integers(0, 30).map(token),
    st.integers(0, 30).map(lambda number: b64(f"a token: {token(number)} it is".encode()).decode()),
    st.sampled_from(
        ["nothing here", "", SECRET, f"{token(5)} {SECRET}", f"{token(6)} {token(7)} {token(8)}"]
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXTS, st.sampled_from(["a", "b", None])), max_size=40),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_it_does_not_matter_how_a_stream_is_cut_into_polls(
    finders: Finders, texts: list[tuple[str, str | None]], cuts: list[int]
) -> None:  # fmt: skip
    some = records([line(text, task) for text, task in texts])
    edges = [0, *sorted(cuts), len(some)]
    polls = [some[start:end] for start, end in itertools.pairwise(edges) if end > start]
    whole = scanned(finders, [some])
    for every in (False, True):
        cut = scanned(finders, polls, with_clean=every)
        assert names(cut.leaks) == names(whole.leaks)
        assert sorted(cut.cut_short, key=repr) == sorted(whole.cut_short, key=repr)
        assert cut.cut_short_records == whole.cut_short_records
    assert whole.cut_short_records == sum(one.records for one in whole.cut_short)


def test_what_is_kept_is_bounded_whoever_names_the_streams() -> None:
    shares, rng = FindingShares(), random.Random(1)
    for number in range(80_000):
        record = RecordAt(0, 1, str(number), offset=number, task_id=f"{number}", stream="x")
        assert shares.admit(record, f"{rng.random()}")
    assert shares.kept <= 1 << 16
