"""What a configuration does not do, though nothing in it is wrong."""

from collections.abc import Iterator

import msgspec

from detector.configuration.settings import Settings


def scope_notes(settings: Settings) -> Iterator[str]:
    """A sentence for each thing that it leaves out; a missing deployment key has a warning of its own."""
    revoke = msgspec.structs.replace(settings.revoke, command_keys=())  # they come from the keys
    if msgspec.structs.replace(settings, keys=(), warnings=(), revoke=revoke) == Settings():
        yield "It sets nothing: all rules and patterns are on, with their defaults."
    if settings.kafka is None:
        revoker = ", `curfewd revoke` carries out files alone (--commands)" if settings.revoke.given else ""
        yield (
            "It has no [kafka]: `curfewd replay`, `redact` and `suggest` take it, `curfewd run` does not start"
            f"{revoker}."
        )
