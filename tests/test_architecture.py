"""The structure: imports run one way, modules stay small, the core has no clock, socket, logger or metric in it."""

import ast
import graphlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "detector"
MODULES = sorted(PACKAGE.rglob("*.py"))
VAGUE_NAMES = {"util", "utils", "helpers", "base", "manager", "common", "misc"}
# Scanning and judging decide: plain functions of values. A clock or a socket in them would make live and replay differ.
PURE = ("values", "patterns", "scan", "judge", "stages")
KEEPS_FILES = {
    "detector.patterns.database_cache",
    "detector.scan.scanner_loader",
    "detector.values.bounded_files",
}  # at the start, not per record
IMPURE = {
    "time",
    "socket",
    "logging",
    "random",
    "asyncio",
    "structlog",
    "prometheus_client",
    "aiokafka",
    "requests",
}


def name_of(path: Path) -> str:
    parts = ("detector", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(path: Path) -> frozenset[str]:
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


NAMES = {name_of(path) for path in MODULES}
# From the ground up: each imports from those before it only. Single modules beside the packages stand beneath all of
# them.
PACKAGES = (
    "terminal",
    "values",
    "records",
    "judge",
    "patterns",
    "adapters",
    "configuration",
    "scan",
    "ingest",
    "pages",
    "outputs",
    "registry",
    "stages",
    "redact",
    "replay",
    "spark",
    "explain",
    "suggest",
    "fetch",
    "kafka",
    "register",
    "exec",
    "service",
    "revoke",
    "receive",
)


def package_of(name: str) -> str:
    parts = name.split(".")[1:]
    return parts[0] if parts and parts[0] in {*PACKAGES, "cli"} else ""


def place_of(name: str) -> int:
    return ("", *PACKAGES, "cli").index(package_of(name))


def is_package(name: str) -> bool:
    return (PACKAGE.parent / name.replace(".", "/")).is_dir()


def test_imports_run_one_way() -> None:
    modules = {name for name in NAMES if not is_package(name)}
    graph = {name_of(path): imports_of(path) & modules - {name_of(path)} for path in MODULES}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert len(order) == len(NAMES)


def test_packages_take_from_those_before_them_only() -> None:
    upwards = {
        f"{name_of(path)} takes {taken}"
        for path in MODULES
        for taken in imports_of(path) & NAMES
        if place_of(taken) > place_of(name_of(path))
    }
    assert upwards == set()
    assert {package_of(name) for name in NAMES} == {"", "cli", *PACKAGES}


def test_a_module_fits_on_a_few_screens_and_has_a_name_that_says_something() -> None:
    assert [name_of(path) for path in MODULES if path.read_text().count("\n") > 600] == []
    assert [name_of(path) for path in MODULES if path.stem in VAGUE_NAMES] == []


def test_what_decides_has_no_clock_socket_or_logger() -> None:
    impure = {
        f"{name_of(path)} takes {taken}"
        for path in MODULES
        if package_of(name_of(path)) in PURE and name_of(path) not in KEEPS_FILES
        for taken in imports_of(path)
        if taken.split(".")[0] in IMPURE
    }
    assert impure == set()


# What the Kafka package takes from others: how brokers are reached, errors, times. It would serve any other service.
KAFKA_TAKES = {
    "detector.__version__",  # members tell it to each other
    "detector.configuration.kafka_settings",
    "detector.configuration.kafka_settings.SASL",
    "detector.configuration.kafka_settings.Security",
    "detector.configuration.kafka_settings.TLS",
    "detector.configuration.urls",
    "detector.configuration.urls.loopback",
    "detector.core",
    "detector.core.CoreError",
    "detector.core.RecordWalk",
    "detector.records",
    "detector.records.record_fields",
    "detector.records.record_fields.Columns",
    "detector.records.magic_numbers",
    "detector.records.magic_numbers.LZ4",
    "detector.records.magic_numbers.XERIAL",
    "detector.records.made_columns",
    "detector.records.made_columns.columns_of_parts",
    "detector.records.record_columns",
    "detector.records.record_columns.RecordColumns",
}


def test_only_the_kafka_package_uses_a_client_of_kafka() -> None:
    users = {
        package_of(name_of(path))
        for path in MODULES
        if any(taken.split(".")[0] == "aiokafka" for taken in imports_of(path))
    }
    assert users == {"kafka"}


def test_the_kafka_package_knows_nothing_of_credentials() -> None:
    taken = {
        taken
        for path in MODULES
        if package_of(name_of(path)) == "kafka"
        for taken in imports_of(path)
        if taken.startswith("detector.") and package_of(taken) not in {"kafka", "values"}
    }
    assert taken - KAFKA_TAKES == set()


def test_nothing_reaches_for_pythons_re_over_hostile_text_without_saying_why() -> None:
    """`re` backtracks: modules that read logs and events use google-re2, or say beside the import why not."""
    offenders = [
        f"{path.name}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if line.startswith("from re import") or line.split("#")[0].strip() == "import re"
        if "#" not in line
    ]
    assert offenders == []


def test_what_observes_the_service_counts_typed_values_and_decodes_no_record() -> None:
    observers = [path for path in MODULES if path.parent.name in {"observability", "view"}]
    assert len(observers) > 10
    decoding = ("json.decode", "Decoder(", ".loads(")
    assert [path.name for path in observers if any(word in path.read_text() for word in decoding)] == []
