"""Blocks of ordinary log text, as pipelines write it: what a secret hides in.

Each generator returns the lines of one block and a function that puts a foreign line (a planted secret, a
decoy) into the block's own form, so that what is planted stands as the rest does.
"""

import random
from collections.abc import Callable
from typing import Final

import msgspec
import orjson

from benchmarks.formats import BASE62, b64, pick

Wrap = Callable[[str], str]
_WORDS: Final = (
    "build", "deploy", "render", "cache", "queue", "worker", "commit", "layer", "image", "verify",
    "publish", "release", "artifact", "runner", "step", "stage", "metrics", "gateway", "orders", "billing",
    "search", "index", "schema", "migrate", "export", "import", "sync", "session", "profile", "catalog",
    "ledger", "policy", "bundle", "chart", "module", "vendor", "plugin", "report", "digest", "monitor",
    "backup", "restore", "resolve", "compile", "package",
)  # fmt: skip
_PACKAGES: Final = (
    "requests", "urllib3", "numpy", "pandas", "boto3", "botocore", "cryptography", "pydantic", "fastapi",
    "starlette", "uvicorn", "rich", "click", "jinja2", "markupsafe", "pyyaml", "certifi", "idna", "attrs",
    "anyio", "httpx", "sqlalchemy", "alembic", "psycopg", "redis", "celery", "kombu", "pytest", "coverage",
)  # fmt: skip
_NODE: Final = (
    "react", "lodash", "webpack", "typescript", "eslint", "prettier", "jest", "rollup", "vite", "express",
    "axios", "chalk", "commander", "glob", "semver", "rimraf", "debug", "ms", "minimist", "yargs", "tslib",
    "core-js", "@babel/core", "@types/node", "@aws-sdk/client-s3", "@octokit/rest",
)  # fmt: skip
_LEVELS: Final = ("debug", "info", "info", "info", "info", "warning", "error")
_AGENTS: Final = (
    "curl/8.5.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "kube-probe/1.30",
    "Go-http-client/2.0",
)


class Block(msgspec.Struct, frozen=True):
    """Lines of one kind, and how a foreign line is put into their form; `joins`: several become one record."""

    kind: str
    lines: list[str]
    wrap: Wrap
    joins: bool = False


def _same(text: str) -> str:
    return text


def _word(rng: random.Random) -> str:
    return _WORDS[int(rng.random() * len(_WORDS))]


def _hexed(rng: random.Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def _clock(rng: random.Random) -> str:
    n = rng.randrange(86_400)
    return f"2026-11-24T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}"


def _version(rng: random.Random) -> str:
    return f"{rng.randrange(9)}.{rng.randrange(40)}.{rng.randrange(20)}"


def _path(rng: random.Random) -> str:
    return f"src/{_word(rng)}/{_word(rng)}_{_word(rng)}.{('py', 'ts', 'go', 'java', 'rs')[rng.randrange(5)]}"


def _github(rng: random.Random) -> Block:
    stamp = _clock(rng)

    def wrap(text: str) -> str:
        return f"{stamp}.{rng.randrange(10**7):07d}Z {text}"

    sha, repo = _hexed(rng, 40), f"acme/{_word(rng)}"
    lines = [
        f"##[group]Run actions/checkout@{_hexed(rng, 40)}",
        "with:",
        f"  repository: {repo}",
        "  token: ***",
        "  persist-credentials: true",
        "##[endgroup]",
        "[command]/usr/bin/git version",
        "git version 2.51.0",
        f"[command]/usr/bin/git -c protocol.version=2 fetch --no-tags --depth=1 origin +{sha}:refs/remotes/origin/main",
        f"From https://github.com/{repo}",
        f" * [new ref]         {sha} -> origin/main",
        f"HEAD is now at {sha[:7]} {_word(rng)}: {_word(rng)} the {_word(rng)}",
        "##[group]Run make test",
        "shell: /usr/bin/bash --noprofile --norc -e -o pipefail {0}",
        "env:",
        "  GITHUB_TOKEN: ***",
        f"  RUN_ID: {rng.randrange(10**10)}",
        "##[endgroup]",
        f"Cache restored from key: Linux-{_word(rng)}-{_hexed(rng, 64)}",
    ]
    for n in range(rng.randrange(40, 160)):
        seconds = f"{rng.random() * 3:.3f}s"
        lines.append(
            (
                f"{_path(rng)}::test_{_word(rng)}_{_word(rng)} PASSED [{n % 100:3d}%] {seconds}",
                f"  ok {n} - {_word(rng)} {_word(rng)} ({seconds})",
                f"Removing intermediate {_word(rng)} {_hexed(rng, 12)} after {seconds}",
                f"Uploading {_word(rng)}.tar.zst ({rng.randrange(10**7)} bytes) sha256:{_hexed(rng, 64)}",
                f"compiling {_path(rng)} -> build/{_hexed(rng, 12)}.o",
            )[rng.randrange(5)]
        )
    return Block("github", [wrap(line) for line in lines], wrap)


def _gitlab(rng: random.Random) -> Block:
    section, at = f"{_word(rng)}_script", 1_795_000_000 + rng.randrange(10**6)
    lines = [
        f'section_start:{at}:{section}\r\x1b[0K\x1b[0K\x1b[36;1mExecuting "{section}" stage of the job script\x1b[0;m',
        f"\x1b[32;1m$ git checkout -f -q {_hexed(rng, 40)}\x1b[0;m",
    ]
    lines += [
        (
            f"\x1b[32;1m$ ./ci/{_word(rng)}.sh --{_word(rng)}={_word(rng)}\x1b[0;m",
            f"Checking cache for {_word(rng)}-{_hexed(rng, 40)}-protected...",
            f"[{_clock(rng)}] {_word(rng)}: {_word(rng)} {_word(rng)} took {rng.randrange(9999)} ms",
            f'Uploading artifacts as "archive" to coordinator... 201 Created  id={rng.randrange(10**9)} responseStatus=201 Created',
        )[rng.randrange(4)]
        for _ in range(rng.randrange(30, 120))
    ]
    lines.append(f"section_end:{at + 9}:{section}\r\x1b[0K")
    return Block("gitlab", lines, _same)


def _docker(rng: random.Random) -> Block:
    step = rng.randrange(4, 40)
    lines = [f"#{step} [{_word(rng)} {step % 9}/9] RUN make {_word(rng)}", f"#{step} CACHED"]
    lines += [
        (
            f"#{step} sha256:{_hexed(rng, 64)} {rng.randrange(99)}.{rng.randrange(99)}MB / 99.10MB {rng.random() * 9:.1f}s",
            f"#{step} {rng.random() * 90:.3f} Get:{rng.randrange(99)} http://deb.internal/debian bookworm/main amd64 {_word(rng)} amd64 {_version(rng)}-1 [{rng.randrange(999)} kB]",
            f"#{step} {rng.random() * 90:.3f} Setting up {_word(rng)}{rng.randrange(9)}:amd64 ({_version(rng)}) ...",
            f"#{step} extracting sha256:{_hexed(rng, 64)} {rng.random() * 4:.1f}s done",
        )[rng.randrange(4)]
        for _ in range(rng.randrange(30, 150))
    ]
    lines.append(f"#{step} exporting manifest sha256:{_hexed(rng, 64)} done")
    return Block("docker", lines, lambda text: f"#{step} {rng.random() * 90:.3f} {text}")


def _npm(rng: random.Random) -> Block:
    lines = []
    for _ in range(rng.randrange(40, 160)):
        package = _NODE[rng.randrange(len(_NODE))]
        lines.append(
            (
                f"npm http fetch GET 200 https://npm.internal/{package}/-/{package.rsplit('/', 1)[-1]}-{_version(rng)}.tgz {rng.randrange(900)}ms (cache miss)",
                f"npm warn deprecated {package}@{_version(rng)}: this version is no longer supported, use {package}@{_version(rng)}",
                f'      "integrity": "sha512-{b64(rng.randbytes(64))}",',
                f"npm timing reify:unpack Completed in {rng.randrange(9999)}ms",
            )[rng.randrange(4)]
        )
    return Block("npm", lines, _same)


def _pip(rng: random.Random) -> Block:
    lines = []
    for _ in range(rng.randrange(40, 140)):
        package = _PACKAGES[rng.randrange(len(_PACKAGES))]
        version = _version(rng)
        lines.append(
            (
                f"Collecting {package}=={version} (from -r requirements.lock (line {rng.randrange(900)}))",
                f"  Downloading {package}-{version}-cp311-cp311-manylinux_2_28_x86_64.whl ({rng.randrange(900)} kB)",
                f"    --hash=sha256:{_hexed(rng, 64)} \\",
                f"Requirement already satisfied: {package}>={version} in /opt/venv/lib/python3.11/site-packages",
            )[rng.randrange(4)]
        )
    return Block("pip", lines, _same)


def _golang(rng: random.Random) -> Block:
    lines = []
    for _ in range(rng.randrange(40, 160)):
        test = f"Test{_word(rng).title()}{_word(rng).title()}"
        lines.append(
            (
                f"go: downloading github.com/acme/{_word(rng)} v{_version(rng)}",
                f"=== RUN   {test}/{_word(rng)}_{rng.randrange(99)}",
                f"--- PASS: {test} ({rng.random():.2f}s)",
                f"github.com/acme/{_word(rng)} v{_version(rng)} h1:{b64(rng.randbytes(32))}",
                f"ok  \tgithub.com/acme/{_word(rng)}/{_word(rng)}\t{rng.random() * 9:.3f}s\tcoverage: {rng.randrange(99)}.{rng.randrange(9)}% of statements",
            )[rng.randrange(5)]
        )
    return Block("go", lines, _same)


def _maven(rng: random.Random) -> Block:
    lines = []
    for _ in range(rng.randrange(40, 140)):
        name, version = _word(rng), _version(rng)
        lines.append(
            (
                f"[INFO] Downloaded from mirror: https://maven.internal/repo/com/acme/{name}/{version}/{name}-{version}.jar ({rng.randrange(999)} kB at {rng.random() * 9:.1f} MB/s)",
                f"[INFO] Tests run: {rng.randrange(99)}, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: {rng.random() * 9:.3f} s -- in com.acme.{name}.{_word(rng).title()}Test",
                f"[WARNING] {_path(rng)}:[{rng.randrange(900)},{rng.randrange(90)}] unchecked call to put(K,V) as a member of the raw type java.util.Map",
            )[rng.randrange(3)]
        )
    return Block("maven", lines, lambda text: f"[INFO] {text}")


def _terraform(rng: random.Random) -> Block:
    lines = []
    for _ in range(rng.randrange(8, 30)):
        name = _word(rng)
        account = f"{rng.randrange(10**12):012d}"
        lines += [
            f"  # aws_iam_role.{name} will be created",
            f'  + resource "aws_iam_role" "{name}" {{',
            f'      + arn                  = "arn:aws:iam::{account}:role/{name}-{_hexed(rng, 8)}"',
            f'      + etag                 = "{_hexed(rng, 32)}"',
            "      + id                   = (known after apply)",
            "      + client_secret        = (sensitive value)",
            f'      + source_code_hash     = "{b64(rng.randbytes(32))}"',
            "    }",
            f"aws_iam_role.{name}: Creation complete after {rng.randrange(9)}s [id={name}-{_hexed(rng, 8)}]",
        ]
    return Block("terraform", lines, _same)


def _kubectl(rng: random.Random) -> Block:
    lines = ["NAME                                   READY   STATUS    RESTARTS   AGE"]
    for _ in range(rng.randrange(30, 120)):
        pod = f"{_word(rng)}-{_hexed(rng, 10)}-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 5)}"
        lines.append(
            (
                f"{pod:38s} 1/1     Running   {rng.randrange(3)}          {rng.randrange(99)}h",
                f"deployment.apps/{_word(rng)} configured",
                f'Normal  Pulled  {rng.randrange(59)}s  kubelet  Successfully pulled image "registry.internal/{_word(rng)}@sha256:{_hexed(rng, 64)}" in {rng.random() * 9:.3f}s',
                f'I1124 {rng.randrange(10, 24)}:00:00.{rng.randrange(10**6):06d}       1 controller.go:{rng.randrange(999)}] "Reconciled" pod="ci/{pod}" resourceVersion="{rng.randrange(10**9)}"',
            )[rng.randrange(4)]
        )
    return Block("kubectl", lines, _same)


def _application(rng: random.Random) -> Block:
    service = _word(rng)

    def wrap(text: str) -> str:
        record = {
            "ts": f"{_clock(rng)}.{rng.randrange(1000):03d}Z",
            "level": _LEVELS[rng.randrange(7)],
            "service": service,
            "trace_id": _hexed(rng, 32),
            "span_id": _hexed(rng, 16),
            "msg": text,
        }
        return orjson.dumps(record).decode()

    lines = [
        wrap(
            f"{_word(rng)} {_word(rng)} user={rng.randrange(10**6)} status={rng.choice((200, 201, 404, 500))}"
        )
        for _ in range(rng.randrange(40, 160))
    ]
    return Block("application", lines, wrap, joins=True)


def _nginx(rng: random.Random) -> Block:
    stamp = f"24/Nov/2026:{rng.randrange(24):02d}:{rng.randrange(60):02d}"
    lines = [
        f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)} - - [{stamp}:{n % 60:02d} +0000] "
        f'"GET /{_word(rng)}/{rng.randrange(10**6)}?page={rng.randrange(99)}&sort={_word(rng)} HTTP/1.1" '
        f'{rng.choice((200, 200, 200, 304, 404))} {rng.randrange(99999)} "-" "{_AGENTS[rng.randrange(4)]}" rid={_hexed(rng, 32)}'
        for n in range(rng.randrange(60, 200))
    ]
    return Block(
        "nginx", lines, lambda text: f"2026/11/24 12:00:00 [error] 31#31: *{rng.randrange(9999)} {text}"
    )


def _trace(rng: random.Random) -> Block:
    lines = []
    for _ in range(rng.randrange(4, 14)):
        kind = rng.randrange(3)
        if kind == 0:
            lines.append(
                f'Exception in thread "main" java.lang.IllegalStateException: {_word(rng)} {_word(rng)}'
            )
            lines += [
                f"\tat com.acme.{_word(rng)}.{_word(rng).title()}.{_word(rng)}({_word(rng).title()}.java:{rng.randrange(900)})"
                for _ in range(rng.randrange(5, 20))
            ]
        elif kind == 1:
            lines.append("Traceback (most recent call last):")
            for _ in range(rng.randrange(3, 12)):
                lines.append(f'  File "/app/{_path(rng)}", line {rng.randrange(900)}, in {_word(rng)}')
                lines.append(f"    return self.{_word(rng)}({_word(rng)}, timeout={rng.randrange(60)})")
            lines.append(f"RuntimeError: {_word(rng)} {_word(rng)} failed with code {rng.randrange(256)}")
        else:
            lines.append(f"TypeError: Cannot read properties of undefined (reading '{_word(rng)}')")
            lines += [
                f"    at {_word(rng)} (/app/node_modules/{_word(rng)}/dist/index.js:{rng.randrange(900)}:{rng.randrange(90)})"
                for _ in range(rng.randrange(4, 14))
            ]
    return Block("trace", lines, _same)


def _agent(rng: random.Random) -> Block:
    conversation = _hexed(rng, 24)

    def wrap(text: str) -> str:
        record = {
            "conversation": conversation,
            "role": "tool",
            "tool_call_id": f"call_{pick(rng, BASE62, 24)}",
            "content": [{"type": "text", "text": text}],
        }
        return orjson.dumps(record).decode()

    lines = [
        wrap(f"$ cat {_path(rng)}\n{_word(rng)} = {rng.randrange(999)}\n{_word(rng)}: {_hexed(rng, 40)}\n")
        for _ in range(rng.randrange(20, 70))
    ]
    return Block("agent", lines, wrap, joins=True)


GENERATORS: Final[tuple[tuple[Callable[[random.Random], Block], int], ...]] = (
    (_github, 20), (_gitlab, 10), (_docker, 10), (_npm, 8), (_pip, 6), (_golang, 8), (_maven, 5), (_terraform, 6),
    (_kubectl, 8), (_application, 12), (_nginx, 10), (_trace, 6), (_agent, 6),
)  # fmt: skip
_MAKERS: Final = tuple(maker for maker, _ in GENERATORS)
_WEIGHTS: Final = tuple(weight for _, weight in GENERATORS)


def block(rng: random.Random) -> Block:
    """The next block of log text."""
    return rng.choices(_MAKERS, _WEIGHTS)[0](rng)
