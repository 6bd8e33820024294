"""A standalone Spark cluster on loopback, of a master and two workers started by class: pip brings no scripts."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

CORES = 1  # of each worker
CONF = """\
spark.authenticate true
spark.authenticate.secret {secret}
spark.network.crypto.enabled true
spark.io.encryption.enabled true
spark.ui.enabled false
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.executor.memory 1g
spark.cores.max 2
"""


class Standalone:
    """A context manager. `url` is the master, `environ` that of a driver, `submit` the program `spark-submit`."""

    def __init__(self, folder: Path) -> None:
        import pyspark  # noqa: PLC0415 - `make test` has no Spark

        home = Path(pyspark.__file__).parent
        self._folder = folder
        self.submit = str(home / "bin" / "spark-submit")
        self._run = str(home / "bin" / "spark-class")
        folder.mkdir(parents=True)
        conf = folder / "conf"
        conf.mkdir()
        (conf / "spark-defaults.conf").write_text(CONF.format(secret=os.urandom(16).hex()))
        (conf / "spark-defaults.conf").chmod(0o600)
        self.environ = {
            **os.environ,
            "SPARK_CONF_DIR": str(conf),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "PYSPARK_PYTHON": sys.executable,
        }
        self.url = ""
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        port, web = _free_port(), _free_port()
        self.url = f"spark://127.0.0.1:{port}"
        common = ("--properties-file", str(self._folder / "conf" / "spark-defaults.conf"))
        self._start(
            "master", "org.apache.spark.deploy.master.Master",
            "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(web), *common,
        )  # fmt: skip
        _wait(port)
        for number in range(2):
            work = str(self._folder / f"work-{number}")
            self._start(
                f"worker-{number}", "org.apache.spark.deploy.worker.Worker",
                "--host", "127.0.0.1", "--cores", str(CORES), "--memory", "1g", "--work-dir", work,
                "--webui-port", "0", *common, self.url,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            process.terminate()
        for process in reversed(self._started):
            process.wait(30)

    def workers_that_worked(self) -> int:
        """How many workers ran something."""
        return sum(any((self._folder / f"work-{number}").glob("app-*/*")) for number in range(2))

    def _start(self, name: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([self._run, *arguments], env=self.environ, stdout=log, stderr=log)
        self._started.append(process)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _wait(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise TimeoutError("the master of Spark did not start")
