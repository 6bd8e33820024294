"""The unit: systemd's own checks, what it promises of stops and restarts, and that the configuration beside it is right."""

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

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
EXPOSURE = "12"  # tenths; what is open is said in the unit
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed on this machine"
)


def unit() -> "configparser.SectionProxy":
    # Keys may be repeated; the last is enough for what is asked here.
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / "curfewd.service")
    return parser["Service"]


@needs_systemd
def test_systemd_reads_it_without_a_complaint(tmp_path: Path) -> None:
    # What it starts is installed elsewhere; here any program stands for it.
    text = (UNITS / "curfewd.service").read_text()
    assert text.count("/opt/curfewd/bin/curfewd") == 1
    (tmp_path / "curfewd.service").write_text(text.replace("/opt/curfewd/bin/curfewd", "/bin/true"))
    extra = tmp_path / "curfewd.service.d"
    extra.mkdir()
    shutil.copy(UNITS / "kafka-password.conf", extra)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "curfewd.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_little_of_the_machine_is_open_to_it() -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}"]
    done = subprocess.run([*command, UNITS / "curfewd.service"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None, reason="systemd is not installed on this machine"
)
def test_its_user_is_made_and_can_log_in_nowhere(tmp_path: Path) -> None:
    command = ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "curfewd.sysusers.conf")]
    (tmp_path / "etc").mkdir()
    subprocess.run(command, check=True, capture_output=True)
    name, _, _, _, _, home, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    assert (name, home, shell) == ("curfewd", "/var/lib/curfewd", "/usr/sbin/nologin")


def test_what_only_a_person_can_mend_is_not_tried_again() -> None:
    service = unit()
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == str(FAILED) == "2"


def test_a_stop_is_given_the_time_that_draining_may_take() -> None:
    drain = (
        KafkaSettings.__struct_defaults__[KafkaSettings.__struct_fields__.index("drain_timeout") - 2] / SECOND
    )
    seconds = float(unit()["TimeoutStopSec"].removesuffix("s"))
    assert seconds >= drain + 2 * LEAVE_SECONDS + 10


def test_the_configuration_beside_it_is_right(tmp_path: Path) -> None:
    # The unit's folders and credentials are not here: those of the test are.
    text = (UNITS / "curfewd.toml").read_text()
    service = unit()
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
