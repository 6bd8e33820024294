"""The examples of CONTRIBUTING.md at work: each is added as the page says, by the public seam alone, in a real replay.

They run in a process of their own, since rules and decoders are added for a whole process.
"""

import base64
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
TOKEN = "shp_Qm3vX8rT2kLw9ZpB5nHd7YcJ"

PROGRAM = """
import sys, time
sys.path.insert(0, ".")
from pathlib import Path
from ascii85 import Ascii85
from csv_file import CsvFile
from browser import BY_BROWSER
from shipit import ADAPTER
from detector.judge.rules.catalog import RULES
from detector.replay.replay_command import Request, run_replay
from detector.scan.decoders import DECODERS

RULES.add(BY_BROWSER)
DECODERS.add(Ascii85())
request = Request(
    config="curfewd.toml", paths=("history",), out="out", report="report.html", sarif="findings.sarif",
    format_name=None, until=None, fail_on=None, strict=True, jobs=1, now=time.time_ns(),
)
sys.exit(run_replay(request, adapters=[ADAPTER], outputs=[CsvFile(Path("findings.csv"))]))
"""
CONFIGURATION = """
[patterns]
paths = ["shipit.toml"]
disable = ["a*", "b*", "c*", "generic-*"]
detect_secrets = false

[rules.use-by-browser]
revoke = true
"""


def blocks() -> list[tuple[str, str]]:
    """(language, text without its indent) of each code block."""
    return [(match[2], textwrap.dedent(match[3])) for match in _BLOCK.finditer(PAGE.read_text())]


def files() -> dict[str, str]:
    """The files that the page creates, by their paths."""
    return {
        first.removeprefix("# "): text
        for _, text in blocks()
        if re.fullmatch(r"# \S+\.(py|toml)", first := text.split("\n", 1)[0])
    }


def samples() -> list[dict[str, Any]]:
    """The samples of the page's adapter."""
    (found,) = [json.loads(text) for language, text in blocks() if language == "json"]
    return list(found)


def event(number: int, kind: str, time: str, **data: Any) -> dict[str, Any]:
    envelope = {"specversion": "1.0", "id": str(number), "source": "ci", "type": kind, "time": time}
    return {**envelope, "data": data}


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a replay with all of the page's examples."""
    folder = tmp_path_factory.mktemp("extended")
    for path, text in files().items():
        (folder / Path(path).name).write_text(text)
    (folder / "curfewd.toml").write_text(CONFIGURATION)
    history = folder / "history"
    history.mkdir()
    identifier = {"scheme": "token-id", "value": "tk-9"}
    events = [
        *(sample["record"] for sample in samples() if "events" in sample),
        event(
            1,
            "credential.issued",
            "2026-05-04T01:00:00Z",
            credential_id="token-1",
            task_id="shipit/71",
            identifiers=[identifier],
            expires_at="2026-05-04T02:00:00Z",
        ),
        event(
            2,
            "credential.used",
            "2026-05-04T01:30:00Z",
            identifier=identifier,
            action="deploy",
            user_agent="Mozilla/5.0",
        ),
    ]
    (history / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    encoded = base64.a85encode(f"token = {TOKEN}".encode(), adobe=True).decode()
    (history / "deploy.log").write_text(f"2026-05-04T01:10:00Z the token is {encoded} today\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def findings(folder: Path) -> dict[str, dict[str, Any]]:
    """The findings by rule."""
    lines = (folder / "out" / "findings.jsonl").read_text().splitlines()
    return {one["finding_info"]["analytic"]["uid"]: one for one in map(json.loads, lines)}


def test_the_adapter_reads_its_source(replayed: Path) -> None:
    summary = json.loads((replayed / "out" / "summary.json").read_text())
    assert summary["records"]["history/events.jsonl"]["shipit"] == 2
    assert (summary["events"]["task.started"], summary["events"]["task.ended"]) == (1, 1)


def test_the_rule_finds_with_its_words_and_asks_as_it_is_configured(replayed: Path) -> None:
    finding = findings(replayed)["use-by-browser"]
    assert (
        finding["finding_info"]["title"]
        == "Credential token-1 of task shipit/71 was used in a browser: deploy"
    )
    assert finding["severity"] == "High"
    assert finding["remediation"]["desc"].startswith("Ask the task's owner")
    assert [one["id"] for one in finding["unmapped"]["taxonomies"]["owasp_nhi_2025"]] == ["NHI9:2025"]
    (command,) = map(json.loads, (replayed / "out" / "revocations.jsonl").read_text().splitlines())
    assert command["data"]["reasons"] == ["use-by-browser"]
    (sarif,) = json.loads((replayed / "findings.sarif").read_text())["runs"]
    assert "use-by-browser" in [rule["id"] for rule in sarif["tool"]["driver"]["rules"]]
    assert "was used in a browser" in (replayed / "report.html").read_text()


def test_the_decoder_and_the_pattern_find_a_token_and_nobody_writes_it(replayed: Path) -> None:
    finding = findings(replayed)["leaked-secret"]
    assert finding["unmapped"]["patterns"] == ["shipit-deploy-token"]
    assert finding["evidences"][0]["data"]["encodings"] == ["ascii85"]
    assert "in ascii85" in finding["finding_info"]["title"]
    encoded = base64.a85encode(f"token = {TOKEN}".encode(), adobe=True).decode()
    for path in (*(replayed / "out").iterdir(), replayed / "findings.csv", replayed / "findings.sarif"):
        text = path.read_text()
        assert TOKEN not in text
        assert encoded[2:-2] not in text


def test_the_output_has_a_line_for_each_finding(replayed: Path) -> None:
    rows = (replayed / "findings.csv").read_text().splitlines()
    assert len(rows) == len((replayed / "out" / "findings.jsonl").read_text().splitlines())
    assert "high,use-by-browser,Credential token-1 of task shipit/71 was used in a browser: deploy" in rows


def test_what_the_page_adds_a_line_to_has_the_line_before() -> None:
    page = PAGE.read_text()
    for language, text in blocks():
        if language == "diff":
            start = page.index(text.splitlines()[0].strip())
            (target,) = re.findall(r"`(detector/[\w/]+\.py)`", page[:start].rsplit("\n\n", 2)[-2])
            before = [line.strip() for line in text.splitlines() if not line.startswith("+")]
            known = [line.strip() for line in (ROOT / target).read_text().splitlines()]
            assert set(before) <= set(known), target


def test_the_samples_of_the_page_are_what_its_adapter_gives(tmp_path: Path) -> None:
    program = """
import json, sys
sys.path.insert(0, ".")
from shipit import ADAPTER
from detector.ingest.classify import RecordClassifier
from tests.adapters.test_samples import gives
for sample in json.load(open("samples.json")):
    said = {name: value for name, value in sample.items() if name != "record"}
    assert gives(sample["record"], RecordClassifier((ADAPTER,))) == said, said
"""
    (tmp_path / "shipit.py").write_text(files()["detector/adapters/schedulers/shipit.py"])
    (tmp_path / "samples.json").write_text(json.dumps(samples()))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_decoder_of_the_page_decodes_its_examples_and_no_near_miss() -> None:
    scope: dict[str, Any] = {"__name__": "ascii85"}
    exec(files()["detector/scan/ascii85.py"], scope)  # noqa: S102 - the page's own example
    decoder = scope["Ascii85"]()
    for encoded, says in decoder.examples:
        assert decoder.span(encoded + b" and more") == (len(encoded), says)
    for text in decoder.near_misses:
        assert all(decoder.span(text[at:]) is None for at in range(len(text)) if text.startswith(b"<~", at))


def test_the_page_creates_one_of_each() -> None:
    made = files()
    assert [Path(path).parts[:2] for path in made] == [
        ("patterns", "shipit.toml"),
        ("detector", "adapters"),
        ("detector", "judge"),
        ("detector", "scan"),
        ("detector", "outputs"),
    ]
    tomllib.loads(made["patterns/shipit.toml"])


def test_the_examples_keep_the_rules_of_the_code(tmp_path: Path) -> None:
    for path, text in files().items():
        if path.endswith(".py"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
            (tmp_path / path).with_name("__init__.py").write_text('"""A package."""\n')
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--no-cache",
                "--config",
                str(ROOT / "pyproject.toml"),
                *map(str, (tmp_path / path for path in files() if path.endswith(".py"))),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
