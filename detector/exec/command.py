"""What `curfewd exec` does: a command, with what curfewd should know of it told around it."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from detector.exec import child
from detector.exec.arguments import Request
from detector.exec.sender_process import SenderProcess, Sending
from detector.register.canary import Canary, make
from detector.register.delivery import send_abandoned
from detector.register.destinations import TOKEN_VARIABLE, Destination, destination_of
from detector.register.heartbeats import Heartbeats, heartbeat
from detector.register.identifiers import KEY_VARIABLE, keys_of
from detector.register.messages import ended
from detector.register.shown_secrets import refuse_shown
from detector.register.spool import Spool, spool_folder, spooled
from detector.register.task import TASK_VARIABLE, canary_fields, issued
from detector.terminal.output import shown
from detector.values.bounded_files import secret_in
from detector.values.errors import InputError, UsageError
from detector.values.secrets import DeploymentKey, Secret

if TYPE_CHECKING:
    from detector.configuration.settings import Settings

SOURCE: Final = "curfewd-exec"
# Variables that hold secrets of curfewd by default: they are for no job. A configuration names others.
OWN_VARIABLES: Final = (
    KEY_VARIABLE,
    TOKEN_VARIABLE,
    "CURFEWD_KAFKA_PASSWORD",
    "CURFEWD_KAFKA_CLIENT_SECRET",
    "CURFEWD_VIEW_TOKEN",
)

_UNSENT: Final = 2  # as what cannot be opened
_PR_SET_DUMPABLE: Final = 4  # prctl(2)

Say = Callable[[str], None]


class _Held(NamedTuple):
    """A secret of the task, and what its credential is called."""

    name: str
    secret: Secret


def execute(request: Request, environ: Mapping[str, str], say: Say) -> int:
    """Runs the command as a task, and exits as it does. `say` writes a warning.

    Raises:
        UsageError: the request cannot be carried out. Nothing ran.
    """
    mask = child.block_signals()
    settings = _settings_of(request.config, environ)
    own = {*OWN_VARIABLES, *(() if settings is None else settings.secret_variables)}
    if any(environ.get(name) for name in own):
        _hide()
    destination = destination_of(request.to, environ, _security_of(settings))
    spool = Spool(spool_folder(environ), destination.address)
    if request.flush:
        return _flush(spool, destination, say)
    keys = keys_of(environ) if settings is None else settings.keys
    held = [*_of_variables(request.variables, environ), *_of_files(request.files)]
    planted = _planted(request, environ)
    lines = _first_events(request, held, keys)
    secrets = [one.secret for one in held]
    given = {name: value for name, value in environ.items() if name not in own}
    given[TASK_VARIABLE] = request.task.task_id
    for name, canary in planted.items():
        fields = canary_fields(request.task.task_id, name, canary)
        secrets.append(Secret(canary.secret.encode()))
        lines.append(issued(SOURCE, time.time_ns(), fields, secrets[-1], keys))
        given |= canary.variables(name)
    file, kept = spooled(spool, lines, say)
    heartbeats = Heartbeats(destination, SOURCE, request.task.task_id, request.lease)
    sender = SenderProcess(Sending(file, kept, destination, heartbeats, SOURCE, request.task.task_id))
    ending = _run(request, settings, given, mask, sender, secrets, say)
    _tell_end(sender, request, ending, say)
    file.close()
    return child.die_as(ending)


def _run(  # noqa: PLR0913, PLR0917 - what a command needs
    request: Request,
    settings: "Settings | None",
    given: Mapping[str, str],
    mask: frozenset[int],
    sender: SenderProcess,
    secrets: Sequence[Secret],
    say: Say,
) -> child.Ending:
    try:
        if request.masked:
            from detector.exec.masking import run_masked  # noqa: PLC0415 - only then the scanner is loaded

            return run_masked(request, settings, given, mask, sender.command_started, secrets)
        pid = child.spawn(request.command, given, mask, {})
        sender.command_started(pid)
        return child.wait_for(pid, child.to_process(pid))
    except child.CannotRunError as error:
        say(str(error))
        return child.Ending(error.code)


def _tell_end(sender: SenderProcess, request: Request, ending: child.Ending, say: Say) -> None:
    more: dict[str, Any] = {"signal": ending.signal} if ending.signal else {"exit_code": ending.code}
    line = ended(SOURCE, ending.time or time.time_ns(), request.task.task_id, ending.outcome, **more)
    sender.append(line)
    reason = sender.finish(request.wait_seconds)
    if reason is not None:
        left = (
            "they wait in the spool, and the next `curfewd exec` to the same destination, or `curfewd exec --flush`, "
            "sends them"
            if sender.keeps
            else "what the spool could not hold is lost"
        )
        say(f"not all events of the task were sent ({reason}): {left}")


def _hide() -> None:
    """Keeps what is in our environment from the job: others of the same user cannot read /proc/PID/environ then."""
    import ctypes  # noqa: PLC0415 - only where there is something to hide

    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _flush(spool: Spool, destination: Destination, say: Say) -> int:
    sent, reason = send_abandoned(spool, destination)
    say(f"{sent} {'task' if sent == 1 else 'tasks'} sent from the spool")
    if reason is not None:
        say(f"--flush: not all were sent: {reason}")
        return _UNSENT
    return 0


def _planted(request: Request, environ: Mapping[str, str]) -> dict[str, Canary]:
    """The decoys of the task, by their variable. None takes the place of what the job has."""
    planted: dict[str, Canary] = {}
    for form, name in request.canaries:
        canary = make(form)
        taken = [one for one in canary.variables(name) if one in environ or name in planted]
        if taken:
            raise UsageError(f"exec: --canary: {taken[0]} already has a value: name another, as {form}:NAME")
        planted[name] = canary
    return planted


def _first_events(request: Request, held: Sequence[_Held], keys: Sequence[DeploymentKey]) -> list[bytes]:
    """The start of the task and its credentials. All of them are made before any is told."""
    now = time.time_ns()
    task_id = request.task.task_id
    lines = [request.task.started(SOURCE, now)]
    if request.lease is not None:
        lines.append(heartbeat(SOURCE, task_id, request.lease))
    for name, secret in held:
        fields = {"credential_id": f"{task_id}/{name}", "task_id": task_id}
        try:
            lines.append(issued(SOURCE, now, fields, secret, keys))
        except InputError as error:
            hint = (
                ""
                if keys
                else f" (with a deployment key in {KEY_VARIABLE} other secrets can be registered too)"
            )
            raise InputError(f"exec: the secret in {name}: {error}{hint}") from None
    refuse_shown(lines, [secret for _, secret in held])
    return lines


def _of_variables(names: Sequence[str], environ: Mapping[str, str]) -> list[_Held]:
    found = []
    for name in names:
        value = environ.get(name)
        if not value:
            problem = "is not set" if value is None else "is empty"
            raise UsageError(f"exec: the environment variable {shown(name)} of --secret-env {problem}")
        found.append(_Held(name, Secret(os.fsencode(value))))
    return found


def _of_files(paths: Sequence[str]) -> list[_Held]:
    found = []
    for path in paths:
        try:
            found.append(_Held(path.lstrip("/"), secret_in(path)))
        except ValueError as error:
            raise InputError(f"exec: {shown(path)} of --secret-file: {error}") from None
    return found


def _settings_of(config: str | None, environ: Mapping[str, str]) -> "Settings | None":
    if config is None:
        return None
    from detector.configuration.settings import Settings  # noqa: PLC0415 - only where there is a configuration

    return Settings.load(config, environ)


def _security_of(settings: "Settings | None") -> Callable[[], Any] | None:
    """How Kafka is reached, if a configuration says it."""
    if settings is None:
        return None
    kafka = settings.kafka
    return lambda: None if kafka is None else kafka.security
