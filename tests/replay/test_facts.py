"""Facts that are kept: judged, they come to what a replay of the same files comes to, byte for byte."""

import hashlib
import json
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.replay.facts_commands import run_judge, run_scan
from detector.replay.facts_folder import FactsFolder
from detector.replay.replay_command import Request, run_replay
from detector.replay.runner import Processes
from detector.replay.unit_facts import COLUMNS
from detector.values.errors import UsageError
from tests.replay.files_of_histories import HASHED, POLICY, STRANGER, everything, packed, written
from tests.small_history import KEY, KEY_TEXT, NOW, event, jsonl, secret_of

ROOT = Path(__file__).parents[2]
QUICK = "[patterns]\ndetect_secrets = false\n"
OWN_SOURCE = """
[[source]]
name = "own"
match = [{ path = "schema", equals = "own" }]
unwrap = "log"
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the small history in every packing, broken records, and uses by an unkeyed hash."""
    monkeypatch.chdir(tmp_path)
    packed(Path("history"))
    Path("curfewd.toml").write_text(QUICK)
    return Path("history")


def request(*paths: Path | str, out: str | None = None, **options: Any) -> Request:
    named: dict[str, Any] = {"config": "curfewd.toml", "jobs": 1, "now": NOW} | options
    return Request(paths=tuple(map(str, paths)), out=out, **named)


def judged(*folders: str, out: str = "judged", **options: Any) -> dict[str, bytes]:
    run_judge(request(out=out, **options), folders)
    return written(out)


def replayed(*paths: Path | str, out: str = "replayed", **options: Any) -> dict[str, bytes]:
    run_replay(request(*paths, out=out, **options))
    return written(out)


def test_judged_facts_are_a_replay_byte_for_byte(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = replayed(history)
    assert expected["findings.jsonl"].count(b"\n") > 10
    assert expected["revocations.jsonl"]
    assert expected["dead-letters.jsonl"].count(b"\n") > 3
    printed = capsys.readouterr().out
    assert "units of" in run_scan(request(history), "facts")
    shutil.rmtree(history)  # nothing is read again
    assert judged("facts") == expected
    assert capsys.readouterr().out.replace("judged/", "replayed/") == printed


@pytest.mark.slow
@pytest.mark.parametrize("unit", [1 << 24, 3000])
def test_every_kind_of_input_is_judged_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: int) -> None:
    monkeypatch.chdir(tmp_path)
    everything(Path("all"))
    Path("curfewd.toml").write_text(POLICY)
    expected = replayed("all", unit=unit)
    for name, least in (("findings.jsonl", 30), ("revocations.jsonl", 8), ("dead-letters.jsonl", 10)):
        assert expected[name].count(b"\n") > least, name
    run_scan(request("all", unit=unit), "facts")
    shutil.rmtree("all")
    assert judged("facts", unit=unit) == expected


def test_the_incident_is_judged_so_under_its_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.chdir(ROOT)
    incident = Path("examples/incident")
    named = {"config": str(incident / "curfewd.toml")}
    expected = replayed(incident / "events.jsonl", incident / "logs", out=str(tmp_path / "a"), **named)
    run_scan(request(incident / "events.jsonl", incident / "logs", **named), str(tmp_path / "facts"))
    assert judged(str(tmp_path / "facts"), out=str(tmp_path / "b"), **named) == expected


def test_another_policy_needs_no_log(history: Path) -> None:
    run_scan(request(history), "facts")
    Path("curfewd.toml").write_text(
        'grace_period = "1s"\n' + QUICK + "[rules.use-after-termination]\nenabled = false\n"
        '[[accept]]\nrule = "leaked-*"\nreason = "a drill"\nexpiry = "2027-01-01T00:00:00Z"\n'
    )
    expected = replayed(history, until=NOW)
    shutil.rmtree(history)
    assert judged("facts", until=NOW) == expected
    assert b"a drill" in expected["findings.jsonl"]


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("[scan]\nevery_window = false\n", "[scan]"),
        ('[[allow]]\nregex = "x"\nreason = "test"\nexpiry = "2027-01-01T00:00:00Z"\n', "[[allow]]"),
        (OWN_SOURCE, "[[source]]"),
    ],
)  # fmt: skip
def test_facts_do_not_stand_under_another_scan(history: Path, table: str, part: str) -> None:
    run_scan(request(history), "facts")
    Path("curfewd.toml").write_text(QUICK + table)
    with pytest.raises(UsageError, match=part.replace("[", r"\[")):
        judged("facts")
    with pytest.raises(UsageError, match=part.replace("[", r"\[")):
        run_scan(request(history), "facts")
    Path("curfewd.toml").write_text('skew = "1min"\n' + QUICK)
    with pytest.raises(UsageError, match="skew"):
        judged("facts")


class EndedError(Exception):
    pass


class Ending(Processes):
    """A runner that is ended after some units of a stage."""

    def __init__(self, stage: str, units: int) -> None:
        super().__init__()
        self.stage, self.units, self.done = stage, units, 0

    def run(self, stage: Any, work: Any, todo: Sequence[Any]) -> Any:
        for found in super().run(stage, work, todo):
            self.done += stage.name == self.stage
            if stage.name == self.stage and self.done > self.units:
                raise EndedError
            yield found


@pytest.mark.parametrize("stage", ["lifecycle", "scan"])
def test_a_scan_that_was_ended_goes_on(history: Path, stage: str) -> None:
    expected = replayed(history)
    with pytest.raises(EndedError):
        run_scan(request(history), "facts", lambda *_: Ending(stage, 3))
    with pytest.raises(UsageError, match="is not finished"):
        judged("facts")
    again = Ending(stage, 1 << 30)
    run_scan(request(history, now=NOW + 1), "facts", lambda *_: again)
    assert again.done > 0
    complete = Ending(stage, 0)
    run_scan(request(history), "facts", lambda *_: complete)  # all is there
    assert judged("facts") == expected
    first = Ending(stage, 1 << 30)
    run_scan(request(history), "others", lambda *_: first)
    assert first.done == again.done + 3


def test_inputs_that_have_changed_need_a_new_folder(history: Path) -> None:
    run_scan(request(history), "facts")
    with (history / "text.log").open("ab") as file:
        file.write(b"more\n")
    with pytest.raises(UsageError, match="the files that are read"):
        run_scan(request(history), "facts")


def test_no_secret_and_no_unkeyed_hash_is_in_the_facts(history: Path) -> None:
    (history / ("token=" + secret_of(5).decode())).write_bytes(b"x\n")
    leaking = event(950, "credential.used", 420, credential_id="cred-1", resource=secret_of(1).decode())
    (history / "more.jsonl").write_bytes(jsonl([leaking]))
    run_scan(request(history), "facts")
    found = [path for path in Path("facts").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path("facts").rglob("*") if path.is_dir()} == {
        0o700
    }
    clear = b""
    for path in found:
        data = path.read_bytes()
        clear += data + (zstandard.decompress(data) if path.suffix == ".zst" else b"")
    hidden = [secret_of(number) for number in range(12)] + [HASHED]
    for secret in hidden:
        assert secret not in clear
        assert hashlib.sha256(secret).hexdigest().encode() not in clear
    assert hashlib.sha256(STRANGER).hexdigest().encode() not in clear
    assert b"sha256-keyed" in clear


def test_the_rows_are_as_the_manifest_names_them(history: Path) -> None:
    run_scan(request(history), "facts")
    manifest = json.loads(Path("facts/facts.json").read_bytes())
    assert manifest["columns"] == {name: list(columns) for name, columns in COLUMNS.items()}
    seen = set()
    for path in Path("facts/scan").rglob("*.zst"):
        first, *rows = map(json.loads, zstandard.decompress(path.read_bytes()).splitlines())
        assert sum(first[name] for name in ("leaks", "limited", "uses", "dead_letters")) == len(rows)
        for kind, *values in rows:
            assert len(values) == len(manifest["columns"][kind])
            seen.add(kind)
    assert seen >= {"leak", "credential.used", "dead-letter"}
    leaks = manifest["columns"]["leak"]
    assert leaks[:3] == ["time", "source", "id"]


def test_several_folders_are_one_history(history: Path) -> None:
    """Each is scanned with all events, on its own machine perhaps."""
    told = [str(history / name) for name in ("events.jsonl", "by-hash.jsonl", "torn.jsonl")]
    halves = [history / "text.log", history / "all.tar.gz"], [history / "logs.jsonl", history / "cut.gz"]
    for number, half in enumerate(halves):
        run_scan(request(*half, events=tuple(told)), f"facts{number}")
    expected = replayed(*halves[0], *halves[1], events=tuple(told))
    assert judged("facts0", "facts1") == judged("facts1", "facts0") == expected
    run_scan(request(*halves[0], events=(told[0],)), "fewer")
    with pytest.raises(UsageError, match="different credentials"):
        judged("facts1", "fewer")


def damaged(folder: Path) -> None:
    path = max(folder.rglob("*.zst"))
    path.write_bytes(path.read_bytes()[:-3])


def swapped(folder: Path) -> None:
    one, other = sorted((folder / "lifecycle").rglob("*.sealed"))[:2]
    one.write_bytes(other.read_bytes())


@pytest.mark.parametrize("harm", [damaged, swapped])
def test_damage_is_told(history: Path, harm: Callable[[Path], None]) -> None:
    run_scan(request(history), "facts")
    harm(Path("facts"))
    with pytest.raises(UsageError, match="missing or damaged"):
        judged("facts")


def test_what_cannot_be_used_is_refused(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="stands in history"):
        run_scan(request(history), "history/facts")
    with pytest.raises(UsageError, match="no facts in it"):
        judged("history")
    with pytest.raises(UsageError, match="other files in it"):
        run_scan(request(history / "text.log"), str(history))
    run_scan(request(history), "facts")
    monkeypatch.setenv(KEY_VARIABLE, "ff" * 16)
    with pytest.raises(UsageError, match="other deployment keys"):
        judged("facts")
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(UsageError, match="there is none: set CURFEWD_KEY"):
        judged("facts")


def test_one_scan_at_a_time(history: Path) -> None:
    folder = FactsFolder("facts", [KEY])
    with folder.locked(), pytest.raises(UsageError, match="another scan"):
        run_scan(request(history), "facts")
