"""Text that looks like a secret and is none: what a scanner must not report.

Each class is counted apart in the results, so whoever thinks one of them unfair can leave it out.
"""

import random
from collections.abc import Callable
from typing import Final

from benchmarks import formats
from benchmarks.families import FAMILIES
from benchmarks.formats import BASE62, BASE64URL, HEX, b64, pick

Decoy = Callable[[random.Random], str]
_VARIABLES: Final = tuple(family.variable for family in FAMILIES)
# Values that vendors print in their own documents.
_DOCUMENTED: Final = (
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_access_key_id: AKIAI44QH8DHBEXAMPLE",
    "Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "export GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "ANTHROPIC_API_KEY=sk-ant-api03-XXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    'slack_token = "xoxb-your-token-here"',
    "glpat-xxxxxxxxxxxxxxxxxxxx is replaced by your own token",
)
_PLACEHOLDERS: Final = (
    "<your-token>", "${%s}", "$%s", "{{ secrets.%s }}", "${{ secrets.%s }}", "%%%s%%", "changeme", "REPLACE_ME",
    "xxxxxxxxxxxxxxxx", "null", "undefined", "None", "<redacted>", "[hidden]", "(sensitive value)", "(not set)",
    "your_api_key_here", "TODO", "vault:secret/data/ci#token", "file:/run/secrets/token", "op://ci/deploy/token",
)  # fmt: skip
_MASKS: Final = ("***", "********", "ghp_************************************", "[MASKED]", "[REDACTED]", "AKIA****************",
                 "glpat-********************", "npm_...3fQx", "sk-ant-…", "xoxb-****-****-****", "hvs.****")  # fmt: skip
_LOCAL_URLS: Final = (
    "postgres://user:password@localhost:5432/test",
    "postgres://postgres:${POSTGRES_PASSWORD}@db:5432/app",
    "mongodb://<user>:<password>@host/app",
    "redis://localhost:6379/0",
    "amqp://guest:guest@localhost:5672/",
    "https://***:***@git.internal/acme/app.git",
    "https://x-access-token:***@git.internal/acme/app.git",
)


def _placeholder(rng: random.Random) -> str:
    name, value = rng.choice(_VARIABLES), rng.choice(_PLACEHOLDERS)
    value = value.replace("%s", name).replace("%%", "%") if "%" in value else value
    form = rng.choice(("{}={}", '{}: "{}"', "export {}={}", '"{}": "{}",', "ARG {}={}"))
    return form.format(name, value)


def _masked(rng: random.Random) -> str:
    form = rng.choice(
        (
            "  {}: {}",
            "{}={}",
            "Authorization: Bearer {1}",
            "+ docker login -u ci -p {1} ({0})",
            '{{"{}":"{}"}}',
        )
    )
    return form.format(rng.choice(_VARIABLES), rng.choice(_MASKS))


def _digest(rng: random.Random) -> str:
    return rng.choice((
        f"Digest: sha256:{pick(rng, HEX, 64)}",
        f"commit {pick(rng, HEX, 40)} (HEAD -> main, origin/main)",
        f"image: registry.internal/app@sha256:{pick(rng, HEX, 64)}",
        f"checksum: md5={pick(rng, HEX, 32)} sha1={pick(rng, HEX, 40)}",
        f"Cache key: linux-node-{pick(rng, HEX, 64)}",
        f'etag: "{pick(rng, HEX, 32)}"',
    ))  # fmt: skip


def _integrity(rng: random.Random) -> str:
    return rng.choice((
        f'      "integrity": "sha512-{b64(rng.randbytes(64))}",',
        f"golang.org/x/text v0.{rng.randrange(30)}.0 h1:{b64(rng.randbytes(32))}",
        f"    --hash=sha256:{pick(rng, HEX, 64)}",
        f'checksum = "{pick(rng, HEX, 64)}"',
    ))  # fmt: skip


def _identifier(rng: random.Random) -> str:
    return rng.choice((
        f"x-request-id: {formats.uuid4(rng)}",
        f"x-amz-id-2: {b64(rng.randbytes(56))}",
        f"traceparent: 00-{pick(rng, HEX, 32)}-{pick(rng, HEX, 16)}-01",
        f"assumed role id AROA{pick(rng, BASE62.upper(), 17)}:ci-{rng.randrange(10**6)}",
        f"token_id={formats.uuid4(rng)} issued",
        f"secret version arn:aws:secretsmanager:eu-west-1:{pick(rng, '0123456789', 12)}:secret:ci/deploy-{pick(rng, BASE62, 6)}",
        f"api key id: {pick(rng, BASE62, 10)} created by terraform",
    ))  # fmt: skip


def _public_key(rng: random.Random) -> str:
    return rng.choice((
        f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{b64(rng.randbytes(32))[:43]} ci@runner",
        f"Host key fingerprint is SHA256:{b64(rng.randbytes(32)).rstrip('=')}",
        f"    certificate-authority-data: {b64(b'-----BEGIN CERTIFICATE-----' + b64(rng.randbytes(600)).encode())}",
        f"age1{pick(rng, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l', 58)} (recipient)",
    ))  # fmt: skip


def _talk(rng: random.Random) -> str:
    return rng.choice((
        "Password: ",
        f"token expires in {rng.randrange(60, 3600)}s",
        "secretKeyRef: {name: db-credentials, key: password}",
        "warning: password authentication is deprecated",
        f"GET /reset-password?user={rng.randrange(10**6)} 302",
        "--token-file=/var/run/secrets/tokens/vault-token",
        f"Requesting token for audience=sts.amazonaws.com run={rng.randrange(10**9)}",
        "keyring: using backend SecretService Keyring",
        f"max_tokens={rng.randrange(256, 8192)} total_tokens={rng.randrange(9999)}",
    ))  # fmt: skip


def _blob(rng: random.Random) -> str:
    return rng.choice((
        f"data:image/png;base64,{b64(rng.randbytes(rng.randrange(90, 400)))}",
        f"//# sourceMappingURL=data:application/json;base64,{b64(rng.randbytes(120))}",
        f"gzip payload {b64(rng.randbytes(rng.randrange(60, 200)))}",
        f"cursor={pick(rng, BASE64URL, 60)}",
    ))  # fmt: skip


def _bad_checksum(rng: random.Random) -> str:
    token = formats.crc_base62(rng.choice(("ghp_", "ghs_", "npm_")), rng)
    swapped = token[:-1] + ("0" if token[-1] != "0" else "1")
    return f"fixture token {swapped} (not a real one)"


DECOYS: Final[dict[str, tuple[Decoy, int]]] = {
    "placeholder": (_placeholder, 16),
    "masked": (_masked, 16),
    "digest": (_digest, 20),
    "integrity": (_integrity, 14),
    "identifier": (_identifier, 14),
    "public-key": (_public_key, 5),
    "talk": (_talk, 8),
    "blob": (_blob, 6),
    "local-url": (lambda rng: f"url: {rng.choice(_LOCAL_URLS)}", 3),
    "documented-example": (lambda rng: rng.choice(_DOCUMENTED), 4),
    "bad-checksum": (_bad_checksum, 1),
}
_NAMES: Final = tuple(DECOYS)
_WEIGHTS: Final = tuple(weight for _, weight in DECOYS.values())


def decoy(rng: random.Random) -> tuple[str, str]:
    """A decoy's class and its line."""
    name = rng.choices(_NAMES, _WEIGHTS)[0]
    return name, DECOYS[name][0](rng)
