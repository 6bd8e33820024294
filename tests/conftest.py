"""What tests of more than one module start: real servers, once a session, when the first test asks for one."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser

from detector.configuration.settings import KEY_VARIABLE
from tests.broker import Cluster
from tests.browser import launched
from tests.revoke.servers import KeycloakServer, OAuthServer, Postgres, RedisServer

T = TypeVar("T")

# How long an example takes says nothing about the code on a busy machine.
settings.register_profile("curfewd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("curfewd")

# The commands that tests start keep the bytecode of the package: half a second of CPU each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# What a test needs that takes long to start follows from its fixtures: no test has to say it again.
MARKS: Final = {
    "broker": {"broker", "secure", "guarded", "three", "upgraded", "live_demo", "loop_demo"},
    "browser": {"browser"},
    "clusters": {"keycloak_server", "kubernetes", "vault"},
    "servers": {"loop_demo", "oauth_server", "postgres", "redis_server"},
}


# Seconds of the modules whose tests wait for other programs, the network or a time limit more than they work; about, on a
# machine with little else to do. Others with such fixtures take some seconds.
WAITS: Final = {
    "tests/service/whole/test_process_faults.py": 250,
    "tests/service/whole/test_upgrade.py": 170,
    "tests/service/whole/test_broker_away.py": 160,
    "tests/service/whole/test_http_attacks.py": 130,
    "tests/service/whole/test_standbys.py": 130,
    "tests/service/whole/test_broker_faults.py": 100,
    "tests/service/whole/test_disk_faults.py": 90,
    "tests/service/whole/test_replay_parity.py": 90,
    "tests/service/whole/test_workers.py": 90,
    "tests/service/judge/test_totals.py": 80,
    "tests/service/whole/test_metrics_and_logs.py": 80,
    "tests/deploy/test_alerts.py": 70,
    "tests/deploy/test_deploy_image.py": 70,
    "tests/service/whole/test_open_transaction.py": 70,
    "tests/kafka/test_stage_faults.py": 60,
    "tests/service/whole/test_redacted_topic.py": 60,
    "tests/service/whole/test_stream_reassembly.py": 60,
    "tests/deploy/test_deploy_compose.py": 50,
    "tests/deploy/test_deploy_prometheus.py": 50,
    "tests/revoke/test_revoker_on_kafka.py": 50,
    "tests/service/test_rights.py": 50,
    "tests/service/whole/test_planted_secrets.py": 50,
    "tests/service/whole/test_declared_topics.py": 40,
    "tests/service/whole/test_poison_records.py": 40,
    "tests/service/whole/test_secure_connections.py": 40,
    "tests/kafka/test_stage.py": 30,
    "tests/revoke/test_loop_demo.py": 30,
    "tests/service/whole/test_candidates_on_kafka.py": 30,
    "tests/service/whole/test_live_demo.py": 30,
    "tests/service/test_topics.py": 25,
    "tests/service/whole/test_default_session_names_on_kafka.py": 25,
    "tests/service/whole/test_run_command.py": 25,
    "tests/service/whole/test_service_sources.py": 25,
    "tests/service/whole/test_trust_on_kafka.py": 25,
    "tests/revoke/test_whole_way.py": 20,
    "tests/service/whole/test_view_on_kafka.py": 20,
    "tests/receive/test_receive_on_kafka.py": 35,
    "tests/terminal/test_completion.py": 20,
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
    replay/test_facts replay/test_planted_secrets replay/test_remote_files replay/test_timeless replay/test_trust_in_replay
    revoke/targets/test_aws_contract revoke/test_file_run scan/test_decode_chains scan/test_printed_forms
    scan/test_shares scenarios/test_github service/whole/test_http_attacks service/whole/test_run_command
    stages/test_finding_shares suggest/test_suggest_command terminal/test_completion test_extending
"""
WORKERS: Final = 5  # JOBS of the Makefile
WAITING_WORKERS: Final = 4  # two would still wait when all else is done


@pytest.hookimpl(tryfirst=True)  # `-m` selects by these marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by their fixtures, and has those that wait, and then those that work long, begin first.

    Each of five workers starts with a slice of the tests, and takes some from another's end when it is done. So four
    slices begin with tests that wait, by modules, the longest first, and the fifth with the slow ones; the short ones
    fill all five, and are what is taken at the end. In alphabetical order one worker would have the longest waits, last.
    """
    waiting: dict[str, list[pytest.Item]] = {}
    slow, busy = list[pytest.Item](), list[pytest.Item]()
    slow_modules = frozenset(SLOW.split())
    for item in items:
        for mark, fixtures in MARKS.items():
            if fixtures.intersection(getattr(item, "fixturenames", ())):
                item.add_marker(mark)
        module = item.nodeid.split("::", 1)[0]
        if module.removeprefix("tests/").removesuffix(".py") in slow_modules:
            item.add_marker("slow")
        if module in WAITS or any(map(item.get_closest_marker, (*MARKS, "monitoring"))):
            waiting.setdefault(module, []).append(item)
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
    """No test leaves the deployment key of its environment to the next."""
    assert os.environ.pop(KEY_VARIABLE, None) is None, f"{KEY_VARIABLE} is still set when the test has ended"


def spread(modules: Mapping[str, Sequence[T]], waits: Mapping[str, int]) -> list[list[T]]:
    """The tests of each module, the longest modules first, each to the worker that has the least to wait for."""
    workers: list[list[T]] = [[] for _ in range(WAITING_WORKERS)]
    seconds = [0] * WAITING_WORKERS
    for module in sorted(modules, key=lambda name: (-waits.get(name, WAITS_BY_FIXTURES), name)):
        least = seconds.index(min(seconds))
        workers[least] += modules[module]
        seconds[least] += waits.get(module, WAITS_BY_FIXTURES)
    return workers


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests share it: each makes topics and groups of its own."""
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


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
    """Redis with users in an ACL file. Tests share it: each makes users of its own, and starts it again if it stops it."""
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
