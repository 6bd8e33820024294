"""What tests of more than one module start: real servers, once a session, when the first test asks for one."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser

from detector import jit
from detector.built_kernels import built_kernels
from detector.configuration.deployment_keys import KEY_VARIABLE
from tests.broker import Cluster, shared
from tests.broker.secure import SecureBroker
from tests.browser import launched
from tests.revoke.servers import KeycloakServer, OAuthServer, Postgres, RedisServer

T = TypeVar("T")

# How long an example takes says nothing about the code on a busy machine. Each run has other examples.
settings.register_profile(
    "curfewd", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("curfewd")

# The commands that tests start keep the bytecode of the package: half a second of CPU each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# Loops that only tests call from Python. Any other that was not built would be compiled while a service works.
CALLED_BY_TESTS: Final = {
    "detector.registry.issue_records.claim_after",
    "detector.registry.issue_records.parts_of",
    "detector.registry.issue_records.record_end",
    "detector.registry.packed_names.insert",
    "detector.registry.packed_names.unfilled",
    "detector.registry.packed_names.upper_bits",
    "detector.scan.escapes.is_padding",
}
compiled_late: set[str] = set()


def note_late(kernel: jit.Kernel, *arguments: Any) -> Any:
    """In place of `Kernel.by_numba`, where the loops were built."""
    if kernel.name.startswith("detector.") and kernel.name not in CALLED_BY_TESTS:
        compiled_late.add(kernel.name)
    return kernel.made(*arguments)


if built_kernels():
    vars(jit)["Kernel"].by_numba = note_late


# What a test needs that takes long to start follows from its fixtures: no test has to say it again.
MARKS: Final = {
    "broker": {"broker", "frail_broker", "secure", "guarded", "three", "upgraded", "live_demo", "loop_demo"},
    "browser": {"browser"},
    "clusters": {"keycloak_server", "kubernetes", "vault"},
    "servers": {"loop_demo", "oauth_server", "postgres", "redis_server"},
}


# What a test starts for all tests of its process. One process has all that use it, unless others are idle.
APART: Final = ("frail_broker", "secure", "browser")
# Seconds of the modules, or of the tests with a fixture of those, that wait for other programs, the network or a time
# limit more than they work; about, beside the others. Others with such fixtures take some seconds.
WAITS: Final = {
    "tests/service/whole/test_recreated_topics.py": 370,
    "tests/service/whole/test_process_faults.py": 270,
    "frail_broker": 250,
    "tests/service/whole/test_http_attacks.py": 185,
    "tests/service/whole/test_replay_parity.py": 175,
    "tests/service/whole/test_silent_scan.py": 155,
    "browser": 150,
    "tests/service/test_rights_taken.py": 135,
    "tests/service/whole/test_open_transaction.py": 105,
    "tests/revoke/test_revoker_on_kafka.py": 100,
    "tests/service/whole/test_poison_records.py": 100,
    "tests/service/whole/test_crashing_records.py": 100,
    "tests/deploy/test_deploy_image.py": 90,
    "tests/service/whole/test_standbys.py": 80,
    "tests/service/whole/test_finding_retention_on_kafka.py": 80,
    "tests/deploy/test_deploy_prometheus.py": 80,
    "tests/service/whole/test_workers.py": 75,
    "tests/deploy/test_alerts.py": 75,
    "tests/service/whole/test_declared_topics.py": 70,
    "tests/service/whole/test_upgrade.py": 60,
    "tests/service/whole/test_disk_faults.py": 60,
    "tests/service/whole/test_trust_on_kafka.py": 60,
    "tests/service/whole/test_live_demo.py": 60,
    "tests/service/whole/test_rolling_upgrade.py": 55,
    "tests/service/whole/test_broker_faults.py": 50,
    "tests/service/whole/test_candidates_on_kafka.py": 50,
    "tests/service/whole/test_service_sources.py": 45,
    "tests/kafka/test_stage_faults.py": 45,
    "tests/service/whole/test_sizes_lowered.py": 45,
    "tests/service/whole/test_state_folder.py": 45,
    "tests/service/whole/test_default_session_names_on_kafka.py": 40,
    "tests/deploy/test_deploy_compose.py": 40,
    "tests/service/judge/test_totals.py": 40,
    "tests/service/whole/test_lacking_resources.py": 40,
    "secure": 35,
    "tests/service/whole/test_redacted_topic.py": 35,
    "tests/service/whole/test_planted_secrets.py": 30,
    "tests/kafka/test_stage.py": 30,
    "tests/revoke/test_loop_demo.py": 30,
    "tests/service/whole/test_metrics_and_logs.py": 25,
    "tests/service/whole/test_stream_reassembly.py": 20,
    "tests/service/test_rights.py": 20,
    "tests/service/whole/test_run_command.py": 20,
    "tests/revoke/test_whole_way.py": 15,
    "tests/terminal/test_completion.py": 15,
}
WAITS_BY_FIXTURES: Final = 5
# Modules with four and more seconds of CPU: with them the inner loop would take minutes.
SLOW: Final = """
    adapters/test_aws_policy adapters/test_source_robustness benchmarks/test_names_bench
    benchmarks/test_printed_bench benchmarks/test_speed_benchmarks configuration/test_hostile_files
    docs/test_community_files docs/test_page_examples docs/test_services_page exec/test_exec
    exec/test_exec_terminal explain/test_explain fetch/test_fetch_github ingest/test_inputs_agree
    judge/test_disputed_names judge/test_stage patterns/test_pattern_content receive/test_receive_command
    receive/test_receive_into_file redact/test_unexamined_text register/test_canary
    replay/test_archives_in_processes replay/test_baseline replay/test_believed_files replay/test_bucketed_history replay/test_cli
    replay/test_fingerprint_command replay/test_not_understood replay/test_pattern_trial
    replay/test_facts replay/test_planted_secrets replay/test_random_histories replay/test_remote_files replay/test_timeless replay/test_trust_in_replay
    revoke/targets/test_aws_contract revoke/test_file_run scan/test_decode_chains scan/test_printed_forms
    scan/test_shares scenarios/test_github service/whole/test_http_attacks service/whole/test_run_command
    stages/test_finding_shares suggest/test_suggest_command terminal/test_completion test_extending
"""
WORKERS: Final = 6  # JOBS of the Makefile
WAITING_WORKERS: Final = 5  # two would still wait when all else is done


@pytest.hookimpl(tryfirst=True)  # `-m` selects by these marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by their fixtures, and has those that wait, and then those that work long, begin first.

    Each of six workers starts with a slice of the tests, and takes some from another's end when it is done. So five
    slices begin with tests that wait, by modules or by what they start, the longest first, and the sixth with the
    slow ones; the short ones fill all six, and are what is taken at the end. In alphabetical order one worker would
    have the longest waits, last.
    """
    waiting: dict[str, list[pytest.Item]] = {}
    slow, busy = list[pytest.Item](), list[pytest.Item]()
    slow_modules = frozenset(SLOW.split())
    for item in items:
        used = getattr(item, "fixturenames", ())
        for mark, fixtures in MARKS.items():
            if fixtures.intersection(used):
                item.add_marker(mark)
        module = item.nodeid.split("::", 1)[0]
        if module.removeprefix("tests/").removesuffix(".py") in slow_modules:
            item.add_marker("slow")
        if module in WAITS or any(map(item.get_closest_marker, (*MARKS, "monitoring"))):
            together = next((fixture for fixture in APART if fixture in used), module)
            waiting.setdefault(together, []).append(item)
        elif item.get_closest_marker("slow"):
            slow.append(item)
        else:
            busy.append(item)
    slices = [*spread(waiting, WAITS), slow]
    size = -(-len(items) // WORKERS)
    items.clear()
    for each in slices:
        room = max(0, size - len(each))
        items += [*each, *busy[:room]]
        del busy[:room]
    items += busy


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """No test leaves the deployment key of its environment to the next, or has a loop compiled that should be built."""
    late = sorted(compiled_late)
    compiled_late.clear()
    assert not late, f"numba compiled {', '.join(late)}: deploy/kernels/warm_up.py has to call them"
    assert os.environ.pop(KEY_VARIABLE, None) is None, f"{KEY_VARIABLE} is still set when the test has ended"


def spread(together: Mapping[str, Sequence[T]], waits: Mapping[str, int]) -> list[list[T]]:
    """The tests of each module or fixture, the longest first, each to the worker that has the least to wait for."""
    workers: list[list[T]] = [[] for _ in range(WAITING_WORKERS)]
    seconds = [0] * WAITING_WORKERS
    for name in sorted(together, key=lambda name: (-waits.get(name, WAITS_BY_FIXTURES), name)):
        least = seconds.index(min(seconds))
        workers[least] += together[name]
        seconds[least] += waits.get(name, WAITS_BY_FIXTURES)
    return workers


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests of all processes share it: each makes topics and groups of its own."""
    folder = tmp_path_factory.getbasetemp()
    with shared((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "kafka") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def frail_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One that tests kill, pause and start again; it runs when they end."""
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """A broker with listeners for TLS, SCRAM and tokens. Tests share it: each makes topics of its own."""
    with SecureBroker(tmp_path_factory.mktemp("secure")) as made:
        yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL with pgaudit. Tests share it: each makes roles of its own, and starts it again if it stops it."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def oauth_server() -> Iterator[OAuthServer]:
    """An OAuth 2 server. Tests share it: each gets tokens of its own."""
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Redis with users in an ACL file.

    Tests share it: each makes users of its own, and starts it again if it stops it.
    """
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def keycloak_server() -> Iterator[KeycloakServer]:
    """A Keycloak. Tests share it: each gets tokens of its own."""
    with KeycloakServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium. Tests share it: each opens pages in a profile of its own."""
    async with launched() as chromium:
        yield chromium
