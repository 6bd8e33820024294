"""A program of one's own that revokes: the message on its standard input, its exit code as the answer.

    0   done; standard output may say `state`, as the answer of a webhook does
    3   there is nothing to revoke: it is gone
    4   it refuses; standard output may say why, as `refused`
    75  not now: try again (EX_TEMPFAIL)

Anything else, a signal, a timeout or garbage on standard output is a failure, which is tried again. No shell is
involved. The program gets none of the revoker's environment but PATH and what `environment` names.
"""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import ClassVar, Final

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.delegation import Delegated, Statement, message_of, statement_of
from detector.terminal.output import shown, why

_DONE: Final = 0
_GONE: Final = 3
_REFUSED: Final = 4
_NOT_NOW: Final = 75
_ANSWER: Final = 1 << 16
_KILLED: Final = 2.0  # seconds until a killed program is given up
_SHORTEST_SECRET: Final = 8  # characters
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class ProgramOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program.

    - `command`: the path of the program, which begins with a slash, and its arguments. Nothing of a command is put
      there.
    - `probes`: whether it also answers messages that only ask for the state.
    - `timeout`: seconds until it is killed, with what it started. The revoker itself gives up after 15.
    - `environment`: names of variables that it gets from the revoker's environment.
    """

    command: tuple[str, ...]
    probes: bool = False
    timeout: float = 10.0
    environment: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        if not self.command or not self.command[0].startswith("/"):
            raise ValueError('command: write the program with its whole path, as ["/opt/revoke-it", "--now"]')
        if not 0 < self.timeout <= 14:  # noqa: PLR2004 - the message says it
            raise ValueError(
                "timeout: write seconds, more than 0 and at most 14: answer 75 if it takes longer"
            )


class Program(Delegated):
    """Runs a program for each command. It takes every command: a `match` says which are meant."""

    name: ClassVar[str] = "program"
    Options: ClassVar[type[msgspec.Struct]] = ProgramOptions

    def __init__(self, options: ProgramOptions) -> None:
        self._options = options
        who = f"the program {shown(options.command[0])}"
        super().__init__(who, f"let {who} revoke", f"{who} ended with 0", probes=options.probes)

    async def close(self) -> None:
        """Nothing is open."""

    async def _ask(self, command: RevocationCommand, kind: str) -> Statement:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._options.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=self._environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"{self._who} cannot be started: {why(error)}") from None
        try:
            async with asyncio.timeout(self._options.timeout):
                answer = await _talked(process, message_of(command, kind))
                code = await process.wait()
        except BaseException as error:  # a cancelled turn leaves no program behind
            await _end(process)
            if not isinstance(error, TimeoutError):
                raise
            raise UnavailableError(f"{self._who} did not end within {self._options.timeout:g} s") from None
        if code == _GONE:
            raise GoneError(f"{self._who} says that the credential is gone")
        if code == _REFUSED:
            statement_of(answer, self._who, self._secrets())  # which raises the reason that it gives
            raise RefusedError(f"{self._who} refuses")
        if len(answer) > _ANSWER:
            raise UnavailableError(f"{self._who} answers more than 64 KiB")
        if code != _DONE:
            reason = "says: not now" if code == _NOT_NOW else f"failed (exit code {code})"
            raise UnavailableError(f"{self._who} {reason}")
        return statement_of(answer, self._who, self._secrets())

    def _environment(self) -> dict[str, str]:
        return {"PATH": _PATH, "LANG": "C.UTF-8", **self._given()}

    def _given(self) -> dict[str, str]:
        return {name: os.environ[name] for name in self._options.environment if name in os.environ}

    def _secrets(self) -> list[str]:
        """What of its environment may be a secret."""
        return [value for value in self._given().values() if len(value) >= _SHORTEST_SECRET]


async def _talked(process: asyncio.subprocess.Process, message: bytes) -> bytes:
    """Writes the message, and reads the answer, which is cut after one byte too many."""
    return (await asyncio.gather(_read(process), _write(process, message)))[0]


async def _write(process: asyncio.subprocess.Process, message: bytes) -> None:
    if process.stdin is not None:
        with suppress(ConnectionError):  # it need not read it
            process.stdin.write(message)
            await process.stdin.drain()
        process.stdin.close()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    answer, size = b"", 0
    while process.stdout is not None and (chunk := await process.stdout.read(_ANSWER)):
        if size <= _ANSWER < size + len(chunk):
            _signal(process)
        size += len(chunk)
        answer += chunk[: max(0, _ANSWER + 1 - len(answer))]
    return answer


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills the program and what it started. `wait` returns only once its output has been read to the end."""
    _signal(process)
    with suppress(TimeoutError):  # what left the group may hold the output open
        async with asyncio.timeout(_KILLED):
            await _read(process)
            await process.wait()


def _signal(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


TARGET: Final = Program
