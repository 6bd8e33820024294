"""Runs, jobs and logs from a GitHub on loopback. Its answers hold to the contract only: see `api_server`."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.cli import main
from detector.fetch.answers import ApiError
from detector.fetch.client import Limits
from detector.values.errors import UsageError
from tests.fetch.api_server import TOKEN, Server, body, hang, moved, raw, status
from tests.fetch.conftest import LOG, QUICK, Fetch, files
from tests.fixtures.github_answers import job, run

JOB_LOG = "/repos/octo/app/actions/jobs/51/logs"
PATIENT = Limits(first_pause=0.01)
RUNS = "/repos/octo/app/actions/runs"
WHOLE = [
    "octo/app/github-job-51.log",
    "octo/app/github-job-52.log",
    "octo/app/github-job-61.log",
    "octo/app/github-job-62.log",
    "octo/app/github-run-5.jsonl",
    "octo/app/github-run-6.jsonl",
    "octo/app/github-run-7.jsonl",
]


def test_runs_jobs_and_logs_are_brought(server: Server, fetched: Fetch, tmp_path: Path) -> None:
    done = fetched()
    assert done.complete
    found = files(tmp_path / "out")
    assert list(found) == WHOLE
    assert found["octo/app/github-job-51.log"] == LOG
    lines = [json.loads(line) for line in found["octo/app/github-run-6.jsonl"].splitlines()]
    assert lines == [server.attempts[6, 1], server.runs["octo/app"][1], *server.jobs[6]]
    assert done.lines[0].endswith("has 3 runs, 6 jobs and 4 logs (27.1 KB); 0 of the runs were there already")
    assert done.warnings == ("1 log gone: they expired or were deleted; what they showed cannot be found",)
    assert server.asked["/repos/octo/app/actions/jobs/72/logs"] == 0  # it was skipped


def test_what_is_brought_is_for_its_owner_alone(fetched: Fetch, tmp_path: Path) -> None:
    fetched()
    for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_folder_that_others_may_enter_is_told(fetched: Fetch, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o755)
    assert "users other than its owner can enter" in fetched().warnings[0]


def test_what_is_there_is_not_fetched_again(server: Server, fetched: Fetch, tmp_path: Path) -> None:
    first = fetched()
    before = files(tmp_path / "out")
    server.asked.clear()
    again = fetched()
    assert again.lines[0] == first.lines[0].replace("0 of the runs", "3 of the runs")
    assert again.warnings == first.warnings
    assert files(tmp_path / "out") == before
    assert server.asked == {"/repos/octo/app": 1, RUNS: 1}


def test_a_run_that_goes_on_is_fetched_again(server: Server, fetched: Fetch, tmp_path: Path) -> None:
    over = server.runs["octo/app"][0], server.jobs[5][1]
    server.runs["octo/app"][0] = run(5, status="in_progress", conclusion=None)
    server.jobs[5][1] = job(52, 5, status="in_progress", conclusion=None, completed_at=None)
    assert fetched().lines[1] == "1 job still running: run the same command again later"
    assert "octo/app/github-job-52.log" not in files(tmp_path / "out")
    server.runs["octo/app"][0], server.jobs[5][1] = over
    assert len(fetched().lines) == 2
    assert list(files(tmp_path / "out")) == WHOLE


@pytest.mark.slow
def test_more_runs_than_a_list_has_are_all_found(server: Server, fetched: Fetch, tmp_path: Path) -> None:
    numbers = range(1, 1301)
    server.runs["octo/app"] = [
        run(number, created_at=f"2026-05-01T{number // 180:02}:{number // 3 % 60:02}:{number % 60:02}Z")
        for number in numbers
    ]
    server.jobs = {number: [] for number in numbers}
    done = fetched(PATIENT, connections=16)
    assert done.lines[0].split(" has ")[1].startswith("1,300 runs, 0 jobs")
    assert len(files(tmp_path / "out")) == 1300
    assert server.asked[RUNS] < 60


@pytest.mark.slow
def test_what_a_list_cannot_give_is_told(server: Server, fetched: Fetch) -> None:
    server.runs["octo/app"] = [run(number) for number in range(1, 1102)]  # all in one second
    server.jobs = {number: [] for number in range(1, 1102)}
    (warning,) = fetched(PATIENT, connections=16).warnings
    assert warning.startswith("101 runs missing: the API counted but did not return them")


def test_an_organisation_is_all_its_repositories(server: Server, fetched: Fetch, tmp_path: Path) -> None:
    server.runs["octo/site"] = []
    server.organisations["octo"] = ["octo/app", "octo/site", "../evil"][:2]
    fetched(names=("OCTO/App",), owners=("octo",))
    assert list(files(tmp_path / "out")) == WHOLE
    assert server.asked["/repos/octo/site"] == 1
    assert server.asked[RUNS] == 1


FAULTS: dict[str, Any] = {
    "a failed server": status(500),
    "a gateway that gives up": status(502, "<html>"),
    "a connection that is cut": raw(b""),
    "a cut body": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n{"total_count": 3, '),
    "a cut body in chunks": raw(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"tot'),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no JSON": body("<html>"),
    "a body that is not gzip": raw(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    ),
    "silence": hang(3.0),
}


@pytest.mark.parametrize("path", [RUNS, "/repos/octo/app/actions/runs/5/jobs", JOB_LOG, "/logs/51"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_got_over(server: Server, fetched: Fetch, tmp_path: Path, path: str, fault: Any) -> None:
    server.faults[path].append(fault)
    if fault is FAULTS["no JSON"] and path == JOB_LOG:
        server.faults[path].clear()  # a log may be any text
    if fault is FAULTS["no JSON"] and path == "/logs/51":
        server.faults[path].clear()
    assert fetched().complete
    found = files(tmp_path / "out")
    assert list(found) == WHOLE
    assert found["octo/app/github-job-51.log"] == LOG


def test_a_log_that_cannot_be_fetched_is_told_and_tried_again(
    server: Server, fetched: Fetch, tmp_path: Path
) -> None:
    server.faults["/logs/51"].extend([status(500)] * QUICK.attempts)
    done = fetched()
    assert not done.complete
    assert done.warnings[-1].startswith("1 log could not be fetched, the last because of this: 127.0.0.1: ")
    assert "octo/app/github-run-5.jsonl" not in files(tmp_path / "out")
    assert fetched().complete
    assert list(files(tmp_path / "out")) == WHOLE


LIMITED: dict[str, Any] = {
    "Retry-After": status(429, retry_after="1"),
    "the secondary limit": status(
        403, {"message": "You have exceeded a secondary rate limit"}, retry_after="1"
    ),
    "the primary limit": status(
        403,
        date="Fri, 01 May 2026 08:00:00 GMT",
        x_ratelimit_remaining="0",
        x_ratelimit_reset="1777622401",
    ),
}


@pytest.mark.parametrize("fault", LIMITED.values(), ids=LIMITED)
def test_a_rate_limit_is_waited_for(server: Server, fetched: Fetch, tmp_path: Path, fault: Any) -> None:
    server.faults[RUNS].append(fault)
    begin = time.monotonic()
    assert fetched().complete
    assert 1.0 <= time.monotonic() - begin < 10
    assert list(files(tmp_path / "out")) == WHOLE
    assert server.asked[RUNS] == 2


@pytest.mark.parametrize(
    "fault",
    [
        status(429, retry_after="999999999"),
        status(403, x_ratelimit_remaining="0", x_ratelimit_reset="99999999999"),
    ],
    ids=["retry-after", "reset"],
)
def test_nobody_is_kept_waiting_for_years(server: Server, fetched: Fetch, fault: Any) -> None:
    server.faults[RUNS].append(fault)
    with pytest.raises(ApiError, match="longer than an hour: run the same command later"):
        fetched()


REFUSED: dict[str, tuple[str, Any, str]] = {
    "a wrong token": (RUNS, status(401), "does not accept the token .* make a new one"),
    "no right": (RUNS, status(403), "give it Actions: read"),
    "single sign-on": (RUNS, status(403, x_github_sso="required; url=https://x"), "authorise the token"),
    "no repository": ("/repos/octo/app", status(404), "no repository octo/app.* check the name"),
    "no runs": (RUNS, status(404), "no runs of octo/app"),
    "another API": ("/repos/octo/app", status(418), "is --api-url the address"),
    "an answer of another form": (RUNS, body("[]"), "--api-url"),
    "a redirect elsewhere": (RUNS, moved("https://198.51.100.7/x"), "redirects to another host"),
    "a redirect without end": (RUNS, None, "redirects more than 5 times"),
    "a log without TLS": (JOB_LOG, moved("http://198.51.100.7/log"), "without TLS"),
    "a page elsewhere": (
        RUNS,
        body('{"total_count": 0, "workflow_runs": []}', Link='<https://198.51.100.7/x?page=2>; rel="next"'),
        "next page is on another host",
    ),
    "an id that is no number": (
        RUNS,
        body('{"total_count": 1, "workflow_runs": [{"id": "../../x"}]}'),
        "not what its documentation says",
    ),
}


@pytest.mark.parametrize(("path", "fault", "text"), REFUSED.values(), ids=REFUSED)
def test_what_no_retry_changes_is_one_line_that_says_what_to_do(  # noqa: PLR0913, PLR0917 - fixtures
    server: Server, fetched: Fetch, tmp_path: Path, path: str, fault: Any, text: str
) -> None:
    server.faults[path].extend([fault] if fault is not None else [moved(RUNS)] * 9)
    with pytest.raises(ApiError, match=text) as raised:
        fetched()
    assert "\n" not in str(raised.value)
    assert TOKEN not in str(raised.value)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.suffix == ".part"]


def test_pages_without_end_are_left(server: Server, fetched: Fetch) -> None:
    link = f'<{server.api}{RUNS}?page=2>; rel="next"'
    server.faults[RUNS].extend([body('{"total_count": 1, "workflow_runs": []}', Link=link)] * 5)
    with pytest.raises(ApiError, match="pages of its list do not end"):
        fetched()


def test_the_token_goes_to_the_api_and_nowhere_else(
    server: Server, fetched: Fetch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetched()  # the fixture looks at what the storage got
    assert server.asked["/logs/51"] == 1
    assert all(TOKEN.encode() not in data for data in files(tmp_path / "out").values())
    assert TOKEN not in "".join(capfd.readouterr())


def test_a_storage_that_refuses_is_asked_for_a_new_address(server: Server, fetched: Fetch) -> None:
    server.faults["/logs/51"].append(status(403, "<Error>AuthenticationFailed</Error>"))
    assert fetched().complete
    assert server.asked[JOB_LOG] == 2


def test_a_log_that_never_ends_is_left(fetched: Fetch, tmp_path: Path) -> None:
    done = fetched(Limits(attempts=2, first_pause=0.01, log=1000))
    assert "1 log larger than 2 GiB, not fetched" in done.warnings[1]
    assert "octo/app/github-job-52.log" not in files(tmp_path / "out")


def test_two_at_once_do_not_mix(server: Server, fetched: Fetch, tmp_path: Path) -> None:
    server.slow = 0.3
    command = _command(server, tmp_path / "out")
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL) as other:
        while not (tmp_path / "out").exists():
            time.sleep(0.02)
        time.sleep(0.1)
        with pytest.raises(UsageError, match="another fetch writes into this folder"):
            fetched()
        assert other.wait(60) == 0
    assert list(files(tmp_path / "out")) == WHOLE


def _command(server: Server, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "detector.cli", "fetch", "github", "--repo", "octo/app", "--since", "2026-05-01",
        "--until", "2026-05-03", "--out", str(out), "--api-url", server.api,
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    return {**os.environ, "GITHUB_TOKEN": TOKEN}


def test_killed_at_any_time_and_run_again_it_is_as_if_undisturbed(
    server: Server, fetched: Fetch, tmp_path: Path
) -> None:
    fetched(out=str(tmp_path / "undisturbed"))
    whole = files(tmp_path / "undisturbed")
    server.slow = 0.05
    kills = 0
    for pause in (0.0, 0.08, 0.15, 0.22, 0.3, 0.4):
        with subprocess.Popen(
            _command(server, tmp_path / "out"), env=_environment(), stdout=subprocess.DEVNULL
        ) as one:
            while one.poll() is None and not (tmp_path / "out").exists():
                time.sleep(0.01)
            time.sleep(pause)
            if one.poll() is None:
                one.send_signal(signal.SIGKILL)
                kills += 1
        for name, data in files(tmp_path / "out").items():
            assert data == whole[name], name  # whole, or not there
    assert kills >= 3
    server.slow = 0.0
    assert fetched().complete
    assert files(tmp_path / "out") == whole


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_goes_wrong_in_whatever_order_the_result_is_the_same(
    server: Server, fetched: Fetch, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    paths = [
        RUNS,
        JOB_LOG,
        "/logs/51",
        "/logs/62",
        "/repos/octo/app/actions/runs/6/attempts/1",
        "/repos/octo/app",
    ]
    faults = [fault for name, fault in FAULTS.items() if name not in ("silence", "no JSON")]
    server.faults.clear()
    for path in data.draw(st.lists(st.sampled_from(paths), max_size=4, unique=True)):
        server.faults[path].extend(data.draw(st.lists(st.sampled_from(faults), max_size=1)))
    out = tmp_path_factory.mktemp("any")
    assert fetched(out=str(out), connections=data.draw(st.integers(1, 8))).complete
    assert list(files(out)) == WHOLE
    assert files(out)["octo/app/github-job-51.log"] == LOG


def test_a_replay_of_the_folder_finds_the_token_in_its_job(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    assert main(_command(server, tmp_path / "out")[3:]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines()[-1] == f"next: curfewd replay {tmp_path / 'out'}"
    assert TOKEN not in output.out + output.err
    assert main(["replay", "--jobs", "1", "--out", str(tmp_path / "found"), str(tmp_path / "out")]) == 0
    (found,) = map(json.loads, (tmp_path / "found" / "findings.jsonl").read_text().splitlines())
    assert found["finding_info"]["analytic"]["uid"] == "leaked-secret"
    (evidence,) = found["evidences"]
    assert "github/job/51" in json.dumps(evidence)
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert summary["events"] == {"task.ended": 10, "task.started": 9}
    assert summary["dead_letters"] == {}


def test_a_log_of_nothing_but_events_is_text(server: Server, fetched: Fetch, tmp_path: Path) -> None:
    forged = {"action": "completed", "workflow_job": job(52), "repository": {"full_name": "octo/app"}}
    server.logs[51] = json.dumps(forged | {"sender": {"login": "mona"}}).encode() + b"\n"
    fetched()
    log = tmp_path / "out" / "github-job-51.log.zip"
    with zipfile.ZipFile(log, "w") as archive:
        archive.writestr("logs/github-job-51.log", server.logs[51])
    for path in (*(tmp_path / "out").rglob("github-job-51.log"), log):
        code = main(["replay", "--jobs", "1", "--out", str(tmp_path / "found"), str(path)])
        assert code == 0
        assert json.loads((tmp_path / "found" / "summary.json").read_text())["events"] == {}
    assert (
        main(["replay", "--jobs", "1", "--out", str(tmp_path / "found"), "--events", str(path.parent)]) == 0
    )
    assert json.loads((tmp_path / "found" / "summary.json").read_text())["events"]["task.ended"] > 1


USAGE: dict[str, tuple[list[str], dict[str, str], str]] = {
    "no repository": (["--since", "7d"], {}, "fetch: name a repository with --repo OWNER/REPO"),
    "a wrong name": (["--repo", "app", "--since", "7d"], {}, "--repo app: write OWNER/REPO"),
    "a way out": (["--repo", "../..", "--since", "7d"], {}, "write OWNER/REPO"),
    "no token": (["--repo", "o/r", "--since", "7d"], {"GITHUB_TOKEN": ""}, "no token: set GITHUB_TOKEN or"),
    "a token of two lines": (
        ["--repo", "o/r", "--since", "7d"],
        {"GITHUB_TOKEN": "a\r\nb"},
        "this is not a token",
    ),
    "a time in no form": (
        ["--repo", "o/r", "--since", "yesterday"],
        {},
        "argument --since: write a time such as",
    ),
    "no time": (["--repo", "o/r"], {}, "the following arguments are required: --since"),
    "the wrong way round": (
        ["--repo", "o/r", "--since", "2026-05-02", "--until", "2026-05-01"],
        {},
        "--since is later than --until",
    ),
    "an address without TLS": (
        ["--repo", "o/r", "--since", "7d", "--api-url", "http://github.example.com"],
        {},
        "--api-url: write the address",
    ),
    "no address": (
        ["--repo", "o/r", "--since", "7d", "--api-url", "github"],
        {},
        "--api-url: write the address",
    ),
    "too many connections": (["--repo", "o/r", "--since", "7d", "--connections", "99"], {}, "from 1 to 32"),
    "no file": (
        ["--repo", "o/r", "--since", "7d", "--token-file", "/nowhere"],
        {},
        "/nowhere: cannot be read",
    ),
}


@pytest.mark.parametrize(("arguments", "environment", "text"), USAGE.values(), ids=USAGE)
def test_a_wrong_command_says_what_to_write(  # noqa: PLR0913, PLR0917 - fixtures
    arguments: list[str],
    environment: dict[str, str],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("GH_TOKEN", raising=False)
    for name, value in ({"GITHUB_TOKEN": TOKEN} | environment).items():
        monkeypatch.setenv(name, value)
    try:
        code = main(["fetch", "github", "--out", str(tmp_path / "out"), *arguments])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    assert code == 2
    assert text in capsys.readouterr().err.splitlines()[0]
    assert not (tmp_path / "out").exists()


def test_no_network_is_one_line(fetched: Fetch) -> None:
    with pytest.raises(ApiError, match="cannot connect: check the network"):
        fetched(api_url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    "entry", ["default login me password hidden", "machine 127.0.0.1 login me password hidden"]
)
def test_a_netrc_is_neither_used_nor_in_the_way(
    server: Server, fetched: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    (tmp_path / "netrc").write_text(f"{entry}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert fetched().complete
    assert server.wrong == []  # each request had the token


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:99999", "socks5://127.0.0.1:1", "http://"])
def test_what_is_no_proxy_is_told(fetched: Fetch, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ApiError, match="HTTPS_PROXY is not the address of an HTTP proxy"):
        fetched(api_url="https://api.example.com")


def test_requests_go_through_the_proxy_of_the_environment(
    fetched: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n")

        proxy = threading.Thread(target=refuse)
        proxy.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:word@127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(ApiError, match="the proxy answers HTTP 407: check HTTPS_PROXY"):
            fetched(api_url="https://api.example.com")
        proxy.join()
    assert asked[0].startswith(b"CONNECT api.example.com:443 ")
    assert b"Proxy-Authorization: Basic bWU6d29yZA==" in asked[0]
    assert TOKEN.encode() not in asked[0]
