"""Reads which networks uses may come from: listed in the configuration, or in files that somebody saved.

A file has one network a line, or is JSON: a list of networks, GitHub's `/meta` or AWS's `ip-ranges.json`. Of the last
two one list is taken: `github-meta.json#actions`, `ip-ranges.json#EC2`.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from detector.configuration.fields import (
    TEXTS,
    Field,
    FieldReader,
    ValueType,
    dotted,
    suggestion,
    whole_number,
)
from detector.terminal.output import shown
from detector.values.bounded_files import read_bounded
from detector.values.networks import BITS, IPV4, IPV6, NetworkSet, network_of
from detector.values.toml_file import Key
from detector.values.wording import visible

_MOST_BYTES: Final = 16 << 20  # AWS publishes 2 MB
_SHOWN: Final = 64  # characters of what is no network
_LISTED: Final = 12  # names of lists in an error
_NO_NETWORK: Final = "is no network; write one such as 203.0.113.0/24 or 2001:db8::/48"


def _networks(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError('write a list of networks, such as ["203.0.113.0/24"]')  # noqa: TRY004 - readers raise ValueError alone
    return tuple(_checked(item) for item in value)


def _checked(text: Any) -> str:
    if not isinstance(text, str) or network_of(text) is None:
        raise ValueError(f"{_quoted(text)} {_NO_NETWORK}")
    return text


def _quoted(text: Any) -> str:
    return f'"{visible(text, _SHOWN)}"' if isinstance(text, str) else f"a value of type {type(text).__name__}"


NETWORK_FIELDS: Final = {
    "expected_networks": Field(
        ValueType("list of networks", _networks),
        "networks from which a use is never [from elsewhere](rules.md#another-network)",
        "[]",
    ),
    "expected_networks_files": Field(
        TEXTS, "files with more of them: one a line, or JSON; `github-meta.json#actions` takes one list", "[]"
    ),
    "ipv4_prefix": Field(
        whole_number(0, BITS[IPV4]), "how many bits the IPv4 addresses of one network share", "24"
    ),
    "ipv6_prefix": Field(
        whole_number(0, BITS[IPV6]), "how many bits the IPv6 addresses of one network share", "48"
    ),
}


def read_networks(reader: FieldReader, values: dict[str, Any], *keys: Key) -> None:
    """Puts a set of networks into the values of a table, in the place of its lists and files.

    Paths are relative to it.
    """
    files = values.pop("expected_networks_files", None)
    listed = values.pop("expected_networks", None)
    if files is None and listed is None:
        return
    found = list(listed or ())
    for name in files or ():
        try:
            found += _of_file(reader, name)
        except ValueError as error:
            where = (*keys, "expected_networks_files")
            reader.fail(f"{dotted(where)}: {shown(name)}: {error}", *where)
    values["expected_networks"] = NetworkSet(found)


def _of_file(reader: FieldReader, name: str) -> Iterator[str]:
    path, _, part = name.partition("#")
    data = read_bounded(reader.folder / path, _MOST_BYTES)
    if data.lstrip()[:1] in (b"{", b"["):
        return _of_json(data, part)
    if part:
        raise ValueError(f"only JSON has lists with names: leave out #{visible(part, _SHOWN)}")
    return _of_lines(data)


def _of_lines(data: bytes) -> Iterator[str]:
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                yield _checked(text)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _of_json(data: bytes, part: str) -> Iterator[str]:
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"cannot be read as JSON: {error}") from None
    except RecursionError:
        raise ValueError("cannot be read as JSON: it is nested too deeply") from None
    lists = {"": document} if isinstance(document, list) else _lists(document)
    if part not in lists:
        names = sorted(lists)
        listed = ", ".join(visible(name, _SHOWN) for name in names[:_LISTED]) + (
            ", …" if names[_LISTED:] else ""
        )
        what = (
            f"has no list {visible(part, _SHOWN)}{suggestion(part, tuple(names))}"
            if part
            else "has several lists"
        )
        raise ValueError(
            f"{what}: name one of {listed}, as in file.json#name" if names else "has no list of networks"
        )
    for number, item in enumerate(lists[part], 1):
        try:
            yield _checked(item)
        except ValueError as error:
            raise ValueError(
                f"item {number}{f' of {visible(part, _SHOWN)}' if part else ''}: {error}"
            ) from None


def _lists(document: Any) -> dict[str, list[Any]]:
    """The lists in a JSON object by their names; those of AWS by the service."""
    if not isinstance(document, dict):
        return {}
    prefixes = [
        (entry.get("service"), entry.get(key))
        for name, key in (("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix"))
        for entry in _objects(document.get(name))
    ]
    if prefixes:
        found: dict[str, list[Any]] = {}
        for service, network in prefixes:
            found.setdefault(str(service), []).append(network)
        return found
    return {
        name: value
        for name, value in document.items()
        if isinstance(value, list)
        and value
        and isinstance(value[0], str)
        and network_of(value[0]) is not None
    }


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
