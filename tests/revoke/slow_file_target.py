"""A target whose credentials are files: they outlive the process that is killed.

To revoke one is to remove its file.
"""

import asyncio
from pathlib import Path
from typing import ClassVar

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, Step


class NoOptions(msgspec.Struct, frozen=True):
    """None."""


class SlowFileTarget:
    name: ClassVar[str] = "files"
    Options: ClassVar[type[msgspec.Struct]] = NoOptions

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        return command.provider == "recording"

    def plan(self, command: RevocationCommand) -> Plan:
        return Plan((Step(f"remove {command.credential_id}"),), "a look at the folder", 1.0)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        del step
        await asyncio.sleep(0.02)
        try:
            (self._folder / command.credential_id).unlink()
        except FileNotFoundError:
            raise GoneError("it is not there") from None
        await asyncio.sleep(0.02)
        return "removed it"

    async def probe(self, command: RevocationCommand) -> Observation:
        await asyncio.sleep(0.01)
        there = (self._folder / command.credential_id).exists()
        return Observation("live" if there else "dead", "a look at the folder")

    async def close(self) -> None:
        """Nothing is open."""
