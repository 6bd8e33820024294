"""How a secret comes to stand in a log: the text around it, and the encodings it may be in."""

import gzip
import html
import quopri
import random
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec
import orjson

from benchmarks.families import Family
from benchmarks.formats import b64, pick

PLAIN: Final = "plain"
# Shares of all planted secrets; what is left is plain.
SHARES: Final = {
    "base64": 0.06,
    "base64-pair": 0.03,
    "base64-wrapped": 0.02,
    "base64-utf16": 0.01,
    "base64-gzip": 0.01,
    "percent": 0.03,
    "percent-twice": 0.01,
    "json-escaped": 0.04,
    "json-escaped-twice": 0.01,
    "html": 0.02,
    "quoted-printable": 0.01,
    "ansi": 0.02,
    "hex": 0.02,
    "spaced": 0.01,
    "nested": 0.02,
}
ENCODED: Final = tuple(SHARES)
_SPELT: Final = 120  # characters that somebody would print one by one
_URL_SAFE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

Context = Callable[[str, str, random.Random], str]


class Planted(msgspec.Struct, frozen=True):
    """Lines that show one secret, and what is said of them in the ground truth."""

    lines: tuple[str, ...]
    context: str
    encoding: str


def _tag(rng: random.Random) -> str:
    return pick(rng, _LETTERS, 6)


# The text names the secret (an environment variable, a key): good for every family.
NAMED: Final[dict[str, Context]] = {
    "env": lambda n, v, _: f"{n}={v}",
    "env-quoted": lambda n, v, _: f'{n}="{v}"',
    "export": lambda n, v, _: f"+ export {n}={v}",
    "export-single-quoted": lambda n, v, _: f"export {n}='{v}'",
    "json": lambda n, v, r: f'{{"step":"{_tag(r)}","env":{{"{n}":"{v}","CI":"true"}}}}',
    "json-spaced": lambda n, v, _: f'  "{n.lower()}": "{v}",',
    "yaml": lambda n, v, _: f"  {n.lower()}: {v}",
    "yaml-flow": lambda n, v, _: f'        - {{name: {n}, value: "{v}"}}',
    "kubectl-describe": lambda n, v, _: f"      {n}:  {v}",
    "python-dict": lambda n, v, r: f"DEBUG {_tag(r)}: {{'{n}': '{v}', 'retries': 3}}",
    "terraform": lambda n, v, _: f'      + {n.lower()} = "{v}"',
    "dockerfile-arg": lambda n, v, r: f"#{r.randrange(5, 30)} 0.412 ARG {n}={v}",
    "ini": lambda n, v, _: f"{n.lower()} = {v}",
    "powershell": lambda n, v, _: f'$env:{n} = "{v}"',
    "docker-run": lambda n, v, r: f"+ docker run --rm -e {n}={v} registry.internal/{_tag(r)}:latest",
    "dotenv-dump": lambda n, v, r: f"env: CI=true {n}={v} HOME=/root RUN={_tag(r)}",
}

# The value alone has to be enough.
BARE: Final[dict[str, Context]] = {
    "end-of-line": lambda _, v, r: f"using credential for {_tag(r)}: {v}",
    "brackets": lambda _, v, r: f"auth {_tag(r)} accepted [{v}] scope=write",
    "parentheses": lambda _, v, r: f"login failed for {_tag(r)} ({v})",
    "angle": lambda _, v, r: f"received <{v}> from {_tag(r)}",
    "backticks": lambda _, v, r: f"error: credential `{v}` rejected by {_tag(r)}",
    "line-alone": lambda _n, v, _: v,
    "comma-list": lambda _, v, r: f"args,{_tag(r)},{v},true,0",
    "bearer": lambda _, v, _r: f"> Authorization: Bearer {v}",
    "curl-header": lambda _, v, r: (
        f"+ curl -sSf -H 'Authorization: Bearer {v}' https://api.internal/v1/{_tag(r)}"
    ),
    "curl-user": lambda _, v, r: f"+ curl -u ci-bot:{v} https://artifacts.internal/{_tag(r)}/",
    "flag": lambda _, v, r: f"+ ./deploy {_tag(r)} --token={v} --wait",
    "flag-spaced": lambda _, v, _r: f"+ docker login registry.internal -u ci -p {v}",
    "exception": lambda _, v, r: f"ValueError: unexpected response for token {v}: {r.randrange(400, 504)}",
}

# Inside a URL; only for values that need no percent-encoding there.
IN_URL: Final[dict[str, Context]] = {
    "query": lambda _, v, r: (
        f'10.0.{r.randrange(256)}.{r.randrange(256)} - - "GET /v1/{_tag(r)}?access_token={v}&page=2 HTTP/1.1" 200 {r.randrange(9999)}'
    ),
    "userinfo": lambda _, v, r: f"Cloning from https://x-access-token:{v}@git.internal/acme/{_tag(r)}.git",
    "fragment-end": lambda _, v, r: f"redirect to https://app.internal/{_tag(r)}/callback?token={v}",
}

# A value that is itself a URL with a password in it.
AROUND_URL: Final[dict[str, Context]] = {
    **{
        name: NAMED[name]
        for name in ("env", "env-quoted", "json", "yaml", "python-dict", "ini", "docker-run")
    },
    "connecting": lambda _, v, r: f"{_tag(r)}: connecting to {v}",
    "exception": lambda _, v, r: (
        f"OperationalError: could not connect to {v} after {r.randrange(2, 9)} tries"
    ),
    "brackets": lambda _, v, r: f"pool {_tag(r)} [{v}] ready",
}


def contexts_of(family: Family, text: str) -> dict[str, Context]:
    """The contexts in which `text` of `family` is planted in clear."""
    if family.shape == "url":
        return AROUND_URL
    if family.shape in {"named", "pair"}:
        return NAMED
    choice = NAMED | BARE
    return choice | IN_URL if set(text) <= _URL_SAFE else choice


def plant(family: Family, text: str, encoding: str, rng: random.Random) -> Planted:
    """Lines that show `text` in `encoding`.

    An encoding that would leave the text as it is, or that the family is never found in, gives way to base64.
    """
    if family.shape in _WHOLE:
        return _WHOLE[family.shape](family, text, encoding, rng)
    made = _ENCODERS[encoding](family, text, rng)
    return made or _base64(family, text, rng)


def _plain(family: Family, text: str, rng: random.Random) -> Planted:
    name, context = rng.choice(list(contexts_of(family, text).items()))
    return Planted((context(family.variable, text, rng),), name, PLAIN)


def _form(family: Family, text: str, rng: random.Random) -> Planted | None:
    del rng
    body = _percent(text)
    if body == text or family.shape == "url":
        return None
    line = f"POST /oauth/token grant_type=client_credentials&{family.variable.lower()}={body}&scope=all"
    return Planted((line,), "form-body", "percent")


def _json_in_json(family: Family, text: str, rng: random.Random) -> Planted:
    inner = f'{{"level":"debug","{family.variable}":"{_json_escapes(text)}"}}'
    line = orjson.dumps({"event": _tag(rng), "payload": inner}).decode()
    return Planted((line,), "json-in-json", "json-escaped")


def _hex(family: Family, text: str, rng: random.Random) -> Planted:
    del rng
    payload = text if family.shape == "token" else f"{family.variable}={text}"
    return Planted((f"payload[{len(payload)}] hex={payload.encode().hex()}",), "hex-dump", "hex")


def _pair_in_base64(family: Family, text: str, rng: random.Random) -> Planted | None:
    if family.shape != "token":
        return None
    pair = b64(f"ci-bot:{text}".encode())
    if rng.random() < 0.5:
        return Planted((f"> Authorization: Basic {pair}",), "basic-header", "base64-pair")
    return Planted((f'  "registry.internal": {{"auth": "{pair}"}}',), "docker-auth", "base64-pair")


def _base64(family: Family, text: str, rng: random.Random) -> Planted:
    payloads = [f"{family.variable}={text}\n", orjson.dumps({family.variable: text}).decode()]
    if family.shape == "token":
        payloads += [text, text, text + "\n"]
    blob = b64(rng.choice(payloads).encode())
    contexts = {
        "kubernetes-secret": f"  {_tag(rng)}: {blob}",
        "echo": f"+ echo {blob} | base64 -d > /tmp/{_tag(rng)}",
        "json-content": f'{{"path":"{_tag(rng)}","encoding":"base64","content":"{blob}"}}',
        "line-alone": blob,
        "env": f"CONFIG_{_tag(rng).upper()}={blob}",
    }
    name = rng.choice(list(contexts))
    return Planted((contexts[name],), name, "base64")


def _assignment(family: Family, text: str) -> str:
    return text if family.shape == "token" else f"{family.variable}={text}"


def _wrapped(family: Family, text: str, rng: random.Random) -> Planted:
    filler = [f"{_tag(rng).upper()}={pick(rng, _LETTERS, rng.randrange(5, 60))}" for _ in range(4)]
    filler.insert(rng.randrange(5), f"{family.variable}={text}")
    blob = b64("\n".join(filler).encode())
    lines = (blob[at : at + 76] for at in range(0, len(blob), 76))
    return Planted((f"+ base64 {_tag(rng)}.env", *lines), "base64-command", "base64-wrapped")


def _utf16(family: Family, text: str, rng: random.Random) -> Planted:
    script = f"$env:{family.variable} = '{text}'; ./{_tag(rng)}.ps1"
    return Planted(
        (f"powershell.exe -EncodedCommand {b64(script.encode('utf-16-le'))}",), "powershell", "base64-utf16"
    )


def _gzip(family: Family, text: str, rng: random.Random) -> Planted:
    data = gzip.compress(orjson.dumps({"name": _tag(rng), "env": {family.variable: text}}), mtime=0)
    return Planted((f"  release: {b64(data)}",), "helm-release", "base64-gzip")


def _percent_twice(family: Family, text: str, rng: random.Random) -> Planted | None:
    if family.shape == "url" or _percent(text) == text:
        return None
    inner = f"/callback?{family.variable.lower()}={_percent(text)}"
    return Planted(
        (f"GET /login?return_to={_percent(inner)}&id={_tag(rng)} 302",), "redirect", "percent-twice"
    )


def _json_twice(family: Family, text: str, rng: random.Random) -> Planted:
    inner = orjson.dumps({"body": f'{{"{family.variable}":"{_json_escapes(text)}"}}'}).decode()
    return Planted(
        (orjson.dumps({"event": _tag(rng), "payload": inner}).decode(),), "json-in-json", "json-escaped-twice"
    )


def _html(family: Family, text: str, rng: random.Random) -> Planted:
    line = f"<td>{family.variable}={text}</td>"
    escaped = "".join(f"&#{ord(c)};" if c in "=/+_-" else html.escape(c) for c in line)
    return Planted((f"<pre>{_tag(rng)} {escaped}</pre>",), "page", "html")


def _quoted_printable(family: Family, text: str, rng: random.Random) -> Planted:
    body = f"Subject: build {_tag(rng)} failed; environment was {family.variable}={text} and nothing else\n"
    return Planted(
        tuple(quopri.encodestring(body.encode()).decode().rstrip("\n").split("\n")),
        "mail",
        "quoted-printable",
    )


def _ansi(family: Family, text: str, rng: random.Random) -> Planted:
    at = rng.randrange(1, min(8, len(text)))
    coloured = f"\x1b[01;31m\x1b[K{text[:at]}\x1b[m\x1b[K{text[at:]}"
    return Planted((f"\x1b[35m{_tag(rng)}.env\x1b[m:{family.variable}={coloured}",), "grep-colour", "ansi")


def _spaced(family: Family, text: str, rng: random.Random) -> Planted | None:
    if family.shape != "token" or " " in text or len(text) > _SPELT:
        return None
    return Planted((f"{_tag(rng)}: {' '.join(text)}",), "spelt", "spaced")


def _nested(family: Family, text: str, rng: random.Random) -> Planted:
    inner = orjson.dumps({family.variable: text}).decode()
    kind = rng.randrange(3)
    if kind == 0:
        return Planted((f"GET /t?state={_percent(b64(inner.encode()))}&n={_tag(rng)}",), "state", "nested")
    if kind == 1:
        twice = b64(b64(inner.encode()).encode())
        return Planted((f'  "{_tag(rng)}": "{twice}",',), "base64-in-base64", "nested")
    line = orjson.dumps(
        {"log": orjson.dumps({"data": b64(inner.encode())}).decode(), "n": _tag(rng)}
    ).decode()
    return Planted((line,), "base64-in-json-in-json", "nested")


def _plant_pair(family: Family, text: str, encoding: str, rng: random.Random) -> Planted:
    named = dict(zip(family.variable.split(), text.split("\n"), strict=True))
    if encoding == "json-escaped":
        inner = orjson.dumps(named).decode().replace("/", "\\/")
        line = orjson.dumps({"event": _tag(rng), "payload": inner}).decode()
        return Planted((line,), "json-in-json", encoding)
    if encoding != PLAIN:
        blob = b64("".join(f"{name}={value}\n" for name, value in named.items()).encode())
        return Planted((f"CONFIG_{_tag(rng).upper()}={blob}",), "env", "base64")
    name, context = rng.choice(list(NAMED.items()))
    return Planted(tuple(context(name, value, rng) for name, value in named.items()), name, PLAIN)


def _plant_key(family: Family, text: str, encoding: str, rng: random.Random) -> Planted:
    if encoding in {PLAIN, "hex", "percent"}:
        head = f"+ cat /root/.ssh/{_tag(rng)}"
        return Planted((head, *text.split("\n")), "cat", PLAIN)
    if encoding == "json-escaped":
        line = orjson.dumps({"type": "service_account", family.variable.lower(): text + "\n"}).decode()
        return Planted((line,), "key-file", encoding)
    blob = b64((text + "\n").encode())
    return Planted((f"    client-key-data: {blob}",), "kubeconfig", "base64")


def _percent(text: str) -> str:
    """As strict encoders write it: every byte that is no letter and no digit."""
    return (
        quote(text, safe="").replace("-", "%2D").replace("_", "%5F").replace(".", "%2E").replace("~", "%7E")
    )


def _json_escapes(text: str) -> str:
    """As Gson and PHP write JSON: `=`, `&` and `/` escaped, which every reader of JSON undoes."""
    return text.replace("=", "\\u003d").replace("&", "\\u0026").replace("/", "\\/")


# Families that stand on several lines, or are encoded as a whole.
_WHOLE: Final = {"pem": _plant_key, "pair": _plant_pair}
_ENCODERS: Final[dict[str, Callable[[Family, str, random.Random], Planted | None]]] = {
    PLAIN: _plain,
    "percent": _form,
    "json-escaped": _json_in_json,
    "hex": _hex,
    "base64-pair": _pair_in_base64,
    "base64": _base64,
    "base64-wrapped": _wrapped,
    "base64-utf16": _utf16,
    "base64-gzip": _gzip,
    "percent-twice": _percent_twice,
    "json-escaped-twice": _json_twice,
    "html": _html,
    "quoted-printable": _quoted_printable,
    "ansi": _ansi,
    "spaced": _spaced,
    "nested": _nested,
}
