"""How durations, sizes, counts and foreign texts read."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.values.times import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from detector.values.wording import Cleaner, cleaner_of, cleanly, counted, moment, period, size, span, visible
from tests.outputs import finding_samples as made


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (2 * HOUR + 3 * MINUTE + 59 * SECOND, "2 h 3 min"),
        (3 * DAY, "3 d"),
        (3 * DAY + 59 * MINUTE, "3 d"),
        (MINUTE + 1, "1 min"),
        (61 * SECOND, "1 min 1 s"),
        (5 * SECOND + 900 * MILLISECOND, "5 s"),
        (120 * MILLISECOND, "120 ms"),
        (0, "less than 1 ms"),
        (-2 * HOUR, "2 h"),
    ],
)
def test_a_duration_in_its_two_greatest_units(duration: int, text: str) -> None:
    assert span(duration) == text


def test_a_period_does_not_repeat_the_date() -> None:
    assert period(made.ENDED, made.ENDED + SECOND // 10) == "2026-03-14 09:26:53Z"
    assert period(made.ENDED, made.ENDED + HOUR) == "2026-03-14 09:26:53–10:26:53Z"
    assert period(made.ENDED, made.ENDED + DAY) == "2026-03-14 09:26:53 – 2026-03-15 09:26:53Z"


def test_times_sizes_counts() -> None:
    assert moment(made.ENDED) == "2026-03-14 09:26:53Z"
    assert [size(number) for number in (0, 999, 1000, 1_540_000, 2.5e9, 9e15)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "1.5 MB",
        "2.5 GB",
        "9000.0 TB",
    ]
    assert (counted(1, "use"), counted(12_000, "use"), counted(2, "entry", "entries")) == (
        "1 use",
        "12,000 uses",
        "2 entries",
    )


@given(st.text(), st.integers(1, 50))
def test_visible_is_printable_and_short(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


def test_visible_leaves_what_prints() -> None:
    assert visible("naïve ‹x:4› 中文 🙂") == "naïve ‹x:4› 中文 🙂"
    assert visible("a\tb\x00\u200b") == "a\\tb\\x00\\u200b"


@given(st.lists(st.text("ab hush\n", max_size=12), max_size=6))
def test_cleaning_together_is_cleaning_each(texts: list[str]) -> None:
    def clean(text: str) -> str:
        return text.replace("hush", "‹x›")

    together = cleaner_of(texts, clean)
    assert [together(text) for text in texts] == [clean(text) for text in texts]
    assert together("not among them: hush") == "not among them: ‹x›"


@given(texts=st.lists(st.text("ab hush\n-", max_size=12), max_size=6), many=st.booleans())
def test_what_is_made_cleanly_is_made_of_clean_texts(texts: list[str], *, many: bool) -> None:
    def clean(text: str) -> str:
        return text.replace("hush", "‹x›")

    def cleaned(some: Collection[str]) -> dict[str, str]:
        return {text: clean(text) for text in some if "hush" in text}

    cleaner = Cleaner(clean, cleaned) if many else clean
    made = cleanly(lambda each: [each(text) for text in texts], cleaner)
    assert made == [clean(text) for text in texts]
