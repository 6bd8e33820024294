"""Without a key the output does not depend on the random key that told leaked secrets apart."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.stable_fingerprints import stable_fingerprints, with_stable_fingerprints
from detector.values.findings import LEAKED_SECRET, USE_AFTER_TERMINATION, Evidence, Finding, Severity
from detector.values.times import MINUTE
from tests.outputs import finding_samples as made


def leaked(fingerprint: str, time: int, line: int, source: str = "a.log") -> Finding:
    event = made.leak(time, line=line, id=str(line), source=source, fingerprint=fingerprint)
    piece = Evidence(time, event, Severity.CRITICAL)
    return made.finding(
        LEAKED_SECRET,
        key=fingerprint,
        fingerprint=fingerprint,
        evidences=(piece,),
        first_seen=time,
        last_seen=time,
    )


def test_numbered_by_time_then_place_lines_as_numbers() -> None:
    at = made.ISSUED
    findings = [leaked("x", at, 10), leaked("y", at, 9), leaked("z", at - MINUTE, 99)]
    assert stable_fingerprints(findings) == {"z": "unkeyed-1", "y": "unkeyed-2", "x": "unkeyed-3"}


@given(st.permutations(["p", "q", "r", "s"]), st.permutations(range(4)))
def test_any_random_fingerprints_in_any_order_give_the_same_findings(
    names: list[str], order: list[int]
) -> None:
    places = [(made.ISSUED + n * MINUTE, n % 2) for n in range(4)]
    plain = [leaked(name, time, line) for name, (time, line) in zip(names, places, strict=True)]
    other = made.finding(USE_AFTER_TERMINATION)

    def shape(findings: list[Finding]) -> list[tuple[str, int, str | None]]:
        return [(one.uid, one.first_seen, one.fingerprint) for one in findings]

    expected = [leaked(f"unkeyed-{n + 1}", time, line) for n, (time, line) in enumerate(places)]
    expected = sorted([*expected, other], key=lambda one: (one.first_seen // 1_000_000, one.uid))
    assert shape(with_stable_fingerprints([other, *(plain[index] for index in order)])) == shape(expected)


def test_other_findings_are_left_alone() -> None:
    other = made.finding(USE_AFTER_TERMINATION)
    assert with_stable_fingerprints([other]) == [other]
    renamed = with_stable_fingerprints([leaked("x", 0, 1)])[0]
    assert renamed == msgspec.structs.replace(leaked("x", 0, 1), key="unkeyed-1", fingerprint="unkeyed-1")
