"""Reads the secrets to which a configuration refers: from a file or from an environment variable."""

from collections.abc import Mapping

from detector.configuration.fields import FieldReader
from detector.terminal.output import shown
from detector.values.bounded_files import secret_in
from detector.values.secrets import Secret
from detector.values.toml_file import Key


def secret_of_file(reader: FieldReader, name: str, *keys: Key) -> Secret | None:
    """The secret in a file. If it cannot be read, the reader lists it as missing on this machine."""
    path = reader.folder / name
    try:
        return secret_in(path)
    except ValueError as error:
        reader.missing(f"{shown(path)}: {error}", *keys)
    return None


def secret_of_variable(
    reader: FieldReader, variable: str, environ: Mapping[str, str], *keys: Key
) -> Secret | None:
    """The secret in an environment variable. If there is none, the reader lists it as missing."""
    reader.secret_variables.add(variable)
    value = environ.get(variable)
    if not value:
        reader.missing(f"the environment variable {variable} with the secret is not set", *keys)
        return None
    try:
        return Secret(value.encode())
    except UnicodeEncodeError:
        reader.missing(f"the environment variable {variable} is not UTF-8", *keys)
        return None
