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


def tag(rng: random.Random) -> str:
    """A made-up word."""
    return pick(rng, string.ascii_lowercase, 6)


def stamp(rng: random.Random) -> str:
    """A time without a zone."""
    return (
        f"2026-11-2{rng.randrange(7)}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
    )


def plain(form: Callable[[Name, str, random.Random], str]) -> Context:
    """The value as it is."""
    return lambda name, value, rng: Shown((form(name, value, rng),), value)


def escaped(inner: Callable[[str], str], form: Callable[[Name, str, random.Random], str]) -> Context:
    """The value as `inner` writes it; quotes around it are not of the value."""

    def made(name: Name, value: str, rng: random.Random) -> Shown:
        written = inner(value)
        quoted = len(written) > 2 and written[0] == written[-1] and written[0] in "'\""
        return Shown((form(name, written, rng),), written[1:-1] if quoted else written)

    return made


def in_json(value: str) -> str:
    """Escaped as between the quotes of JSON."""
    return json.dumps(value)[1:-1]


def _declared(value: str) -> str:
    """As bash's `declare -x` writes it between double quotes."""
    return re.sub(r'([$`"\\])', r"\\\1", value)


def as_yaml(value: str) -> str:
    """As a YAML dumper writes it: quoted where it has to be."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./+-]*=*", value) or re.fullmatch(
        r"[0-9]+[A-Za-df-z/+][A-Za-z0-9/+]*=*", value
    )
    return value if plain else f"'{value}'"


def _logfmt(value: str) -> str:
    """As logfmt's encoders write it: quoted where it has a blank, a quote or an equals sign."""
    return f'"{value}"' if re.search(r'[\s"=]', value) else value


def percent(value: str) -> str:
    """Percent-encoded, all but what a URL never has to escape."""
    return quote(value, safe="-._~")


DEV: Final[dict[str, Context]] = {
    "printenv": plain(lambda n, v, _: f"{n.upper}={v}"),
    "set -x": escaped(shlex.quote, lambda n, v, _: f"+ export {n.upper}={v}"),
    "set -x, assignment": escaped(shlex.quote, lambda n, v, _: f"++ {n.upper}={v}"),
    "declare -x": escaped(_declared, lambda n, v, _: f'declare -x {n.upper}="{v}"'),
    "dotenv": plain(lambda n, v, _: f'{n.upper}="{v}"'),
    "yaml": escaped(as_yaml, lambda n, v, r: f"{'  ' * r.randrange(4)}{n.snake}: {v}"),
    "yaml, quoted, kebab": plain(lambda n, v, _: f'  {n.kebab}: "{v}"'),
    "json, camel": escaped(in_json, lambda n, v, r: json.dumps({"host": f"{tag(r)}.internal", n.camel: "\0", "retries": 3}).replace(json.dumps("\0"), f'"{v}"')),
    "json, snake, compact": escaped(in_json, lambda n, v, r: f'{{"ts":"{stamp(r)}Z","level":"debug","msg":"config","{n.snake}":"{v}","port":{r.randrange(1024, 9999)}}}'),
    "json, pretty": escaped(in_json, lambda n, v, _: f'    "{n.camel}": "{v}",'),
    "python dict": plain(lambda n, v, r: f"DEBUG:{tag(r)}.settings:loaded {{'debug': False, '{n.snake}': '{v}', 'workers': {r.randrange(9)}}}"),
    "logfmt": escaped(_logfmt, lambda n, v, r: f'ts={stamp(r)}Z level=info msg="starting {tag(r)}" {n.snake}={v} attempt={r.randrange(9)}'),
    "flag value": escaped(shlex.quote, lambda n, v, r: f"+ ./bin/{tag(r)} sync --region eu-west-1 --{n.kebab} {v} --verbose"),
    "flag=value": escaped(shlex.quote, lambda n, v, r: f"+ {tag(r)} deploy --{n.kebab}={v} --wait"),
    "docker run -e": escaped(shlex.quote, lambda n, v, r: f"+ docker run --rm -e {n.upper}={v} -p 8080:8080 registry.internal/{tag(r)}:1.4"),
    "query string": escaped(percent, lambda n, v, r: f'10.0.{r.randrange(256)}.{r.randrange(256)} - - [24/Nov/2026:10:02:{r.randrange(10, 60)} +0000] "GET /v1/{tag(r)}?page=2&{n.snake}={v}&sort=asc HTTP/1.1" 200 {r.randrange(9999)}'),
    "header": plain(lambda n, v, _: f"> {n.header}: {v}"),
    "header, curl": plain(lambda n, v, r: f"+ curl -sS -H '{n.header}: {v}' https://api.{tag(r)}.internal/v2/jobs"),
    "tfvars": plain(lambda n, v, _: f'{n.snake:<24} = "{v}"'),
    "properties": plain(lambda n, v, _: f"{n.dotted}={v}"),
    "kubernetes name and value": escaped(in_json, lambda n, v, r: f'{{"containers":[{{"name":"{tag(r)}","env":[{{"name":"LOG","value":"info"}},{{"name":"{n.upper}","value":"{v}"}}]}}]}}'),
    "actions env": plain(lambda n, v, r: f"{stamp(r)}.{r.randrange(10**7):07d}Z   {n.upper}: {v}"),
    "docker inspect": escaped(in_json, lambda n, v, _: f'                "{n.upper}={v}",'),
    "kubernetes yaml, two lines": lambda n, v, r: Shown((f"        - name: {n.upper}", f"          value: {as_yaml(v)}" if r.random() < 0.5 else f'          value: "{v}"'), v),
}  # fmt: skip

_HELD_OUT: Final[dict[str, Context]] = {
    "powershell": plain(lambda n, v, _: f"PS> $env:{n.upper} = '{v}'"),
    "cmd set": plain(lambda n, v, _: f"C:\\agent\\_work>set {n.upper}={v}"),
    "fish": escaped(shlex.quote, lambda n, v, _: f"set -gx {n.upper} {v}"),
    "go map": plain(lambda n, v, r: f"{stamp(r)} cfg=map[addr:10.0.0.{r.randrange(256)} {n.camel}:{v} tls:true]"),
    "go struct": plain(lambda n, v, r: f"config: {{Addr:{tag(r)}:5432 {n.pascal}:{v} Retries:3}}"),
    "java map": plain(lambda n, v, r: f"INFO  c.a.{tag(r)}.Main - properties {{url=jdbc:h2:mem, {n.camel}={v}, pool=5}}"),
    "java record": plain(lambda n, v, _: f"Settings[host=db.internal, {n.camel}={v}, timeout=30]"),
    "ruby hash": plain(lambda n, v, _: f'D, config: {{:adapter=>"pg", :{n.snake}=>"{v}", :pool=>5}}'),
    "xml element": escaped(escape, lambda n, v, _: f"    <{n.camel}>{v}</{n.camel}>"),
    "xml attribute": escaped(escape, lambda n, v, _: f'  <property name="{n.dotted}" value="{v}"/>'),
    "systemd": plain(lambda n, v, _: f'Environment="{n.upper}={v}"'),
    "form body": escaped(percent, lambda n, v, _: f"> grant_type=client_credentials&scope=read&{n.snake}={v}"),
    "kubectl from-literal": escaped(shlex.quote, lambda n, v, r: f"+ kubectl create secret generic {tag(r)} --from-literal={n.kebab}={v}"),
    "maven -D": escaped(shlex.quote, lambda n, v, _: f"[INFO] mvn -B deploy -D{n.dotted}={v} -DskipTests"),
    "php define": plain(lambda n, v, _: f"define('{n.upper}', '{v}');"),
    "javascript object": plain(lambda n, v, r: f"{{ host: '{tag(r)}', {n.camel}: '{v}', ssl: true }}"),
    "javascript const": plain(lambda n, v, _: f'const {n.camel} = "{v}";'),
    "go assignment": plain(lambda n, v, _: f'\t{n.camel} := "{v}"'),
    "json in json": escaped(lambda v: in_json(in_json(v)), lambda n, v, r: f'{{"log":"{{\\"job\\":\\"{tag(r)}\\",\\"{n.snake}\\":\\"{v}\\"}}\\n","stream":"stdout"}}'),
    "toml, section": plain(lambda n, v, _: f'{n.snake} = "{v}"'),
    "ini": plain(lambda n, v, _: f"{n.snake} = {v}"),
    "kubectl describe": plain(lambda n, v, _: f"      {n.upper + ':':<28} {v}"),
    "sentence": plain(lambda n, v, r: f"[{stamp(r)}] using {n.snake}: {v}"),
    "netrc style flag": escaped(shlex.quote, lambda n, v, r: f"exec: {tag(r)} -{n.kebab} {v} -addr :8080"),
    "ansible key and value": plain(lambda n, v, _: f"ok: [web-1] => (item={{'key': '{n.snake}', 'value': '{v}'}})"),
}  # fmt: skip


def contexts(half: Half) -> dict[str, Context]:
    """The contexts of the half: the held-out half has those of the other too, and more."""
    return DEV if half is Half.DEV else DEV | _HELD_OUT
