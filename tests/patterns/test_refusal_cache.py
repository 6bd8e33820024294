from detector.patterns.refusal_cache import RefusalCache


def test_what_was_refused_is_known_again() -> None:
    traps = RefusalCache()
    traps.add(b"postgres")
    assert b"postgres" in traps
    assert b"postgre" not in traps


def test_they_stay_few_and_short() -> None:
    traps = RefusalCache()
    for number in range(10_000):
        traps.add(b"%d" % number)
    traps.add(bytes(1000))
    held = sum(b"%d" % number in traps for number in range(10_000))
    assert 0 < held <= 4096
    assert bytes(1000) not in traps
