"""The corpus of names says what it says: its halves share no name, and each secret stands where the truth says."""

from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.names_bench import Options, count, finder, judge, main
from benchmarks.names_corpus import LOOK_ALIKES, Case, cases, write
from benchmarks.names_lookalikes import TALK
from benchmarks.names_parts import TOLD_BY_VALUE, part
from benchmarks.names_words import MEMORABLE, Half, Name

BY_RECIPE = (Half.SEVENTH, Half.EIGHTH)
OTHERS = [half for half in Half if half not in BY_RECIPE]


def test_the_same_half_and_seed_give_the_same_cases_and_another_seed_others() -> None:
    assert cases(Half.DEV, 3, 50, 50) == cases(Half.DEV, 3, 50, 50)
    assert cases(Half.DEV, 3, 50, 50) != cases(Half.DEV, 4, 50, 50)


def test_the_halves_share_no_name_and_each_held_out_one_has_contexts_and_values_of_its_own() -> None:
    dev = part(Half.DEV)

    assert len(dev.values) >= 14
    assert len(dev.contexts) >= 20
    for one, other in combinations(Half, 2):
        assert not {name for _, name in part(one).named} & {name for _, name in part(other).named}
    for one, other in [*combinations(OTHERS, 2), BY_RECIPE]:
        assert not _names_of_look_alikes(one) & _names_of_look_alikes(other)
    for half in set(OTHERS) - {Half.DEV}:
        assert len(part(half).named) >= 40
        assert set(part(half).contexts) - set(dev.contexts)
        assert set(part(half).values) - set(dev.values)


def test_the_halves_by_recipe_have_what_it_says_and_no_context_of_each_other() -> None:
    for half in BY_RECIPE:
        made = part(half)
        sizes = [len(one) for one in (made.named, made.values, made.contexts, made.look_alikes)]
        assert sizes == [36, 11, 16, 36]
    assert not set(part(Half.SEVENTH).contexts) & set(part(Half.EIGHTH).contexts)


@pytest.mark.parametrize("half", [Half.FOURTH, Half.FIFTH, Half.SIXTH], ids=lambda half: half.value)
def test_a_blind_half_is_as_wide_as_it_is_said_to_be(half: Half) -> None:
    made = part(half)

    assert len({name for _, name in made.named}) >= 50
    assert len(set(made.contexts) - set(part(Half.DEV).contexts)) >= 16
    assert len(made.look_alikes) >= 25
    assert len(_names_of_look_alikes(half)) >= 100


def _names_of_look_alikes(half: Half) -> set[Name]:
    some = part(half).look_alikes.items()
    return {name for kind, one in some if kind not in TOLD_BY_VALUE for name in one.names(half)}


@pytest.mark.parametrize("half", list(Half), ids=lambda half: half.value)
def test_no_name_of_a_secret_is_also_the_name_of_a_look_alike(half: Half) -> None:
    assert not {name for _, name in part(half).named} & _names_of_look_alikes(half)


@pytest.mark.parametrize("half", list(Half), ids=lambda half: half.value)
def test_each_half_has_every_kind_and_thousands_of_look_alikes(half: Half) -> None:
    made = cases(half, 7, secrets=1500)
    secrets = [case for case in made if case.secret is not None]

    assert len(made) - len(secrets) == LOOK_ALIKES >= 3_000
    assert {case.context for case in secrets} == set(part(half).contexts)
    assert {case.value for case in secrets} == set(part(half).values)
    assert {case.name for case in secrets} == {name.upper for _, name in part(half).named}
    assert {case.look_alike for case in made if case.secret is None} == {*part(half).look_alikes, TALK}
    assert len({case.secret for case in secrets}) == len(secrets)
    assert all(any(case.shown in line for line in case.lines) for case in secrets)


def test_the_files_have_each_secret_on_the_line_that_the_truth_names(tmp_path: Path) -> None:
    made = cases(Half.DEV, 5, 300, 100)
    corpus = write(Half.DEV, 5, made, tmp_path)
    lines = {path.name: path.read_text().split("\n") for path in corpus.files()}

    assert len(corpus.truth()) == 300
    for row in corpus.truth():
        assert row.text in "\n".join(lines[row.file][row.line - 1 : row.end_line])
    assert not {(row.file, row.line) for row in corpus.truth()} & set(corpus.decoys())


def _case(line: str, shown: str, secret: str | None) -> Case:
    return Case(
        ("before",),
        (line,),
        ("after",),
        "token",
        "T",
        "base62",
        "env",
        shown,
        secret,
        "" if secret else "commit",
    )


def test_what_is_masked_whole_in_part_and_not_at_all_is_told_apart() -> None:
    token = "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO2Rbzfx"[:30] + "0kV2Mj"
    key = "AKIA" + "QYLPMN5HHHFPZAM2"
    scan = finder()
    whole = judge(scan, _case(f"AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY=u7Xk2Qd9LmR4sT8vB1nZ6yWc3HgFpJ0aEiKoMrSt", "u7Xk2Qd9LmR4sT8vB1nZ6yWc3HgFpJ0aEiKoMrSt", "x"))  # fmt: skip
    part = judge(scan, _case("AWS_SECRET_ACCESS_KEY=u7Xk2Qd9LmR4sT8vB1nZ6yWc3HgFpJ0aEiKoMrSt tail", "u7Xk2Qd9LmR4sT8vB1nZ6yWc3HgFpJ0aEiKoMrSt tail", "x"))  # fmt: skip
    none = judge(scan, _case(f"sees {token[:12]}", token[:12], "x"))
    clean = judge(scan, _case("commit 1", "1", None))
    added = count([whole, part, none, clean])

    assert (whole.found, whole.masked) == (True, True)
    assert (part.found, part.masked) == (True, False)
    assert (none.found, none.masked) == (False, False)
    assert (added.found.found, added.found.planted, added.masked.found) == (2, 3, 1)
    assert added.look_alikes["commit"].found == 0


def test_memorable_passwords_are_counted_apart() -> None:
    case = Case(
        (),
        ("DB_PASSWORD=Amber-canoe-42",),
        (),
        "password",
        "DB_PASSWORD",
        MEMORABLE,
        "env",
        "Amber-canoe-42",
        "x",
    )
    added = count([judge(finder(), case)])

    assert added.memorable.planted == 1
    assert added.found.planted == 0


def test_a_half_that_is_held_out_shows_no_misses() -> None:
    with pytest.raises(SystemExit, match="only of the halves that were looked at"):
        main(Options(Half.HELD_OUT, show=True))
