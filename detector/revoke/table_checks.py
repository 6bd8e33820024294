"""What `curfewd check` says of `[revoke]`: what is wrong, what this machine lacks, and what is dangerous."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from detector.configuration.revoke_settings import (
    ACT,
    SHORTEST_TOKEN,
    Approver,
    RevokeSettings,
    Scope,
    SecretFile,
)
from detector.configuration.settings import Settings
from detector.configuration.trust_keys import webhook_secret
from detector.revoke.target_tables import target_mistakes
from detector.terminal.output import shown
from detector.values.bounded_files import CERTIFICATE_BYTES, BadFileError, read_bounded
from detector.values.errors import ConfigError
from detector.values.secrets import Secret

_FEWEST: Final = 8  # different characters in a token that somebody generated
_PUBLIC: Final = frozenset({"ca_file", "cert_file"})  # options that name a file without a secret


def revoke_mistakes(settings: Settings) -> list[ConfigError]:
    """What keeps `curfewd revoke` or an approval from working here."""
    revoke = settings.revoke
    mistakes = target_mistakes(revoke)
    tokens: dict[Secret, Approver] = {}
    for approver in revoke.approvers:
        try:
            token = approver.token.read()
        except ConfigError as error:
            mistakes.append(error)
            continue
        reason = _weakness(token)
        if reason is None and token in tokens:
            reason = f"it is the token of {tokens[token].name} too: nobody would know who approved"
        tokens.setdefault(token, approver)
        if reason is not None:
            mistakes.append(ConfigError(f"{approver.token.key}: {reason}", approver.token.path))
    for notice in revoke.notices:
        for file in (notice.url_file, notice.secret, notice.token):
            if file is not None:
                mistakes += _unusable(file, signs=file is notice.secret)
    return mistakes


def _weakness(token: Secret) -> str | None:
    raw = token.reveal()
    if len(raw) < SHORTEST_TOKEN or len(set(raw)) < _FEWEST:
        return f"a weak token: make one of at least {SHORTEST_TOKEN} characters with `openssl rand -hex 32`"
    if not all(0x21 <= byte < 0x7F for byte in raw):  # noqa: PLR2004 - visible ASCII, as a header can carry it
        return "a token must be ASCII, without blanks: `openssl rand -hex 32` makes one"
    return None


def _unusable(file: SecretFile, *, signs: bool) -> list[ConfigError]:
    try:
        text = file.read().reveal().decode("ascii")
        if signs:
            webhook_secret(text.strip())
    except ConfigError as error:
        return [error]
    except ValueError as error:  # UnicodeDecodeError is one, and would quote a byte
        reason = "not ASCII" if isinstance(error, UnicodeDecodeError) else str(error)
        return [ConfigError(f"{file.key}: {reason}", file.path)]
    return []


def revoke_warnings(settings: Settings) -> Iterator[str]:
    """What may be meant, and is dangerous or without effect."""
    revoke = settings.revoke
    if not revoke.given:
        return
    if not revoke.targets:
        yield "revoke.targets: there are none, so every command is refused: add a table [revoke.targets.NAME]"
    if revoke.mode == ACT:
        yield from _unlimited(revoke)
    yield from _unsigned(revoke)
    yield from _without_effect(revoke)
    yield from _missing(revoke)
    yield from _exposed(revoke)
    if revoke.approvers and not settings.service.listen.loopback:
        yield (
            f"revoke.approver: on {settings.service.listen} the tokens of approvers are sent in the clear; put TLS in "
            "front of it"
        )


def _unlimited(revoke: RevokeSettings) -> Iterator[str]:
    limits = revoke.limits
    values = {name: getattr(limits, name) for name in limits.__struct_fields__}
    none = [name for name, value in values.items() if value == 0]
    if len(none) == len(values):
        yield (
            "revoke.limits: mode is act and there is no limit: whoever can write a command can have every credential "
            "revoked that the targets reach"
        )
    elif none:
        yield f"revoke.limits.{none[0]}: 0 is no limit{', and so are ' + ', '.join(none[1:]) if none[1:] else ''}"


def _unsigned(revoke: RevokeSettings) -> Iterator[str]:
    if not revoke.command_keys:
        yield (
            "revoke.command_key_file: there is no key to check signatures with, so whoever can write to the topic of "
            "commands has credentials revoked: name the key of your detector (docs/revoke.md, Signed commands)"
        )
    elif revoke.allow_unsigned:
        yield (
            "revoke.allow_unsigned: commands that nobody signed are carried out too: take it out once the commands of "
            "a detector without a key are done"
        )


def _without_effect(revoke: RevokeSettings) -> Iterator[str]:
    for name in revoke.allow.__struct_fields__:
        if getattr(revoke.allow, name) == ():
            yield f"revoke.allow.{name}: an empty list allows nothing: every command is refused"
    for key, globs in {"never": revoke.never, **_lists(revoke.deny)}.items():
        if any(not glob.strip("*") for glob in globs):
            yield f"revoke.{key}: a glob in it matches everything: every command is refused"
    names = {table.name for table in revoke.targets}
    for key, globs in {**_lists(revoke.deny), **_lists(revoke.allow, "allow")}.items():
        literal = [glob for glob in globs if not set("*?") & set(glob)] if key.endswith(".targets") else []
        yield from (
            f"revoke.{key}: there is no [revoke.targets.{glob}]" for glob in literal if glob not in names
        )
    yield from _covered(revoke)


def _covered(revoke: RevokeSettings) -> Iterator[str]:
    """Targets that never get a command, because one before them takes all."""
    first: dict[str, str] = {}
    for table in revoke.targets:
        if table.type in first:
            yield (
                f"revoke.targets.{table.name}: {first[table.type]}, of the same type and without match, stands before "
                "it and takes every command: give that one a match, or write it last"
            )
        elif not table.match:
            first[table.type] = table.name


def _lists(scope: Scope, name: str = "deny") -> Mapping[str, tuple[str, ...]]:
    return {f"{name}.{key}": getattr(scope, key) or () for key in scope.__struct_fields__}


def _files_of_targets(revoke: RevokeSettings) -> Iterator[tuple[str, str]]:
    """Key and path of each file that an option of a target names."""
    for table in revoke.targets:
        for option, value in table.options.items():
            if option.endswith("_file") and isinstance(value, str):
                yield f"revoke.targets.{table.name}.{option}", str(Path(table.path).parent / value)


def _missing(revoke: RevokeSettings) -> Iterator[str]:
    """Files of targets that cannot be read: a warning, because the service may have what this shell has not."""
    for key, path in _files_of_targets(revoke):
        try:
            read_bounded(path, CERTIFICATE_BYTES)
        except BadFileError as error:
            yield f"{key}: {shown(path)}: {error}; without it nothing is revoked at this target"


def _exposed(revoke: RevokeSettings) -> Iterator[str]:
    """Files with secrets that others on this machine can read, or write."""
    files = [(approver.token.key, approver.token.path) for approver in revoke.approvers]
    for notice in revoke.notices:
        given = (notice.url_file, notice.secret, notice.token)
        files += [(file.key, file.path) for file in given if file is not None]
    if revoke.command_key_file is not None:
        files.append(("revoke.command_key_file", revoke.command_key_file))
    files += [each for each in _files_of_targets(revoke) if each[0].rpartition(".")[2] not in _PUBLIC]
    for key, path in files:
        try:
            mode = Path(path).stat().st_mode
        except (OSError, ValueError):  # `revoke_mistakes` or `_missing` says so
            continue
        who = "read" if mode & stat.S_IROTH else "write" if mode & (stat.S_IWOTH | stat.S_IWGRP) else None
        if who is not None:
            yield f"{key}: others on this machine can {who} {shown(path)}: chmod 600 it"
