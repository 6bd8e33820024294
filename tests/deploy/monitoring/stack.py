"""Prometheus and Alertmanager as deploy/prometheus configures them, on ports of their own, started and ended by pid.

`hurried` makes them sixty times as fast: what takes minutes by the rules takes seconds. Nothing else of the rules
changes.
"""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from tests.broker.cluster import free_ports

DEPLOYED: Final = Path(__file__).parents[3] / "deploy" / "prometheus"
ALERTMANAGERS: Final = ("prometheus-alertmanager", "alertmanager")  # Debian's name, everybody else's
_MINUTES: Final = re.compile(
    r"(?<=\[)(\d+)m(?=\])|(?<=offset )(\d+)m\b|(?<=for: )(\d+)m$|(?<=interval: )(\d+)m$", re.MULTILINE
)
_SOON: Final = 10  # seconds that an answer may take


def hurried(rules: str) -> str:
    """The rules with their minutes as seconds: windows, offsets, and how long something has to hold."""
    return _MINUTES.sub(lambda found: f"{next(filter(None, found.groups()))}s", rules)


class Monitoring:
    """Both processes.

    `target` is the host:port that is scraped, `hook` where notifications go, instead of the example's. `others` are
    those of `curfewd revoke` and `curfewd receive`; nobody asks for what is not among them. A scrape has
    `scrape_seconds` for its answer, then the next begins.
    """

    def __init__(  # noqa: PLR0913 - what a test may choose, each by its name
        self,
        folder: Path,
        target: str,
        hook: str,
        *,
        others: Sequence[str] = (),
        hurry: bool = True,
        scrape_seconds: int = 1,
    ) -> None:
        self.folder = folder
        self._ports = free_ports(2)
        self._processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._scrape_interval = f"{scrape_seconds}s"
        self._write([target, *others], hook, hurry=hurry)

    def __enter__(self) -> Self:
        prometheus, alertmanager = self._ports
        name = next((path for each in ALERTMANAGERS if (path := shutil.which(each))), None)
        assert name, "install Alertmanager (Debian: apt-get install prometheus-alertmanager)"
        self._start(
            name,
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            "--cluster.listen-address=",
        )
        self._start(
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(_SOON)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def port(self) -> int:
        """Of Prometheus."""
        return self._ports[0]

    def alerts(self) -> list[dict[str, Any]]:
        """What Alertmanager says that stands."""
        return list(self._get(1, "/api/v2/alerts", {"active": "true"}) or [])

    def pending_or_firing(self) -> list[dict[str, Any]]:
        """What Prometheus says of its alerts."""
        answer = self._get(0, "/api/v1/alerts", {})
        return list(answer["data"]["alerts"]) if answer else []

    def query(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of a range query, times in Unix seconds."""
        parameters = {"query": expression, "start": f"{start}", "end": f"{end}", "step": f"{step}"}
        answer = self._get(0, "/api/v1/query_range", parameters)
        return list(answer["data"]["result"]) if answer else []

    def broken(self) -> list[str]:
        """Rules that could not be evaluated."""
        answer = self._get(0, "/api/v1/rules", {})
        assert answer, "Prometheus does not answer"
        rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
        assert rules
        return [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule["health"] == "err"]

    def _write(self, targets: list[str], hook: str, *, hurry: bool) -> None:
        config = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text())
        if hurry:
            config["global"] = {"scrape_interval": self._scrape_interval, "evaluation_interval": "1s"}
        config["scrape_configs"] = config["scrape_configs"][: len(targets)]
        for job, target in zip(config["scrape_configs"], targets, strict=True):
            job["static_configs"] = [{"targets": [target]}]
        config["alerting"]["alertmanagers"][0]["static_configs"] = [
            {"targets": [f"127.0.0.1:{self._ports[1]}"]}
        ]
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (self.folder / "rules").mkdir(exist_ok=True)
        for path in (DEPLOYED / "rules").iterdir():
            text = path.read_text()
            (self.folder / "rules" / path.name).write_text(hurried(text) if hurry else text)
        routing = (DEPLOYED / "alertmanager.yml").read_text().replace("http://127.0.0.1:9095", hook)
        if hurry:
            routing = re.sub(r"(group_interval|group_wait): \S+", r"\1: 1s", routing)
        (self.folder / "alertmanager.yml").write_text(routing)

    def _start(self, *command: str) -> None:
        log = (self.folder / f"{Path(command[0]).name}.log").open("wb")
        with log:
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            )

    def _get(self, which: int, path: str, parameters: dict[str, str]) -> Any:
        """The answer; None while there is none."""
        url = f"http://127.0.0.1:{self._ports[which]}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=_SOON) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 503:  # it starts
                    return None
                raise AssertionError(error.read().decode()) from error
        except OSError:
            return None
