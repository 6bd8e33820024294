"""Known credentials in every way of printing: in which they are found always, sometimes and never.

Each case is one credential in one form, within some lines of a log. Two scanners look at it. One knows the credential
by what `curfewd fingerprint` prints and has all patterns; only leaks of that credential count. The other has patterns
alone, and only credentials count there that a vendor's form tells (a checksum or a strong prefix).
"""

import io
import os
import random
import string
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from unittest import mock

import msgspec
import orjson

from benchmarks import formats, logtext
from benchmarks.compare import RESULTS, Machine, machine
from benchmarks.corpus import MB
from benchmarks.formats import BASE62, pick
from benchmarks.matching import Ratio
from benchmarks.printed_forms import FORMS, NAMED, Form
from benchmarks.scan_stages import batches
from benchmarks.tables import about, save, table
from detector.adapters.cloudevents import decode
from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.configuration.settings import Settings
from detector.replay.fingerprint_command import fingerprint
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.values.events import CredentialIssued, Identifier
from detector.values.secrets import DeploymentKey, Secret

KEY: Final = bytes(range(7, 39))
STRANGERS: Final = 1_000  # registered, and never printed
_STAMP: Final = "2026-11-24T10:{:02d}:{:02d}.{:03d}Z "
_SIGNS: Final = "!#%&*+-.:;=?@^_~"
_LONG: Final = 60  # characters from which a line is rather printed for itself


class Options(msgspec.Struct, frozen=True):
    """`seeds` is how many credentials of each shape; `benign` how many texts without one for each form.

    `only` takes the forms whose name holds this. `texts` are folders of real text by a name for the table.
    """

    seed: int = 7
    seeds: int = 4
    benign: int = 60
    only: str = ""
    save: bool = False
    texts: Mapping[str, str] = {}


class Credential(msgspec.Struct, frozen=True):
    """One: `shape` says what it looks like, `branded` whether a vendor's form tells it."""

    shape: str
    secret: str
    branded: bool = False


class Seen(msgspec.Struct):
    """What was seen of one form.

    Of the registered, of these masked whole, of the branded by patterns alone, and found by shape.
    """

    form: str
    group: str
    registered: Ratio
    masked: Ratio
    branded: Ratio
    shapes: dict[str, Ratio]
    benign: Ratio
    rules: dict[str, int]


class Text(msgspec.Struct, frozen=True):
    """Real text, scanned for made-up credentials: its bytes, and how often one was reported in it."""

    name: str
    bytes: int
    reported: int


class Printed(msgspec.Struct, frozen=True):
    """One run."""

    machine: Machine
    seed: int
    forms: list[Seen]
    texts: list[Text] = []


def _password(rng: random.Random) -> str:
    while True:
        text = pick(rng, string.ascii_letters + string.digits + _SIGNS, 24)
        if text[0].isalpha() and len(set(text) & set(_SIGNS)) > 2:
            return text


def credentials(seed: int, count: int) -> list[Credential]:
    """So many of each shape."""
    rng = random.Random(f"printed {seed}")
    made = []
    for _ in range(count):
        claims: dict[str, object] = {
            "sub": f"task-{rng.randrange(10**6)}",
            "aud": "https://api.internal",
            "jti": formats.uuid4(rng),
            "exp": 1_795_000_000,
        }
        made += [
            Credential("base62, 40", pick(rng, BASE62, 40)),
            Credential("hex, 64", rng.randbytes(32).hex()),
            Credential("UUID", formats.uuid4(rng)),
            Credential("password, 24, signs", _password(rng)),
            Credential("JWT", formats.jwt(rng, {"alg": "EdDSA", "typ": "JWT"}, claims, 64)),
            Credential("GitHub's token", formats.crc_base62("ghp_", rng), branded=True),
            Credential("npm's token", formats.crc_base62("npm_", rng), branded=True),
            Credential("Grafana's token", formats.grafana_service_account(rng), branded=True),
        ]  # fmt: skip
    return made


def registered(known: Iterable[Credential]) -> list[Identifier]:
    """What `curfewd fingerprint` prints for each under the benchmark's deployment key, read as an issuer's event is."""
    found: list[Identifier] = []
    for number, one in enumerate(known):
        with mock.patch.dict(os.environ, {KEY_VARIABLE: KEY.hex()}):
            text = fingerprint(io.BytesIO(one.secret.encode()), None).text
        issued = {"credential_id": f"c{number}", "task_id": f"t{number}", "identifiers": orjson.loads(text)}
        wire = {
            "specversion": "1.0",
            "type": "credential.issued",
            "source": "bench",
            "id": f"i{number}",
            "time": "2026-11-24T10:00:00Z",
            "data": issued,
        }
        event = decode(orjson.dumps(wire), time.time_ns())
        assert isinstance(event, CredentialIssued)
        found += event.identifiers
    return found


class Placed(msgspec.Struct, frozen=True):
    """A printed credential: the text of some lines, and the bytes of it that show the credential."""

    text: bytes
    shown: frozenset[int]


def payloads(form: Form, secret: str) -> Iterator[tuple[str, str]]:
    """What stands before and behind the secret in the text that is printed: nothing, its name, a file around it.

    Those are left out of which the form does not print the secret whole.
    """
    whole = (
        ("TASK_TOKEN=", "\n"),
        (f"# {'x' * (sum(secret.encode()) % 41)}\nHOME=/root\nexport TASK_TOKEN=", "\nLANG=C.UTF-8\n"),
    )
    for before, after in (("", ""), *(whole if form.whole else ())):
        if form.most is None or len(before + secret) <= form.most:
            yield before, after


def place(form: Form, before: str, secret: str, after: str, seed: str) -> Placed:
    """The credential in the form, in lines of a log; random choices are of `seed`.

    The shown bytes are those that another credential of the same length would change.
    """
    text = _carried(form, before + secret + after, seed)
    other = _carried(form, before + _another(secret) + after, seed)
    if len(text) != len(other):
        return Placed(text, frozenset())
    return Placed(text, frozenset(at for at, (a, b) in enumerate(zip(text, other, strict=True)) if a != b))


def _another(secret: str) -> str:
    """Of the same length and the same classes of characters, and another in each place."""

    def turned(char: str) -> str:
        for alphabet in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
            if char in alphabet:
                return alphabet[(alphabet.index(char) + 1) % len(alphabet)]
        return char

    return "".join(map(turned, secret))


def _carried(form: Form, payload: str, seed: str) -> bytes:
    rng = random.Random(seed)
    printed = form.encode(payload.encode(), rng).rstrip("\n").split("\n")
    kind = rng.randrange(3)
    around = logtext.block(rng).lines
    before, after = around[: rng.randrange(3)], around[3 : 3 + rng.randrange(3)]
    if kind == 1:
        stamp = (rng.randrange(60), rng.randrange(60), rng.randrange(1000))
        printed = [_STAMP.format(*stamp) + line for line in printed]
    elif kind == 2 and len(printed) == 1:
        printed = [f"DEBUG worker-{rng.randrange(9)} payload: {printed[0]}"]
    return "\n".join((*before, *printed, *after, "")).encode()


class _Scanners:
    """One that knows the credentials, and one with patterns alone."""

    def __init__(self, known: list[Credential]) -> None:
        scanner, _ = load_scanner(Settings().patterns)
        keys = [DeploymentKey.of(KEY)]
        self._index = KnownIndex(registered(known), keys)
        self.knowing = LeakFinder(scanner, self._index, keys)
        self.patterns = LeakFinder(scanner, KnownIndex((), keys), keys)

    def look(self, finder: LeakFinder, text: bytes) -> tuple[list[str], bool, list[tuple[int, int]]]:
        """The patterns that reported something, whether a registered credential was, and what is masked."""
        record = RecordAt(0, len(text), "case")
        look = finder.look(Batch("printed", text, lambda _: record))
        known = any(self._index.registered(one) for leak in look.leaks for one in leak.identifiers)
        return (
            [leak.pattern or "known" for leak in look.leaks],
            known,
            [(span.start, span.end) for span in look.spans],
        )


def measure(options: Options) -> list[Seen]:
    """Looks at every form."""
    known = credentials(options.seed, options.seeds)
    scanners = _Scanners(known)
    made = []
    for form in FORMS:
        if options.only in form.name:
            seen = Seen(form.name, form.group, Ratio(), Ratio(), Ratio(), {}, Ratio(), {})
            for one in known:
                for number, (before, after) in enumerate(payloads(form, one.secret)):
                    _look(
                        scanners,
                        seen,
                        one,
                        place(
                            form,
                            before,
                            one.secret,
                            after,
                            f"{options.seed} {form.name} {one.secret} {number}",
                        ),
                    )
            _benign(scanners, seen, form, options)
            made.append(seen)
    return made


def _look(scanners: _Scanners, seen: Seen, one: Credential, placed: Placed) -> None:
    _, known, spans = scanners.look(scanners.knowing, placed.text)
    _count(seen.registered, hit=known)
    _count(seen.shapes.setdefault(one.shape, Ratio()), hit=known)
    if placed.shown:
        left = set(placed.shown)
        for start, end in spans:
            left.difference_update(range(start, end))
        _count(seen.masked, hit=not left)
    if one.branded:
        found, _, places = scanners.look(scanners.patterns, placed.text)
        shows = not placed.shown or any(start <= at < end for start, end in places for at in placed.shown)
        _count(seen.branded, hit=bool(found) and shows)


def _benign(scanners: _Scanners, seen: Seen, form: Form, options: Options) -> None:
    """Ordinary text, and random bytes where the form prints them, without a secret."""
    rng = random.Random(f"benign {options.seed} {form.name}")
    rules: Counter[str] = Counter()
    for number in range(options.benign):
        line = rng.choice(logtext.block(rng).lines)[:200].encode("ascii", "replace").decode()
        text = line if number % 2 or not form.whole else f"{line[:40]}\n{pick(rng, BASE62 + _SIGNS, 64)}\n"
        found, _, _ = scanners.look(
            scanners.knowing, _carried(form, text, f"{options.seed} {form.name} {number}")
        )
        _count(seen.benign, hit=bool(found))
        rules.update(found)
    seen.rules = dict(rules.most_common())


def scan_texts(options: Options) -> list[Text]:
    """Scans real text for `STRANGERS` credentials that were never printed anywhere: each report is false."""
    if not options.texts:
        return []
    key = DeploymentKey.of(KEY)
    ring = KeyRing([key])
    strangers = credentials(options.seed + 1, STRANGERS // len(credentials(0, 1)))
    known = [identifier for one in strangers for identifier in ring.identifiers(Secret(one.secret.encode()))]
    finder = LeakFinder(PatternScanner(()), KnownIndex(known, [key]), [key])
    record = RecordAt(0, 1 << 40, "text")
    made = []
    for name, folder in options.texts.items():
        size = reported = 0
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            data = path.read_bytes()
            size += len(data)
            for part in batches(data):
                reported += len(finder.look(Batch("text", part, lambda _: record)).leaks)
        made.append(Text(name, size, reported))
    return made


def _count(ratio: Ratio, *, hit: bool) -> None:
    ratio.planted += 1
    ratio.found += hit


def _verdict(ratio: Ratio) -> str:
    if not ratio.planted:
        return "–"
    if ratio.found == ratio.planted:
        return "always"
    return f"{100 * ratio.share:.0f} %" if ratio.found else "never"


def _tally(ratios: Iterable[Ratio]) -> str:
    verdicts = Counter(
        "always" if ratio.found == ratio.planted else "sometimes" if ratio.found else "never"
        for ratio in ratios
    )
    return ", ".join(f"{verdicts[word]} {word}" for word in ("always", "sometimes", "never"))


def report(made: Printed) -> str:
    """The tables."""
    forms = made.forms
    cases = sum(one.registered.planted for one in forms)
    false = sum(one.benign.found for one in forms)
    parts = [
        "# A credential in every way of printing\n",
        about(made.machine),
        (f"\nSeed {made.seed}: {len(forms)} forms, {cases:,} cases. Registered credentials are found: {_tally(one.registered for one in forms)}. "
        f"Of the {len(NAMED)} forms that users asked for by name: {_tally(one.registered for one in forms if one.form in NAMED)}. "
        f"By patterns alone, those with a vendor's form: {_tally(one.branded for one in forms)}. "
        f"Of {sum(one.benign.planted for one in forms):,} texts without a secret in these forms, {false} were reported.\n"),
    ]  # fmt: skip
    for group in dict.fromkeys(one.group for one in forms):
        rows = [
            [
                one.form,
                _verdict(one.registered),
                _verdict(one.masked),
                _verdict(one.branded),
                str(one.benign.found),
                _worst(one),
            ]
            for one in forms
            if one.group == group
        ]
        head = ["form", "registered", "masked whole", "by patterns", "false", "missed of the registered"]
        parts += [f"\n## {group[0].upper()}{group[1:]}\n", table(head, rows)]
    if made.texts:
        rows = [[one.name, f"{one.bytes / MB:,.0f}", str(one.reported)] for one in made.texts]
        parts += [
            f"\n## Real text\n\n{STRANGERS:,} registered credentials that nobody printed, and no patterns.\n",
            table(["text", "MB", "reported"], rows),
        ]
    return "\n".join(parts) + "\n"


def _worst(one: Seen) -> str:
    if one.registered.found in (0, one.registered.planted):
        return ""
    return ", ".join(
        f"{shape} {100 - 100 * ratio.share:.0f} %"
        for shape, ratio in one.shapes.items()
        if ratio.found < ratio.planted
    )


def _without_paths(where: Machine, options: Options) -> Machine:
    texts = " NAME=PATH..." if options.texts else ""
    return msgspec.structs.replace(
        where, command=f"python -m benchmarks printed --each {options.seeds} --benign {options.benign}{texts}"
    )


def main(options: Options) -> None:
    """Measures and prints; with `save` also writes `results/printed.md` and `.json`."""
    made = Printed(_without_paths(machine(), options), options.seed, measure(options), scan_texts(options))
    text = report(made)
    print(text)
    for one in made.forms:
        if one.rules:
            print(f"false in {one.form}: {one.rules}")
    if options.save:
        save(RESULTS, "printed", text, made)
