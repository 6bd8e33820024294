"""The `[receive]` table: what is wrong with it is said with its line, and no secret is written in it."""

from pathlib import Path

import pytest

from detector.configuration.receive_settings import GOOGLE_ISSUER, GOOGLE_KEYS, TokenClaims
from detector.configuration.settings import Settings, checked

TOKEN = "a-made-up-secret-of-the-test"
GITHUB = '[[receive.source]]\nname = "github"\ntype = "github"\ntopic = "ci"\n'
EVENTS = '[[receive.source]]\nname = "events"\ntype = "cloudevents"\ntopic = "events"\n'


def mistakes(folder: Path, text: str) -> list[str]:
    path = folder / "c.toml"
    path.write_text(text)
    return [str(error).removeprefix(f"{path}:") for error in checked(str(path), {"TOKEN": TOKEN})[1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[receive]\n", "1: receive: needs at least one [[receive.source]]"),
        (f'[receive]\nlisten = "0.0.0.0:80"\n{GITHUB}secrets = ["env:TOKEN"]', "2: receive.listen: on 0.0.0.0:80 secrets"),
        (f"{GITHUB}", "1: receive.source: type github needs secrets"),
        (f"{EVENTS}", "1: receive.source: anybody could send"),
        (f'{EVENTS}secrets = ["{TOKEN}"]', "5: receive.source.secrets: never write a secret"),
        (f"{EVENTS}secrets = []", "5: receive.source.secrets: never write a secret"),
        (f'{EVENTS}clients = ["a"]', "5: receive.source.clients: has an effect only with receive.client_ca_file"),
        (f'{EVENTS}issuer = "https://i.example"', "1: receive.source: needs audience"),
        (f'{EVENTS}issuer = "https://i.example"\naudience = "a"', "1: receive.source: issuer needs keys_url"),
        (
            f'{EVENTS}issuer = "i"\naudience = "a"\nkeys_url = "http://i.example/keys"',
            "7: receive.source.keys_url: what decides who is believed would be sent in the clear: write https",
        ),
        (f'{GITHUB}secrets = ["env:TOKEN"]\nheader = "X-A"', "6: receive.source.header: has an effect only with"),
        (f'{GITHUB}secrets = ["env:TOKEN"]\nsources = ["a"]', "6: receive.source.sources: has an effect only with"),
        (EVENTS.replace('"events"', '"../etc"', 1), "2: receive.source.name: it is a path of the URL"),
        (EVENTS.replace("cloudevents", "pubsub") + 'audience = "a"', "1: receive.source: type pubsub needs emails"),
        (f'{EVENTS}secrets = ["env:TOKEN"]\n' * 2, "7: receive.source: another one is called events"),
        (f'[receive]\nkey_file = "k"\n{EVENTS}secrets = ["env:TOKEN"]', "1: receive: key_file and client_ca_file need"),
        (f'[receive]\nbody_size = 1\n{EVENTS}secrets = ["env:TOKEN"]', "2: receive.body_size: no such key (did you mean"),
    ],
    ids=range(17),
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    found = mistakes(tmp_path, text)
    assert any(each.startswith(said) for each in found), found
    assert not any(TOKEN in each for each in found)


def test_secrets_that_are_missing_are_told_only_to_whoever_needs_them(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'{GITHUB}secrets = ["env:NONE", "file:none", "env:SHORT"]')
    settings = Settings.load(str(path), {"SHORT": "short"})
    assert settings.unmet == ()
    assert [error.line for error in settings.receive.unmet] == [5, 5, 5]
    assert "shorter than 16" in str(settings.receive.unmet[2])


def test_pubsub_believes_google_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(EVENTS.replace("cloudevents", "pubsub") + 'audience = "a"\nemails = ["e"]')
    (source,) = Settings.load(str(path), {}).receive.sources
    assert source.token == TokenClaims(GOOGLE_ISSUER, "a", GOOGLE_KEYS, ("e",))


def test_a_topic_that_nobody_reads_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        f'[kafka]\nbootstrap = "127.0.0.1:9092"\nevent_topics = ["ev*"]\n{EVENTS}secrets = ["env:TOKEN"]\n{GITHUB}secrets = ["env:TOKEN"]'
    )
    receive = Settings.load(str(path), {"TOKEN": TOKEN}).receive
    (warning,) = receive.unread
    assert warning.startswith("receive.source github: nobody reads ci")


SPEAKS_FOR_ALL = (
    "receive.source events: it may send events in any sender's name: set sources to what it names as `source`"
)


@pytest.mark.parametrize(
    ("sources", "warned"), [("", (SPEAKS_FOR_ALL,)), ('sources = ["curfewd-*"]', ())], ids=["any", "own"]
)
def test_a_sender_that_may_speak_for_all_is_a_warning(
    tmp_path: Path, sources: str, warned: tuple[str, ...]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'{EVENTS}secrets = ["env:TOKEN"]\n{sources}')
    assert Settings.load(str(path), {"TOKEN": TOKEN}).receive.warnings == warned
