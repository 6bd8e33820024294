"""Where a name and its value stand together: what shells, programs and tools print.

A context is a function of a name, a value and random numbers. It gives the lines, and the value as it is written in
them: quoted and escaped as the tool would.
"""

import json
import random
import re
import shlex
import string
from collections.abc import Callable
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

import msgspec

from benchmarks.formats import pick
from benchmarks.names_words import Half, Name


class Shown(msgspec.Struct, frozen=True):
    """Lines, and how the value reads in them."""

    lines: tuple[str, ...]
    value: str


Context = Callable[[Name, str, random.Random], Shown]


def _tag(rng: random.Random) -> str:
    return pick(rng, string.ascii_lowercase, 6)


def _stamp(rng: random.Random) -> str:
    return (
        f"2026-11-2{rng.randrange(7)}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
    )


def _plain(form: Callable[[Name, str, random.Random], str]) -> Context:
    """The value as it is."""
    return lambda name, value, rng: Shown((form(name, value, rng),), value)


def _escaped(inner: Callable[[str], str], form: Callable[[Name, str, random.Random], str]) -> Context:
    """The value as `inner` writes it; quotes around it are not of the value."""

    def made(name: Name, value: str, rng: random.Random) -> Shown:
        written = inner(value)
        quoted = len(written) > 2 and written[0] == written[-1] and written[0] in "'\""
        return Shown((form(name, written, rng),), written[1:-1] if quoted else written)

    return made


def _json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _declared(value: str) -> str:
    """As bash's `declare -x` writes it between double quotes."""
    return re.sub(r'([$`"\\])', r"\\\1", value)


def _scalar(value: str) -> str:
    """As a YAML dumper writes it: quoted where it has to be."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./+-]*=*", value) or re.fullmatch(
        r"[0-9]+[A-Za-df-z/+][A-Za-z0-9/+]*=*", value
    )
    return value if plain else f"'{value}'"


def _logfmt(value: str) -> str:
    """As logfmt's encoders write it: quoted where it has a blank, a quote or an equals sign."""
    return f'"{value}"' if re.search(r'[\s"=]', value) else value


def _percent(value: str) -> str:
    return quote(value, safe="-._~")


_DEV: Final[dict[str, Context]] = {
    "printenv": _plain(lambda n, v, _: f"{n.upper}={v}"),
    "set -x": _escaped(shlex.quote, lambda n, v, _: f"+ export {n.upper}={v}"),
    "set -x, assignment": _escaped(shlex.quote, lambda n, v, _: f"++ {n.upper}={v}"),
    "declare -x": _escaped(_declared, lambda n, v, _: f'declare -x {n.upper}="{v}"'),
    "dotenv": _plain(lambda n, v, _: f'{n.upper}="{v}"'),
    "yaml": _escaped(_scalar, lambda n, v, r: f"{'  ' * r.randrange(4)}{n.snake}: {v}"),
    "yaml, quoted, kebab": _plain(lambda n, v, _: f'  {n.kebab}: "{v}"'),
    "json, camel": _escaped(_json, lambda n, v, r: json.dumps({"host": f"{_tag(r)}.internal", n.camel: "\0", "retries": 3}).replace(json.dumps("\0"), f'"{v}"')),
    "json, snake, compact": _escaped(_json, lambda n, v, r: f'{{"ts":"{_stamp(r)}Z","level":"debug","msg":"config","{n.snake}":"{v}","port":{r.randrange(1024, 9999)}}}'),
    "json, pretty": _escaped(_json, lambda n, v, _: f'    "{n.camel}": "{v}",'),
    "python dict": _plain(lambda n, v, r: f"DEBUG:{_tag(r)}.settings:loaded {{'debug': False, '{n.snake}': '{v}', 'workers': {r.randrange(9)}}}"),
    "logfmt": _escaped(_logfmt, lambda n, v, r: f'ts={_stamp(r)}Z level=info msg="starting {_tag(r)}" {n.snake}={v} attempt={r.randrange(9)}'),
    "flag value": _escaped(shlex.quote, lambda n, v, r: f"+ ./bin/{_tag(r)} sync --region eu-west-1 --{n.kebab} {v} --verbose"),
    "flag=value": _escaped(shlex.quote, lambda n, v, r: f"+ {_tag(r)} deploy --{n.kebab}={v} --wait"),
    "docker run -e": _escaped(shlex.quote, lambda n, v, r: f"+ docker run --rm -e {n.upper}={v} -p 8080:8080 registry.internal/{_tag(r)}:1.4"),
    "query string": _escaped(_percent, lambda n, v, r: f'10.0.{r.randrange(256)}.{r.randrange(256)} - - [24/Nov/2026:10:02:{r.randrange(10, 60)} +0000] "GET /v1/{_tag(r)}?page=2&{n.snake}={v}&sort=asc HTTP/1.1" 200 {r.randrange(9999)}'),
    "header": _plain(lambda n, v, _: f"> {n.header}: {v}"),
    "header, curl": _plain(lambda n, v, r: f"+ curl -sS -H '{n.header}: {v}' https://api.{_tag(r)}.internal/v2/jobs"),
    "tfvars": _plain(lambda n, v, _: f'{n.snake:<24} = "{v}"'),
    "properties": _plain(lambda n, v, _: f"{n.dotted}={v}"),
    "kubernetes name and value": _escaped(_json, lambda n, v, r: f'{{"containers":[{{"name":"{_tag(r)}","env":[{{"name":"LOG","value":"info"}},{{"name":"{n.upper}","value":"{v}"}}]}}]}}'),
    "actions env": _plain(lambda n, v, r: f"{_stamp(r)}.{r.randrange(10**7):07d}Z   {n.upper}: {v}"),
    "docker inspect": _escaped(_json, lambda n, v, _: f'                "{n.upper}={v}",'),
    "kubernetes yaml, two lines": lambda n, v, r: Shown((f"        - name: {n.upper}", f"          value: {_scalar(v)}" if r.random() < 0.5 else f'          value: "{v}"'), v),
}  # fmt: skip

_HELD_OUT: Final[dict[str, Context]] = {
    "powershell": _plain(lambda n, v, _: f"PS> $env:{n.upper} = '{v}'"),
    "cmd set": _plain(lambda n, v, _: f"C:\\agent\\_work>set {n.upper}={v}"),
    "fish": _escaped(shlex.quote, lambda n, v, _: f"set -gx {n.upper} {v}"),
    "go map": _plain(lambda n, v, r: f"{_stamp(r)} cfg=map[addr:10.0.0.{r.randrange(256)} {n.camel}:{v} tls:true]"),
    "go struct": _plain(lambda n, v, r: f"config: {{Addr:{_tag(r)}:5432 {n.pascal}:{v} Retries:3}}"),
    "java map": _plain(lambda n, v, r: f"INFO  c.a.{_tag(r)}.Main - properties {{url=jdbc:h2:mem, {n.camel}={v}, pool=5}}"),
    "java record": _plain(lambda n, v, _: f"Settings[host=db.internal, {n.camel}={v}, timeout=30]"),
    "ruby hash": _plain(lambda n, v, _: f'D, config: {{:adapter=>"pg", :{n.snake}=>"{v}", :pool=>5}}'),
    "xml element": _escaped(escape, lambda n, v, _: f"    <{n.camel}>{v}</{n.camel}>"),
    "xml attribute": _escaped(escape, lambda n, v, _: f'  <property name="{n.dotted}" value="{v}"/>'),
    "systemd": _plain(lambda n, v, _: f'Environment="{n.upper}={v}"'),
    "form body": _escaped(_percent, lambda n, v, _: f"> grant_type=client_credentials&scope=read&{n.snake}={v}"),
    "kubectl from-literal": _escaped(shlex.quote, lambda n, v, r: f"+ kubectl create secret generic {_tag(r)} --from-literal={n.kebab}={v}"),
    "maven -D": _escaped(shlex.quote, lambda n, v, _: f"[INFO] mvn -B deploy -D{n.dotted}={v} -DskipTests"),
    "php define": _plain(lambda n, v, _: f"define('{n.upper}', '{v}');"),
    "javascript object": _plain(lambda n, v, r: f"{{ host: '{_tag(r)}', {n.camel}: '{v}', ssl: true }}"),
    "javascript const": _plain(lambda n, v, _: f'const {n.camel} = "{v}";'),
    "go assignment": _plain(lambda n, v, _: f'\t{n.camel} := "{v}"'),
    "json in json": _escaped(lambda v: _json(_json(v)), lambda n, v, r: f'{{"log":"{{\\"job\\":\\"{_tag(r)}\\",\\"{n.snake}\\":\\"{v}\\"}}\\n","stream":"stdout"}}'),
    "toml, section": _plain(lambda n, v, _: f'{n.snake} = "{v}"'),
    "ini": _plain(lambda n, v, _: f"{n.snake} = {v}"),
    "kubectl describe": _plain(lambda n, v, _: f"      {n.upper + ':':<28} {v}"),
    "sentence": _plain(lambda n, v, r: f"[{_stamp(r)}] using {n.snake}: {v}"),
    "netrc style flag": _escaped(shlex.quote, lambda n, v, r: f"exec: {_tag(r)} -{n.kebab} {v} -addr :8080"),
    "ansible key and value": _plain(lambda n, v, _: f"ok: [web-1] => (item={{'key': '{n.snake}', 'value': '{v}'}})"),
}  # fmt: skip


def contexts(half: Half) -> dict[str, Context]:
    """The contexts of the half: the held-out half has those of the other too, and more."""
    return _DEV if half is Half.DEV else _DEV | _HELD_OUT
