"""The machine, or a limit of the process, lacks something: no record is blamed, and each is read again with more."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.whole.crashing_worker import TAKES_MUCH
from tests.service.whole.deployment import ended
from tests.service.whole.disturbed import Disturbed, deployed
from tests.service.whole.test_crashing_records import counts, put_among
from tests.service.whole.test_disk_faults import why

DATA = "--data=500000000"


@pytest.fixture
async def deployment(broker: Cluster, tmp_path: Path) -> Any:
    made = Disturbed(broker.bootstrap, tmp_path)
    made.module = ("tests.service.whole.crashing_worker",)
    await made.create()
    with deployed(made):
        yield made


@pytest.mark.parametrize(
    ("kind", "limit", "says"),
    [
        ("memory", DATA, "memory ran out"),
        ("mappings", DATA, "memory ran out"),
        ("threads", DATA, "no thread could be started"),
        ("files", "--nofile=500:500", "too many files are open"),
    ],
)
async def test_what_a_scan_lacks_ends_the_service_and_makes_no_dead_letter(
    deployment: Disturbed, kind: str, limit: str, says: str
) -> None:
    await put_among(deployment, [TAKES_MUCH + kind.encode()], 5)
    deployment.inside = ["prlimit", limit]
    assert await ended(deployment.start()) == 2
    assert why(deployment).startswith(says)

    deployment.inside = []
    process = deployment.start()

    async def all_found() -> bool:
        return await counts(deployment) == {"c0": 1, "c1": 1, "c2": 1}

    await until(all_found, "all leaks", every=0.5)
    await until(deployment.quiet, "the look-back", every=0.5)
    assert [json.loads(record.value) for record in await deployment.topic("dead-letters")] == []
    assert process.poll() is None
