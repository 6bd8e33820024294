"""The units: systemd's own checks, its promises of stops and restarts, and that the configuration beside is right."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.settings import Settings
from detector.kafka.stage import LEAVE_SECONDS
from detector.service.command import FAILED
from detector.values.times import SECOND
from tests.command_line import curfewd

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
NAMES = ("curfewd", "curfewd-revoke")
EXPOSURE = "12"  # tenths; what is open is said in the unit
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed on this machine"
)


def unit(name: str) -> "configparser.SectionProxy":
    # Keys may be repeated; the last is enough for what is asked here.
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / f"{name}.service")
    return parser["Service"]


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_systemd_reads_it_without_a_complaint(name: str, tmp_path: Path) -> None:
    # What it starts is installed elsewhere; here any program stands for it.
    text = (UNITS / f"{name}.service").read_text()
    assert text.count("/opt/curfewd/bin/curfewd") == 1
    (tmp_path / f"{name}.service").write_text(text.replace("/opt/curfewd/bin/curfewd", "/bin/true"))
    extra = tmp_path / f"{name}.service.d"
    extra.mkdir()
    shutil.copy(UNITS / "kafka-password.conf", extra)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / f"{name}.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_little_of_the_machine_is_open_to_it(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}"]
    done = subprocess.run([*command, UNITS / f"{name}.service"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None, reason="systemd is not installed on this machine"
)
@pytest.mark.parametrize("unit_name", NAMES)
def test_its_user_is_made_and_can_log_in_nowhere(unit_name: str, tmp_path: Path) -> None:
    command = ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / f"{unit_name}.sysusers.conf")]
    (tmp_path / "etc").mkdir()
    subprocess.run(command, check=True, capture_output=True)
    name, _, _, _, _, home, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    assert (name, home, shell) == (unit_name, f"/var/lib/{unit_name}", "/usr/sbin/nologin")
    assert unit(unit_name)["User"] == unit(unit_name)["StateDirectory"] == unit_name


@pytest.mark.parametrize("name", NAMES)
def test_what_only_a_person_can_mend_is_not_tried_again(name: str) -> None:
    service = unit(name)
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == str(FAILED) == "2"


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_is_given_the_time_that_draining_may_take(name: str) -> None:
    drain = (
        KafkaSettings.__struct_defaults__[KafkaSettings.__struct_fields__.index("drain_timeout") - 2] / SECOND
    )
    seconds = float(unit(name)["TimeoutStopSec"].removesuffix("s"))
    assert seconds >= drain + 2 * LEAVE_SECONDS + 10


def test_the_configuration_beside_it_is_right(tmp_path: Path) -> None:
    # The unit's folders and credentials are not here: those of the test are.
    text = (UNITS / "curfewd.toml").read_text()
    service = unit("curfewd")
    loaded = re.findall(r"^LoadCredential=([\w-]+):", (UNITS / "curfewd.service").read_text(), re.MULTILINE)
    assert loaded == ["key"]
    assert 'key_file = "/run/credentials/curfewd.service/key"' in text
    assert f'state = "/var/lib/{service["StateDirectory"]}"' in text
    (tmp_path / "key").write_text("00" * 32)
    config = tmp_path / "curfewd.toml"
    config.write_text(text.replace("/run/credentials/curfewd.service", str(tmp_path)))
    settings = Settings.load(str(config), {})
    assert settings.live().inputs.named == ("audit-events", "ci-logs")
    assert settings.service.listen.loopback
    assert settings.service.probes.loopback


def test_the_revoker_is_hardened_as_the_service_is_and_writes_to_its_state_alone() -> None:
    service, revoker = unit("curfewd"), unit("curfewd-revoke")
    for key, value in service.items():
        if key.startswith(("Protect", "Private", "Restrict", "System", "Lock", "NoNew", "Capab", "Ambient")):
            assert revoker[key] == value, key
    assert "CacheDirectory" not in revoker
    assert "ReadWritePaths" not in revoker
    written = re.findall(
        r"(?:HOME|XDG_CACHE_HOME|NUMBA_CACHE_DIR)=(\S+)", (UNITS / "curfewd-revoke.service").read_text()
    )
    assert len(written) == 3
    assert all(path.startswith("/var/lib/curfewd-revoke") for path in written)


def test_the_configuration_of_the_revoker_plans_and_has_its_secrets_from_systemd(tmp_path: Path) -> None:
    text = (UNITS / "revoke.toml").read_text()
    loaded = re.findall(
        r"^LoadCredential=(\w+):(\S+)", (UNITS / "curfewd-revoke.service").read_text(), re.MULTILINE
    )
    assert loaded == [("revoke", "/etc/curfewd/revoke")]
    named = re.findall(r'_file = "([^"]+)"', text)
    assert named
    assert all(each.startswith("/run/credentials/curfewd-revoke.service/revoke_") for each in named)
    for each in named:
        (tmp_path / Path(each).name).write_text("00" * 32)
        (tmp_path / Path(each).name).chmod(0o600)
    config = tmp_path / "revoke.toml"
    moved = text.replace("/run/credentials/curfewd-revoke.service", str(tmp_path))
    config.write_text(moved.replace("/var/lib/curfewd-revoke", str(tmp_path)))
    checked = curfewd("check", "--config", config)
    # The revoker recognises no credential by its key: it has none.
    assert checked.code == 0
    assert checked.err.count(b"\n") == 1
    assert b"no deployment key" in checked.err
    settings = Settings.load(str(config), {})
    assert settings.revoke.mode == "plan"
    assert settings.revoke.probes.loopback
    assert [table.type for table in settings.revoke.targets] == ["vault"]
    assert len(settings.revoke.command_keys) == 1
