"""What the halves of the `names` corpus that follow one recipe share: 11 kinds of value, and what look-alikes hold.

The recipe: 36 names that pipelines print, 11 kinds of value, 16 contexts in which tools print a name and a value, each
with each, and 36 kinds of look-alikes in the same contexts. Such a half has no context of another half.
"""

import random
from collections.abc import Callable
from typing import Final

from benchmarks.formats import BASE32, BASE62, DIGITS, HEX, b64, b64url, pick, uuid4
from benchmarks.names_contexts import Context, Shown, stamp, tag
from benchmarks.names_lookalikes import LookAlike, either, hexadecimal, own
from benchmarks.names_words import SHARED as _EARLIER
from benchmarks.names_words import Half, Name, Value, drawn, of_bytes, password, random_text

VALUES: Final[dict[str, Value]] = {
    **{
        kind: _EARLIER[kind]
        for kind in (
            "hex 32",
            "hex 40",
            "hex 64",
            "base62 24",
            "base62 32",
            "base62 48",
            "base64 of 32 bytes",
        )
    },
    "base64url of 32 bytes": of_bytes(32, b64url),
    "uuid 4": _EARLIER["uuid 4"],
    "base32 upper 32": drawn(BASE32, 32),
    "password 16, signs": password("!@#$%^&*()-_=+[]{}:;,.?/~|<>", 16),
}
# Commands that say themselves that what they hold is a secret: no look-alike stands there.
TELLING: Final = frozenset(
    {"aws ssm put-parameter", "az keyvault secret set", "gh secret set", "kubectl create secret",
     "secretsmanager create-secret", "stringData", "vault kv put"}
)  # fmt: skip


def lines(write: Callable[[str], str], form: str) -> Context:
    """Several lines in one form, with the value as `write` has it; quotes around it are not of the value."""

    def made(name: Name, value: str, rng: random.Random) -> Shown:
        written = write(value)
        bare = written[1:-1] if written[0] == written[-1] == "'" else written
        return Shown(tuple(form.format(name=name, value=written, tag=tag(rng)).split("\n")), bare)

    return made


def look_alikes(half: Half, names: dict[str, str]) -> dict[str, LookAlike]:
    """A half's names for each kind, with the makers that all such halves have."""
    return {kind: own(half, names[kind], *makers) for kind, makers in _MAKERS.items()}


def _digest(rng: random.Random) -> str:
    return f"sha256:{pick(rng, HEX, 64)}"


def _cache(rng: random.Random) -> str:
    key = pick(rng, HEX, rng.choice((16, 40, 64)))
    return rng.choice((f"{tag(rng)}-linux-{key}", f"v{rng.randrange(9)}-npm-{key}", key))


def _cursor(rng: random.Random) -> str:
    return b64(f'{{"id":{rng.randrange(10**6)},"at":"{stamp(rng)}Z"}}'.encode())


def _public(rng: random.Random) -> str:
    return rng.choice(
        (
            f"ssh-ed25519 {b64(bytes.fromhex('0000000b7373682d6564323535313900000020') + rng.randbytes(32))}",
            b64(bytes.fromhex("302a300506032b6570032100") + rng.randbytes(32)),
            b64url(b"\x04" + rng.randbytes(64)),
        )
    )


def _fingerprint(rng: random.Random) -> str:
    return rng.choice(
        (
            "SHA256:" + b64(rng.randbytes(32)).rstrip("="),
            ":".join(pick(rng, HEX, 2) for _ in range(20)).upper(),
            ":".join(pick(rng, HEX, 2) for _ in range(16)),
        )
    )


def _hash(rng: random.Random) -> str:
    salt = pick(rng, BASE62, 22)
    return rng.choice(
        (
            f"$2b$12${salt}{pick(rng, BASE62, 31)}",
            f"$6${salt[:16]}${pick(rng, BASE62, 86)}",
            f"$argon2id$v=19$m=65536,t=3,p=4${b64(rng.randbytes(16)).rstrip('=')}${b64(rng.randbytes(32)).rstrip('=')}",
            f"pbkdf2_sha256$870000${salt}${b64(rng.randbytes(32))}",
        )
    )


def _words(rng: random.Random) -> str:
    return rng.choice((f"{tag(rng)}-{tag(rng)}", f"prod/{tag(rng)}/db", f"{tag(rng)}_ci", tag(rng)))


def _arn(rng: random.Random) -> str:
    account = pick(rng, DIGITS, 12)
    return rng.choice(
        (
            f"arn:aws:secretsmanager:eu-west-1:{account}:secret:{tag(rng)}/{tag(rng)}-{pick(rng, BASE62, 6)}",
            f"arn:aws:ssm:us-east-1:{account}:parameter/{tag(rng)}/{tag(rng)}",
            f"projects/{account}/secrets/{tag(rng)}/versions/{rng.randrange(1, 30)}",
            f"https://{tag(rng)}.vault.azure.net/secrets/{tag(rng)}/{pick(rng, HEX, 32)}",
        )
    )


def _masked(rng: random.Random) -> str:
    end = pick(rng, BASE62, 4)
    return rng.choice(
        (
            "***", "********", "*" * 24, f"****************{end}", f"{end}****", "[REDACTED]", "<hidden>", "(sensitive)",
            "xxxxxxxxxxxxxxxx", "[masked]", "•••••••••••", "<redacted:32>", "********-****-****", "[FILTERED]", "#####",
        )
    )  # fmt: skip


def _reference(rng: random.Random) -> str:
    one, two = tag(rng), tag(rng)
    return rng.choice(
        (
            f"${{{one.upper()}_TOKEN}}", f"${one.upper()}_PASSWORD", f"$(cat /run/secrets/{one})", f"{{{{ {one}.{two} }}}}",
            f"${{{{ secrets.{one.upper()} }}}}", f"op://ci/{one}/password", f"vault:secret/data/{one}#{two}", f"%{one.upper()}%",
            f"!Ref {one.capitalize()}Secret", f"process.env.{one.upper()}", f"var.{one}_{two}", f"!vault {one}/{two}",
            f"os.environ['{one.upper()}']", f"{{{{resolve:ssm:/{one}/{two}}}}}", f"env.{one.upper()}_KEY", f"<{one}_{two}>",
        )
    )  # fmt: skip


def _placeholder(rng: random.Random) -> str:
    return rng.choice(
        (
            "changeme", "your-password", "<your token>", "REPLACE_WITH_YOUR_KEY", "xxxx-xxxx-xxxx", "null", "none", "secret",
            "example-secret-value", "TBD", "please-change-me-in-production", "password123", "notused", "insert_api_key_here",
            "not-a-real-token", "00000000-0000-0000-0000-000000000000", f"my-{tag(rng)}-secret", "generate-me",
        )
    )  # fmt: skip


def _number(rng: random.Random) -> str:
    return str(rng.randrange(10 ** rng.randrange(1, 7)))


def _time(rng: random.Random) -> str:
    return rng.choice(
        (f"{rng.randrange(1, 90)}d", f"{stamp(rng)}Z", str(rng.randrange(86_400)), f"{rng.randrange(60)}m30s")
    )


def _path(rng: random.Random) -> str:
    return rng.choice(
        (
            f"uploads/2026/11/{uuid4(rng)}.png", f"{tag(rng)}/{tag(rng)}/part-{rng.randrange(999):05d}.parquet",
            f"backups/{tag(rng)}/{pick(rng, HEX, 32)}.tar.gz", f"{tag(rng)}#{rng.randrange(10**8)}",
        )
    )  # fmt: skip


def _file(rng: random.Random) -> str:
    return rng.choice(
        (
            f"/var/run/secrets/{tag(rng)}/token", f"/run/secrets/{tag(rng)}_password", f"~/.{tag(rng)}/credentials.json",
            f"./{tag(rng)}/private.pem", f"C:\\ProgramData\\{tag(rng)}\\key.txt", f"/etc/{tag(rng)}/{tag(rng)}.key",
        )
    )  # fmt: skip


def _url(rng: random.Random) -> str:
    return (
        f"https://{tag(rng)}.internal/realms/{tag(rng)}/{rng.choice(('token', 'reset', 'oauth2/v1/token'))}"
    )


def _encrypted(rng: random.Random) -> str:
    return rng.choice(
        (
            f"ENC[AES256_GCM,data:{b64(rng.randbytes(24))},iv:{b64(rng.randbytes(32))},tag:{b64(rng.randbytes(16))},type:str]",
            f"vault:v{rng.randrange(1, 9)}:{b64(rng.randbytes(48))}",
            f"AQICAHh{pick(rng, BASE62, 120)}",
            f"ENC({b64(rng.randbytes(32))})",
        )
    )


def _etag(rng: random.Random) -> str:
    return f'W/"{pick(rng, HEX, 32)}"'


def _certificate(rng: random.Random) -> str:
    return f"MIID{pick(rng, BASE62, 4)}CCAr{pick(rng, BASE62, 100)}"


def _integrity(rng: random.Random) -> str:
    return rng.choice(
        (
            f"sha512-{b64(rng.randbytes(64))}",
            f"sha384-{b64(rng.randbytes(48))}",
            f"sha256-{b64(rng.randbytes(32))}",
        )
    )


_TYPES: Final = either(
    "Bearer", "ed25519", "RS256", "client_secret_basic", "kv-v2", "aws-iam", "AES-256-GCM", "kubernetes"
)
_MAKERS: Final[dict[str, tuple[Value, ...]]] = {
    "commit": (hexadecimal(40),),
    "digest": (
        hexadecimal(40, 64, 128),
        _digest,
    ),
    "cache key": (
        _cache,
        random_text,
    ),
    "page token": (
        random_text,
        _cursor,
    ),
    "continuation token": (
        random_text,
        _cursor,
    ),
    "trace id": (
        hexadecimal(16, 32),
        uuid4,
    ),
    "key id": (
        random_text,
        uuid4,
    ),
    "public key": (
        random_text,
        _public,
    ),
    "fingerprint": (
        _fingerprint,
        hexadecimal(32, 40, 64),
    ),
    "idempotency key": (
        random_text,
        uuid4,
    ),
    "password hash": (
        _hash,
        hexadecimal(40, 64),
    ),
    "secret's name": (_words,),
    "secret's ARN": (_arn,),
    "masked": (_masked,),
    "reference": (_reference,),
    "placeholder": (_placeholder,),
    "token count": (_number,),
    "partition key": (
        random_text,
        uuid4,
    ),
    "row and object key": (
        random_text,
        _path,
    ),
    "etag": (
        hexadecimal(32),
        _etag,
    ),
    "token file": (_file,),
    "checksum": (
        hexadecimal(32, 64),
        random_text,
    ),
    "request id": (
        uuid4,
        random_text,
    ),
    "public value": (random_text,),
    "token's time": (_time,),
    "token's type": (_TYPES,),
    "token's URL": (_url,),
    "secret's version": (
        _number,
        uuid4,
    ),
    "user": (
        _words,
        uuid4,
        random_text,
    ),
    "encrypted": (_encrypted,),
    "kubernetes object": (uuid4,),
    "upload": (
        random_text,
        uuid4,
    ),
    "certificate": (_certificate,),
    "switch": (either("true", "false", "1", "0", "yes", "on"),),
    "integrity": (_integrity,),
    "device": (
        hexadecimal(32),
        uuid4,
    ),
}
