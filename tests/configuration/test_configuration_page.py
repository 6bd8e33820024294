"""docs/configuration.md: that it says what the program reads, and that its defaults are the real ones."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.configuration.fields import Field
from detector.configuration.kafka_settings import KAFKA_FIELDS, SECURITY_FIELDS, TOPIC_FIELDS
from detector.configuration.kafka_table import CLIENT_SECRET_VARIABLE, PASSWORD_VARIABLE
from detector.configuration.network_settings import NETWORK_FIELDS
from detector.configuration.reference_page import EXAMPLE, page
from detector.configuration.service_settings import SERVICE_FIELDS
from detector.configuration.settings import (
    PATTERN_FIELDS,
    SCAN_FIELDS,
    TOP_FIELDS,
    Settings,
    problems,
)
from detector.values.times import MINUTE

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
# Written as the user would, but kept elsewhere: read from the variable, part of every topic's name, or in one set.
NOT_KEPT = {"prefix", "password_env", "client_secret_env", "expected_networks", "expected_networks_files"}


def test_the_page_is_as_the_tables_of_fields_make_it() -> None:
    assert PAGE.read_text() == page(), (
        "run: python -m detector.configuration.reference_page > docs/configuration.md"
    )


def test_every_environment_variable_stands_on_the_page() -> None:
    for variable in (KEY_VARIABLE, PASSWORD_VARIABLE, CLIENT_SECRET_VARIABLE):
        assert f"`{variable}`" in page()


def test_the_example_is_right(tmp_path: Path) -> None:
    (tmp_path / "curfewd.toml").write_text(EXAMPLE)
    (tmp_path / "deployment.key").write_text("00" * 16)
    (tmp_path / "brokers-ca.pem").write_text("")
    (tmp_path / "kafka-password").write_text("made-up")
    assert problems(str(tmp_path / "curfewd.toml"), {}) == []
    settings = Settings.load(str(tmp_path / "curfewd.toml"), {})
    assert settings.policy.grace_period == 2 * MINUTE
    assert settings.live().warnings == ()


def defaults() -> list[tuple[str, Field, Any]]:
    """Each key with a default, and the object that has it when nobody sets it."""
    settings = Settings.load(None, {})
    live = _bare()
    found: list[tuple[str, Field, Any]] = [
        (name, field, settings.policy.networks if name in NETWORK_FIELDS else settings.policy)
        for name, field in TOP_FIELDS.items()
    ]
    found += [(name, field, settings.service) for name, field in SERVICE_FIELDS.items()]
    found += [(name, field, settings.patterns) for name, field in PATTERN_FIELDS.items()]
    found += [(name, field, settings.scan) for name, field in SCAN_FIELDS.items()]
    found += [(name, field, live) for name, field in KAFKA_FIELDS.items()]
    found += [(name, field, live.security) for name, field in SECURITY_FIELDS.items()]
    for topic, fields in TOPIC_FIELDS.items():
        found += [(name, field, getattr(live.topics, topic)) for name, field in fields.items()]
    return [entry for entry in found if entry[1].default and entry[0] not in NOT_KEPT]


def _bare() -> Any:
    import tempfile  # noqa: PLC0415 - parameters are made before there is a tmp_path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curfewd.toml"
        path.write_text('[kafka]\nbootstrap = "127.0.0.1:9092"\n')
        return Settings.load(str(path), {}).live()


@pytest.mark.parametrize(("name", "field", "owner"), defaults())
def test_a_default_on_the_page_is_the_real_one(name: str, field: Field, owner: Any) -> None:
    written = tomllib.loads(f"value = {field.default}")["value"]
    assert field.type.read(written) == getattr(owner, name)


def test_the_variables_that_stand_as_defaults_are_those_that_are_read() -> None:
    assert SECURITY_FIELDS["password_env"].default == f'"{PASSWORD_VARIABLE}"'
    assert SECURITY_FIELDS["client_secret_env"].default == f'"{CLIENT_SECRET_VARIABLE}"'
