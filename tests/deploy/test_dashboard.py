"""The dashboard is one that Grafana takes, and is put where it looks.

What its panels show is seen in test_alerts.py.
"""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARD: Final[dict[str, Any]] = json.loads((HERE / "dashboards" / "curfewd.json").read_text())
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]
COLUMNS: Final = 24


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_it_begins_with_what_was_found_and_goes_on_with_how_the_service_does() -> None:
    assert [panel["title"] for panel in PANELS if panel["type"] == "row"] == [
        "What was found",
        "Revocation",
        "Receiving",
        "How the service does",
    ]
    assert PANELS[0]["type"] == "row"


def test_panels_lie_beside_each_other() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in combinations(PANELS, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus_for_the_chosen_namespace() -> None:
    for panel in PANELS:
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith(".")
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert 'namespace=~"$namespace"' in target["expr"]
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "namespace"]


def test_a_panel_has_one_line_however_many_workers_an_instance_has() -> None:
    """Every series of a worker has the label `worker`: what is not added up over it has to show it."""
    for panel in PANELS:
        for target in panel.get("targets", []):
            expression, legend = target["expr"], target.get("legendFormat", "")
            added_up = re.match(r"(time\(\) - )?(sum|max|min|avg|count|histogram_quantile)\b", expression)
            recorded = re.match(r"curfewd:[a-z_0-9:]+", expression)
            assert added_up or recorded, (panel["title"], expression)
            assert "worker" not in expression
            if recorded and recorded[0] == "curfewd:busy:ratio5m":
                assert "{{worker}}" in legend


def test_it_is_loaded_from_where_it_is_mounted() -> None:
    provisioned = yaml.safe_load((HERE / "provisioning" / "dashboards" / "curfewd.yml").read_text())
    folder = provisioned["providers"][0]["options"]["path"]
    sources = yaml.safe_load((HERE / "provisioning" / "datasources" / "prometheus.yml").read_text())
    assert [each["type"] for each in sources["datasources"]] == ["prometheus"]
    assert f"`{folder}`" in (HERE / "README.md").read_text()
