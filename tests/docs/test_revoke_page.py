"""docs/revoke.md: the examples of rails, approvals and notices are right, and pass `curfewd check`."""

import re
from pathlib import Path

import pytest

from detector.cli import main
from detector.configuration.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "revoke.md"
SECTIONS = ("A first look", "Rails", "Approvals", "Notices")
PEOPLE = (
    '[[revoke.approver]]\nname = "a"\ntoken_file = "a"\n[[revoke.approver]]\nname = "b"\ntoken_file = "b"\n'
)


def example(section: str) -> str:
    """The first block of TOML in a section."""
    text = PAGE.read_text().split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_examples_are_right(section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "curfewd.toml"
    text = f'key_file = "key"\n{example(section)}'
    config.write_text(text + (PEOPLE if section == "Rails" else ""))
    names = [*re.findall(r'_file = "([^"]+)"', config.read_text())]
    for number, name in enumerate(names):
        token = f"{number:02}23456789abcdef0123456789abcdef"
        (tmp_path / name).write_text(f"whsec_{token}" if name == "tickets.secret" else token)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "slack-url").write_text("https://hooks.slack.com/services/T/B/x")
    assert main(["check", "--config", str(config)]) == 0
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if "revoke.targets" not in line] == []
    assert Settings.load(str(config), {}).revoke.given
