"""The text around a leak: the quick ways to it give what the long way gives."""

import random
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from detector.scan.mask_spans import MANY, Excerpts, MaskSpan, _many_literals, literals, merged
from detector.scan.redactor import Redactor
from tests.bundled import bundled_scanner

INSIDE = b"r2hu"  # of the first of the secrets
SECRETS = (b"hunter2hunter2", b"abcdabcd", b"tokn", b"s3cr3t-9f8e7d6c5b4a", INSIDE)
TEXTS = st.lists(
    st.sampled_from((*SECRETS, b"hunter2", b" ", b"\n", b"the quick brown fox ", b"x" * 66, b"x" * 74, b"\xc3\xa9", b"\xff", b"\x1b[31m", b"-" * 330)),
    min_size=1,
    max_size=25,
).map(b"".join)  # fmt: skip


class Slow(Excerpts):
    """Without the quick ways."""

    def _alone(self, number: int, record: tuple[int, int], shown: list[tuple[bytes, MaskSpan]]) -> None:
        del number, record, shown

    def _line(self, low: int, high: int) -> None:
        del low, high


def places_of(text: bytes, secret: bytes) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(secret, at)]


@settings(max_examples=300)
@given(TEXTS, st.data())
def test_the_quick_ways_and_the_long_one_give_the_same_text(text: bytes, data: st.DataObject) -> None:
    every = [
        MaskSpan(
            at, at + len(secret), f"p{number}", len(secret), (secret == INSIDE, number != 1, len(secret))
        )
        for number, secret in enumerate(SECRETS)
        for at in places_of(text, secret)
    ]
    seen = sorted(
        data.draw(st.lists(st.sampled_from(every), unique=True)) if every else [], key=lambda v: v.start
    )
    low = data.draw(st.integers(0, len(text)))
    high = data.draw(st.integers(low, len(text)))
    told = [mask_span for mask_span in seen if low <= mask_span.start < high]
    shown = [(text[mask_span.start : mask_span.end], mask_span) for mask_span in told]
    found = [
        list(kind(text, merged(seen)).around([mask_span.start for mask_span in told], (low, high), shown))
        for kind in (Excerpts, Slow)
    ]
    assert found[0] == found[1]


def test_a_mask_at_the_rim_is_whole_or_not_there() -> None:
    text = b"tokn" + b"-" * 78 + b"hunter2hunter2" + b"-" * 78 + b"tokn"
    mask_spans = [
        MaskSpan(0, 4, "t", 4, (False, True, 4)),
        MaskSpan(82, 96, "p", 14, (False, True, 14)),
        MaskSpan(174, 178, "t", 4, (False, True, 4)),
    ]
    (excerpt,) = Excerpts(text, mask_spans).around([82], (0, len(text)), [(b"hunter2hunter2", mask_spans[1])])
    assert excerpt == "-" * 78 + "‹p:14›" + "-" * 78
    near = text[2:-2].replace(b"-" * 78, b"-" * 75)
    mask_spans = [
        MaskSpan(0, 2, "t", 4, (False, True, 2)),
        MaskSpan(77, 91, "p", 14, (False, True, 14)),
        MaskSpan(166, 168, "t", 4, (False, True, 2)),
    ]
    (excerpt,) = Excerpts(near, mask_spans).around([77], (0, len(near)), [(b"hunter2hunter2", mask_spans[1])])
    assert excerpt == "‹t:4›" + "-" * 75 + "‹p:14›" + "-" * 75 + "‹t:4›"


def test_of_the_same_bytes_at_the_rim_no_part_is_shown() -> None:
    rest = b"-" * 78
    for before, behind in ((b"tokn", b""), (b"", b"tokn")):
        text, at = before + rest + b"tokn" + rest + behind, len(before) + 78
        mask_span = MaskSpan(at, at + 4, "t", 4, (False, True, 4))
        (excerpt,) = Excerpts(text, [mask_span]).around([at], (0, len(text)), [(b"tokn", mask_span)])
        assert excerpt == "-" * 78 + "‹t:4›" + "-" * 78


def test_a_credential_inside_another_secret_speaks_for_it() -> None:
    text = SECRETS[0] + b" " + INSIDE
    mask_spans = [MaskSpan(0, 14, "p", 14, (False, True, 14)), MaskSpan(15, 19, "known", 4, (True, True, 4))]
    shown = [(SECRETS[0], mask_spans[0]), (INSIDE, mask_spans[1])]
    assert next(Excerpts(text, mask_spans).around([0, 15], (0, len(text)), shown)) == "‹known:4› ‹known:4›"


@settings(max_examples=300)
@given(TEXTS, st.integers(0, 40), st.integers(0, 40), st.sampled_from([4, 8]))
def test_many_texts_are_found_where_each_is_found_alone(
    text: bytes, front: int, back: int, least: int
) -> None:
    shown = [
        (secret, MaskSpan(0, len(secret), f"p{number}", len(secret), (False, True, number)))
        for number, secret in enumerate((*SECRETS, SECRETS[0][:9], b"abc"))
    ]
    span = min(front, len(text)), max(min(front, len(text)), len(text) - back)
    assert sorted(_many_literals(text, span, shown, least), key=repr) == sorted(
        literals(text, span, shown, least), key=repr
    )


def test_many_secrets_of_others_leave_no_copy_of_one_unmasked() -> None:
    rng = random.Random(6)
    made = [
        "".join(rng.choices(string.ascii_letters + string.digits, k=20)).encode() for _ in range(MANY + 1)
    ]
    secret = made[-1] = b"Zr8Lq2WvN5tYx0Kd"
    data = b"\n".join([*(b"DB_PASSWORD=%s" % each for each in made), b"and it is " + secret])
    redactor = Redactor(bundled_scanner())
    spans = redactor.mask_spans(data)
    assert len(spans) > MANY // 2
    assert data.rindex(secret) in {span.start for span in spans}
