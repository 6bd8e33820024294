"""Makes targets from the tables `[revoke.targets.NAME]`, and finds the one that takes a command.

A type is a name of `detector.revoke.targets.names`, or `package.module:Class` for a target of one's own.
"""

import hashlib
import importlib
import importlib.util
import re  # over a message of msgspec
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.configuration.fields import suggestion
from detector.configuration.revoke_settings import RevokeSettings, TargetTable
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError, Target
from detector.revoke.targets.names import LIBRARIES, TARGET_MODULES
from detector.values.errors import ConfigError
from detector.values.globs import GlobSet

_PACKAGE: Final = "detector.revoke.targets"
_AT_KEY: Final = re.compile(r" - at `\$\.?([A-Za-z0-9_]*)[^`]*`")
_MISSING: Final = re.compile(r"Object missing required field `([a-z_]+)`")
_EXPECTED: Final = re.compile(r"Expected `([a-z| ]+)`( [<>]=? [0-9.]+)?(?:, got `[a-z]+`)?")
_FORMS: Final = {
    "str": "a text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
FILES: Final = ("_file", "_folder")
_ORDERED: Final = msgspec.json.Encoder(order="deterministic", enc_hook=str)
WHERE: Final = frozenset(
    {
        *("url", "endpoint_url", "login_url", "introspection_path", "revocation_path"),
        *("host", "port", "servers", "standbys", "database", "cluster", "user_prefix", "command"),
        *("account", "tenant", "namespace", "realm", "issuer", "audience"),
        *("client_id", "app_id", "installation_id"),  # some providers know other credentials, by who asks
    }
)
"""The options of our own types that say where a target is; the others say how it is asked and what it does there."""
_EXTRA: Final = "pip install '.[revoke]' in the checkout of curfewd"


class TableTarget(msgspec.Struct, frozen=True):
    """A target that was made, and the table that it was made from."""

    table: TargetTable
    target: Target

    @property
    def name(self) -> str:
        """The name of the table, by which rails, outcomes and metrics call the target."""
        return self.table.name

    @property
    def place(self) -> str:
        """Where it points, as a digest: what was seen and done at one place says nothing about another one.

        Of a target of one's own every option counts but files, as nobody knows which one says where it is.
        """
        table = self.table
        where = {
            name: value
            for name, value in table.options.items()
            if (name in WHERE or ":" in table.type) and not name.endswith(FILES)
        }
        return hashlib.sha256(_ORDERED.encode((table.type, where))).hexdigest()[:32]

    def takes(self, command: RevocationCommand) -> bool:
        """Whether the command is meant for this target, and `match` holds."""
        return self.target.accepts(command) and matches(self.table.match, command)


def make_targets(settings: RevokeSettings, *, asking: bool = True) -> tuple[TableTarget, ...]:
    """The targets, in the order of their tables. Those that are not `asking` a provider can only plan.

    Raises:
        ConfigError: a table is wrong, or a library that asks a provider is not installed.
    """
    return tuple(TableTarget(table, make_target(table, asking=asking)) for table in settings.targets)


def target_mistakes(settings: RevokeSettings) -> list[ConfigError]:
    """What is wrong with the tables of targets, for `curfewd check`."""
    found = []
    for table in settings.targets:
        try:
            make_target(table)
        except ConfigError as error:
            found.append(error)
    return found


def find_target(targets: Sequence[TableTarget], command: RevocationCommand) -> TableTarget:
    """The first target that takes a command.

    Raises:
        RefusedError: none does. The text says which table is missing.
    """
    for each in targets:
        if each.takes(command):
            return each
    named = [name for name in ("provider", "method") if command.text(name)]
    if not named and not command.kind:
        raise RefusedError(
            "no table [revoke.targets.…] takes it: its issuer registered no revocation object that names a provider"
        )
    says = "its provider, method or kind" if named else "its kind"
    raise RefusedError(f"no table [revoke.targets.…] takes it: add one for {says}, or widen its match")


def matches(match: Mapping[str, tuple[str, ...]], command: RevocationCommand) -> bool:
    """Whether each glob of a `match` holds: of `kind` for the credential's, of the others for texts of the handle."""
    return all(
        GlobSet(globs).matches(command.kind if name == "kind" else command.text(name))
        for name, globs in match.items()
    )


def make_target(table: TargetTable, *, asking: bool = True) -> Target:
    """The target of one table.

    Files and folders that its options name (`…_file`, `…_folder`) are relative to the configuration's folder.

    Raises:
        ConfigError: the type is unknown, an option is wrong, or a library is not installed.
    """
    kind = _class_of(table)
    library = LIBRARIES.get(table.type)
    if asking and library is not None and importlib.util.find_spec(library) is None:
        raise table.error(f"needs the library {library}, which is not installed: {_EXTRA}", "type")
    known = tuple(field.encode_name for field in msgspec.structs.fields(kind.Options))
    for option in table.options:
        if option not in known:
            raise table.error(
                f"no such option of a target of type {table.type}{suggestion(option, known)}; known here: "
                f"{', '.join(known)}",
                option,
            )
    try:
        options = msgspec.convert(_beside(table), kind.Options)
    except msgspec.ValidationError as error:
        at = _AT_KEY.search(str(error))
        raise table.error(_instruction(_AT_KEY.sub("", str(error))), at[1] if at else "") from None
    try:
        made: Target = kind(options)  # type: ignore[call-arg]  # a protocol says nothing of constructors
    except ValueError as error:
        raise table.error(str(error)) from None
    except Exception as error:  # noqa: BLE001 - one's own target may do anything; its text may quote a secret
        raise table.error(f"the target cannot be created ({type(error).__name__})") from None
    return made


def _instruction(message: str) -> str:
    """What to write, in place of msgspec's words for what it found."""
    if (missing := _MISSING.fullmatch(message)) is not None:
        return f"needs {missing[1]}"
    if (expected := _EXPECTED.fullmatch(message)) is not None:
        forms = [_FORMS.get(name, name) for name in expected[1].split(" | ") if name != "null"]
        return f"write {' or '.join(forms)}{expected[2] or ''}"
    return message


def _class_of(table: TargetTable) -> type[Target]:
    module, _, name = table.type.partition(":")
    if not name:
        if module not in TARGET_MODULES:
            raise table.error(
                f"no such type{suggestion(module, tuple(TARGET_MODULES))}; known are {', '.join(TARGET_MODULES)}, and "
                "package.module:Class for a target of your own",
                "type",
            )
        module, name = f"{_PACKAGE}.{TARGET_MODULES[module]}", "TARGET"
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if missing in {module, *_parents(module)}:
            raise table.error(f"there is no module {module}", "type") from None
        raise table.error(f"needs the library {missing}, which is not installed: {_EXTRA}", "type") from None
    except AttributeError:
        raise table.error(f"the module {module} has no {name}", "type") from None
    except Exception as error:  # noqa: BLE001 - as above
        raise table.error(
            f"the module {module} cannot be imported ({type(error).__name__})", "type"
        ) from None
    options = getattr(found, "Options", None)
    if (
        not isinstance(found, type)
        or not isinstance(options, type)
        or not issubclass(options, msgspec.Struct)
    ):
        raise table.error(
            f"{table.type} is not a target: write a class with Options, a msgspec.Struct", "type"
        )
    kind: type[Target] = found
    return kind


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:size]) for size in range(1, len(parts))]


def _beside(table: TargetTable) -> dict[str, Any]:
    folder = Path(table.path).parent
    return {
        name: str(folder / value) if name.endswith(FILES) and isinstance(value, str) else value
        for name, value in table.options.items()
    }
