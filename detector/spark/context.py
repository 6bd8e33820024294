"""Starts Spark, or joins the one that `spark-submit` started."""

import os
import sys
from typing import Any, Final

from detector.values.errors import UsageError

_INSTALL: Final = (
    "--engine spark needs PySpark 4 and Java 17 or newer: pip install '.[spark]' in the checkout of curfewd here, and "
    "curfewd on each worker"
)
_LOCAL: Final = "local"
_LONGEST: Final = 300  # characters of a reason


class SparkStart:
    """Starts Spark when it is first needed. `master` is its URL; None: that of `spark-submit`, else this machine."""

    def __init__(self, master: str | None = None) -> None:
        self._master = master
        self._context: Any = None
        self._ours = False

    def context(self) -> Any:
        """The SparkContext.

        Raises:
            UsageError: PySpark or Java is missing, or the master cannot be reached.
        """
        if self._context is None:
            try:
                from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - an extra
            except ImportError:
                raise UsageError(_INSTALL) from None
            submitted = "PYSPARK_GATEWAY_PORT" in os.environ
            self._ours = SparkContext._active_spark_context is None  # noqa: SLF001 - there is no other way to know
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            if not submitted and (self._master or _LOCAL).startswith(_LOCAL):
                os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
            conf = SparkConf()
            conf.setIfMissing("spark.app.name", "curfewd replay")
            conf.setIfMissing("spark.ui.enabled", "false")
            conf.setIfMissing("spark.ui.showConsoleProgress", "false")  # there is one already
            conf.setIfMissing("spark.python.worker.reuse", "true")
            if self._master is not None:
                conf.setMaster(self._master)
            elif not submitted:
                conf.setIfMissing("spark.master", "local[*]")
            try:
                self._context = SparkContext.getOrCreate(conf)
            except Exception as error:  # noqa: BLE001 - of Java, of Py4J, of PySpark
                raise UsageError(f"Spark cannot be started: {reason(error)}. {_INSTALL}") from None
            if self._ours and not submitted:
                self._context.setLogLevel("ERROR")
        return self._context

    def stop(self) -> None:
        """Stops Spark, if it was started here."""
        if self._context is not None and self._ours:
            self._context.stop()
        self._context = None


def reason(error: BaseException) -> str:
    """What an error of Spark says, in a line: its text is the scheduler's, and of tasks it has none of ours."""
    java = getattr(error, "java_exception", None)
    text = str(error) if java is None else str(java.getMessage())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    return f"{type(error).__name__}: {first[:_LONGEST]}" if first else type(error).__name__
