"""The command: started as a shell would, told every signal that we are told, and waited for."""

import errno
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from detector.terminal.output import shown, why

CANNOT_RUN: Final = 126  # as shells and env(1) exit
NOT_FOUND: Final = 127
FORWARDED: Final = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGCONT,
        signal.SIGTSTP,
        signal.SIGWINCH,
    }
)
_WAITED: Final = FORWARDED | {signal.SIGCHLD}
_FROM_KERNEL: Final = 0x80  # SI_KERNEL: a terminal sends to all processes of a group, the command among them
_JOB_STOPS: Final = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_CANCELS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # how people and schedulers end a job
# Python ignores these at its start, and a command would inherit that.
IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)


class Ending(NamedTuple):
    """How a command ended: with an exit code, or killed by a signal; and when (ns)."""

    code: int
    signal: int = 0
    cancelled: bool = False
    time: int = 0

    @property
    def outcome(self) -> str:
        """As `task.ended` has it."""
        if self.cancelled:
            return "cancelled"
        return "failed" if self.code or self.signal else "succeeded"


class CannotRunError(Exception):
    """The command could not be started: `code` is what shells exit with then."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(reason)


def block_signals() -> frozenset[int]:
    """From now on signals wait for `wait_for`. Returns the mask that the command gets: ours before."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores it cannot wait
    return frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED))


def spawn(
    command: Sequence[str], environ: Mapping[str, str], mask: frozenset[int], outputs: Mapping[int, int]
) -> int:
    """Starts the command in our process group, with our streams but for `outputs` (number to descriptor).

    Raises:
        CannotRunError: it is not there, or cannot be run.
    """
    actions = [(os.POSIX_SPAWN_DUP2, handle, number) for number, handle in outputs.items()]

    def start(file: str, argv: tuple[str, ...]) -> int:
        return os.posix_spawnp(
            file, argv, environ, file_actions=actions, setsigmask=mask, setsigdef=IGNORED_BY_PYTHON
        )

    try:
        try:
            return start(command[0], tuple(command))
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return start("/bin/sh", ("sh", *command))  # a script without `#!`, as execvp(3) does
    except (OSError, ValueError) as error:
        raise cannot_run(command[0], error) from None


def cannot_run(command: str, error: Exception) -> CannotRunError:
    """The error for a command that the system refuses."""
    missing = isinstance(error, FileNotFoundError)
    reason = why(error) if isinstance(error, OSError) else "there is a zero byte in it"
    return CannotRunError(NOT_FOUND if missing else CANNOT_RUN, f"{shown(command)} cannot be run: {reason}")


def wait_for(pid: int, forward: Callable[[int, bool], None]) -> Ending:
    """Waits for the command. `forward(signal, from a terminal)` is called for each signal that comes meanwhile."""
    asked: set[int] = set()
    while True:
        info = signal.sigwaitinfo(_WAITED)
        if info.si_signo != signal.SIGCHLD:
            asked.add(info.si_signo)
            forward(info.si_signo, info.si_code == _FROM_KERNEL)
            continue
        _reap_others(pid)
        while (state := os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOHANG)) is not None:
            if state.si_code == os.CLD_EXITED:
                cancelled = bool(state.si_status and asked.intersection(_CANCELS))
                return Ending(state.si_status, 0, cancelled, time.time_ns())
            if state.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
                number = state.si_status
                return Ending(128 + number, number, number in _CANCELS, time.time_ns())
            if state.si_code == os.CLD_STOPPED and state.si_status in _JOB_STOPS:
                os.kill(
                    os.getpid(), signal.SIGSTOP
                )  # the shell sees its job stopped, and continues all of it


def to_process(pid: int) -> Callable[[int, bool], None]:
    """Forwards signals to a command in our process group. It has those of a terminal already, but for a hang-up."""

    def forward(number: int, from_terminal: bool) -> None:  # noqa: FBT001 - as `wait_for` calls it
        if not from_terminal or number == signal.SIGHUP:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    return forward


def die_as(ending: Ending) -> int:
    """Ends as the command did: by its signal, so that whoever started us sees the same. Returns its exit code else."""
    if ending.signal:
        import resource  # noqa: PLC0415 - only then

        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
            if ending.signal != signal.SIGKILL:
                signal.signal(ending.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [ending.signal])
        os.kill(os.getpid(), ending.signal)
    return ending.code


def _reap_others(pid: int) -> None:
    """As the first process of a container we inherit processes whose parents died."""
    if os.getpid() != 1:
        return
    with suppress(ChildProcessError):
        while True:
            other = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if other is None or other.si_pid == pid:
                return
            os.waitpid(other.si_pid, 0)
