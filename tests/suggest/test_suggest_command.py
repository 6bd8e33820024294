"""`curfewd suggest` as a user runs it: over files, in several processes, with mistakes."""

import gzip
import json
import re  # over our own pages
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from detector.cli import main
from detector.values.times import format_rfc3339
from tests.suggest.made_history import START

ROOT = Path(__file__).parent.parent.parent
INCIDENT = ROOT / "examples" / "incident"
SCHEMA = json.loads((ROOT / "docs" / "suggest.schema.json").read_text())
TOKEN = "glpat-A7kQz93LmWx2PdTnVb4R"


def event(type_name: str, number: object, minutes: int = 0, **data: Any) -> str:
    record = {
        "specversion": "1.0",
        "id": f"{type_name}/{number}",
        "source": "ci",
        "type": type_name,
        "time": format_rfc3339(START + minutes * 60_000_000_000),
        "data": data,
    }
    return json.dumps(record) + "\n"


def jobs(count: int, resource: str = "store/run-{}/log", kind: str = "build", uses: int = 1) -> list[str]:
    lines = []
    for job in range(count):
        name = f"{kind}-{job}"
        lines.append(event("task.started", name, task_id=name, kind=kind))
        lines.append(
            event(
                "credential.issued", name, task_id=name, credential_id=name, kind="token",
                identifiers=[{"scheme": "id", "value": name}], expires_at="2026-05-04T03:00:00Z",
            )
        )  # fmt: skip
        lines += [
            event(
                "credential.used",
                f"{name}/{n}",
                5,
                credential_id=name,
                action="read",
                resource=resource.format(job),
                source_ip="10.0.0.7",
            )
            for n in range(uses)
        ]
        lines.append(event("task.ended", name, 60, task_id=name))
    return lines


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main(["suggest", *map(str, arguments)])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    return code, *capsys.readouterr()


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code, out, _ = run(capsys, "--json", *arguments)
    assert code == 0
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
    return document


def test_the_table_says_what_to_grant_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(jobs(3)))
    code, out, err = run(capsys, file)
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "",
        "build with token: 3 uses by 3 tasks, 3 credentials",
        "  grant",
        "    read  store/run-*/log  3 uses by 3 tasks, varies",
        "  granted and never used",
        "    not known  3 credentials without registered grants",
        "  times",
        "    tasks last              p50 1 h, p99 1 h, longest 1 h (3 seen)",
        "    credentials live        p50 2 h, p99 2 h, longest 2 h (3 seen)",
        "    … after the task's end  p50 1 h, p99 1 h, longest 1 h (3 seen)",
        "  used from",
        "    10.0.0.0/24  3 uses by 3 tasks",
    ]


def test_the_json_is_what_its_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(
        "".join(
            [*jobs(4), *jobs(1, kind="test"), event("credential.used", 0, credential_id="who", action="read")]
        )
    )
    document = told(capsys, file)
    assert [each["task"]["name"] for each in document["suggestions"]] == ["build", "test"]
    assert document["unknown_credentials"] == {"ci": 1}
    assert document["suggestions"][0]["grants"] == [{"actions": ["read"], "resources": ["store/run-*/log"]}]


def test_the_bundled_incident(capsys: pytest.CaptureFixture[str]) -> None:
    document = told(capsys, "--config", INCIDENT / "curfewd.toml", INCIDENT)
    left = {
        (each["task"]["name"], refused["why"])
        for each in document["suggestions"]
        for refused in each["not_granted"]
    }
    assert left == {
        ("cloud-automation", "use-outside-window"),
        ("data-job", "denied"),
        ("data-job", "use-outside-scope"),
        ("exporter", "use-after-revocation"),
        ("release-signing", "use-after-termination"),
    }


def test_the_page_shows_what_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "suggest.md").read_text()
    shown = page.split("$ curfewd suggest --config ", 1)[1].split("```", 1)[0]
    command, _, lines = shown.partition("\n")
    _, out, _ = run(capsys, "--config", *command.split())
    assert out.startswith(lines)
    assert lines.count("\n") > 10


def test_the_page_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    options = set(re.findall(r"--[a-z-]+", out)) - {"--help"}
    assert code == 0
    assert len(options) > 12
    page = (ROOT / "docs" / "suggest.md").read_text()
    assert {option for option in options if option not in page} == set()


def test_files_archives_order_and_processes_change_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = jobs(40, uses=3)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "events.jsonl").write_text("".join(lines))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "b.jsonl.gz").write_bytes(
        gzip.compress("".join(reversed(lines[::2])).encode(), mtime=0)
    )
    (tmp_path / "two" / "a.jsonl").write_text("".join(reversed(lines[1::2])))
    (tmp_path / "two" / "copy.jsonl").write_text("".join(lines[7:90]))
    assert told(capsys, tmp_path / "one") == told(capsys, "--jobs", 2, tmp_path / "two")


def test_several_processes_read_large_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text("".join(jobs(30, kind=name, uses=400)))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) > 4 * 1024 * 1024
    document = told(capsys, "--jobs", 2, tmp_path)
    assert document == told(capsys, "--jobs", 1, tmp_path)
    assert [each["used_by"]["uses"] for each in document["suggestions"]] == [12_000, 12_000]


def test_no_secret_in_a_name_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join([*jobs(2, resource=f"https://x/y?t={TOKEN}&n={{}}"), *jobs(1, kind=TOKEN)]))
    for form in ([], ["--json"], ["--kind", "build", "--aws-session-policy"]):
        _, out, err = run(capsys, *form, file)
        assert TOKEN not in out + err
        assert "glpat-" not in out + err


def test_a_policy_is_for_one_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(
        "".join([*jobs(3, "arn:aws:s3:::b/{}", kind="a"), *jobs(3, "arn:aws:s3:::b/{}", kind="b")]).replace(
            '"read"', '"s3:GetObject"'
        )
    )
    code, out, err = run(capsys, "--aws-session-policy", file)
    assert (code, out) == (2, "")
    assert "name one with --kind and --credential: a with token; b with token" in err
    code, out, err = run(capsys, "--aws-session-policy", "--kind", "b", file)
    assert code == 0
    assert json.loads(out)["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]}
    ]
    assert run(capsys, "--vault-policy", file)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a file or folder"),
        (["--days", "0", "x"], "from 1 to 36,500"),
        (["--days", "٣", "x"], "from 1 to 36,500"),
        (["--min-tasks", "1", "x"], "from 2 to 60"),
        (["--json", "--vault-policy", "x"], "not allowed with"),
        (["--include", "use-after-lunch", "x"], "no rule about uses"),
        (["--by", "colour", "x"], "invalid choice"),
        (["does/not/exist"], "no such file"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err.splitlines()[0]


def test_what_was_not_looked_at_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.log").write_text("building\n")
    (tmp_path / "events.jsonl").write_text("".join(jobs(1)) + '{"specversion": "1.0", "type": "task.star\n')
    code, out, err = run(capsys, tmp_path)
    assert code == 0
    assert "seen by 1 task only: not enough" in out
    assert "1 record could not be read" in err
    assert "1 file of text not looked at" in err
    code, out, _ = run(capsys, tmp_path / "job.log")
    assert (code, out.strip()[:18]) == (0, "Nothing to suggest")
    code, out, _ = run(capsys, "--kind", "no-such", tmp_path / "events.jsonl")
    assert (code, "or none that --kind and --credential name" in out) == (0, True)


def test_uses_older_than_the_days_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(
        "".join(jobs(3)) + event("task.started", "late", 3 * 24 * 60, task_id="late", kind="late")
    )
    assert told(capsys, "--days", 1, file)["suggestions"] == []
    assert len(told(capsys, "--days", 4, file)["suggestions"]) == 1
