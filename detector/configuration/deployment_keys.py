"""Reads the deployment keys in force: of `CURFEWD_KEY`, `key_file` and `[[keys]]`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from detector.configuration.fields import FILE, TEXT, Field, FieldReader
from detector.terminal.output import shown
from detector.values.bounded_files import SECRET_BYTES, read_bounded
from detector.values.errors import ConfigError
from detector.values.secrets import DeploymentKey, decode_key

KEY_VARIABLE: Final = "CURFEWD_KEY"
KEY_FIELDS: Final = {
    "id": Field(TEXT, "the id that identifiers have in `key_id`; required"),
    "file": Field(FILE, "file with the key, hex or base64; either this or `env`"),
    "env": Field(TEXT, "environment variable with the key; either this or `file`"),
}


def read_deployment_keys(
    reader: FieldReader, key_file: str | None, environ: Mapping[str, str]
) -> tuple[DeploymentKey, ...]:
    """All keys in force: first the environment's, then `key_file`'s, then those of `[[keys]]` in order."""
    found: list[DeploymentKey] = []
    folder = Path(reader.file.path).parent
    if environ.get(KEY_VARIABLE):
        try:
            found.append(DeploymentKey.of(decode_key(environ[KEY_VARIABLE])))
        except ValueError as error:
            reader.errors.append(ConfigError(str(error), KEY_VARIABLE))
    if key_file is not None:
        try:
            found.append(_key_of_file(folder / key_file, ""))
        except ValueError as error:
            reader.fail(f"key_file: {error}", "key_file")
    for i, table in enumerate(reader.tables(reader.file.data.get("keys", []), "keys")):
        try:
            found.append(_key_of_table(reader, table, i, environ))
        except ValueError as error:
            reader.fail(f"keys: {error}", "keys", i)
    unique = {key.material: key for key in reversed(found)}
    return tuple(key for key in found if unique[key.material] is key)


def _key_of_table(
    reader: FieldReader, table: Mapping[str, Any], number: int, environ: Mapping[str, str]
) -> DeploymentKey:
    values = reader.fields(table, KEY_FIELDS, "keys", number)
    if "id" not in table or ("file" in table) == ("env" in table):
        raise ValueError("each needs an id, and either file or env")
    if "file" in values:
        return _key_of_file(reader.folder / values["file"], values["id"])
    reader.secret_variables.add(values["env"])
    text = environ.get(values["env"])
    if not text:
        raise ValueError(f"the environment variable {values['env']} is not set")
    return DeploymentKey.of(decode_key(text), values["id"])


def _key_of_file(path: Path, key_id: str) -> DeploymentKey:
    try:
        text = read_bounded(path, SECRET_BYTES).decode("ascii", "replace")
        return DeploymentKey.of(decode_key(text), key_id)
    except ValueError as error:
        raise ValueError(f"{shown(path)}: {error}") from None
