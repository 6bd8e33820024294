"""Where a target points: what changes its place, so that proofs of the old one count no more, and what does not."""

import importlib
from typing import Any

import msgspec
import pytest

from detector.configuration.revoke_settings import TargetTable
from detector.revoke.target_tables import FILES, WHERE, TableTarget
from detector.revoke.targets.names import TARGET_MODULES
from tests.revoke.recording import RecordingTarget

HOW = {
    *("timeout", "use_proxy", "probes", "environment", "control_user", "user", "access_key", "profile", "region"),
    *("delete_after", "drop_after", "grace_seconds", "settle_seconds", "save", "sso", "assume_cluster"),
    *("all_sessions", "whole_users", "deploy_tokens", "disable_service_principals", "recreate_service_accounts"),
    *("disable_service_accounts", "deny_project", "denied_permissions", "shared_principals", "token_url"),
    *("key_id", "algorithm", "event", "credential_type"),
}  # fmt: skip
"""Options that say how a target is asked, as whom, and what it does there. A new option has to be in one of the two."""


def place(kind: str = "vault", name: str = "a", **options: Any) -> str:
    return TableTarget(TargetTable(name, kind, options=options), RecordingTarget()).place


@pytest.mark.parametrize("kind", TARGET_MODULES)
def test_each_option_says_where_or_how(kind: str) -> None:
    module = importlib.import_module(f"detector.revoke.targets.{TARGET_MODULES[kind]}")
    options = {field.encode_name for field in msgspec.structs.fields(module.TARGET.Options)}
    assert options & WHERE
    assert {name for name in options - WHERE - HOW if not name.endswith(FILES)} == set()


def test_a_place_is_the_address_and_not_how_it_is_asked() -> None:
    one = place(url="https://one.example", timeout=1.0, token_file="a")
    assert one == place(url="https://one.example", timeout=2.0, token_file="b")
    assert one != place(url="https://two.example")
    assert one != place("gitlab", url="https://one.example")
    assert place("redis", servers=["a", "b"]) != place("redis", servers=["a"])


def test_of_a_target_of_ones_own_every_option_counts_but_files() -> None:
    own = "my.module:Target"
    assert place(own, shop="a", key_file="x") == place(own, shop="a", key_file="y")
    assert place(own, shop="a") != place(own, shop="b")
