"""What is dropped is freed at once: what a service forgets would else wait hours for a collection of cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.judge.ledger import Ledger
from tests.histories import History, arrivals, disputes, histories


@contextmanager
def left_in_cycles() -> Iterator[list[str]]:
    """Which objects of the judge are left, when this is through, that only a collection of cycles can free."""
    left: list[str] = []
    gc.collect()
    gc.freeze()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left += [type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("detector.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        if enabled:
            gc.enable()


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(histories() | disputes(), st.booleans(), st.data())
def test_a_ledger_leaves_nothing(history: History, sealed: bool, data: st.DataObject) -> None:  # noqa: FBT001 - drawn
    events = data.draw(arrivals(history.events))
    with left_in_cycles() as left:
        ledger = Ledger(history.policy)
        for event in events:
            ledger.apply(event)
        if sealed:
            ledger.seal_lifecycle()
        ledger.findings(history.until)
        ledger.commands(history.until)
        del ledger
    assert not left
