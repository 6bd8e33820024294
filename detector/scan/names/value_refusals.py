"""What a value tells by its form: that it is a reference, a digest, a mask, a template, or proven no secret."""

import re  # over at most 512 bytes, without nested repeats
from typing import Final

from detector.patterns.checksums import has_crc32, has_grafana_crc32
from detector.patterns.placeholders import is_placeholder

_OPENINGS: Final = re.compile(rb"(#\{|\$\{|\$\(|\{\{|<%|%\()")
_CLOSINGS: Final = (b"}", b")", b"%>")
_SIGNS: Final = bytes.maketrans(b"{(%<$", b"=====")
_ELSEWHERE: Final = re.compile(
    rb"(?i)(?:"
    # References: a path in a secret store, a resource's name, a key of another object.
    rb"arn:[a-z-]+:|[a-z][a-z0-9+.-]*://|projects/[^/]+/|secret(?:s|sManager)?[/:.]|vault:[a-z]|ssm:/|@Microsoft\.KeyVault|"
    rb"(?:process\.env|os\.environ|System\.getenv|env|vars?|self|this|config|settings|data|local|module)[.\[]|env:|"
    rb"file:|op:/|[a-z0-9-]+:(?:secret|configmap)s?/|@\{|\$env:|"
    # Digests and stored passwords, which are no way in.
    rb"(?:sha-?(?:1|2|224|256|384|512)|md5|blake2b?|crc32c?|hash)[:=$-]|\$(?:2[abxy]?|argon2(?:id?|d)?|[156y]|7|pbkdf2[a-z0-9-]*|scrypt)\$|"
    rb"\{(?:ssha|sha|crypt|bcrypt|noop)[0-9]*\}|(?:pbkdf2|scrypt|bcrypt|argon2)[a-z0-9_]*[$:]|SCRAM-SHA-|"
    # Encrypted.
    rb"ENC\[|enc\(|AQICAH|gAAAAAB|(?:vault|transit):v[0-9]+:|\{AES\}|(?-i:CiQA)|\$ANSIBLE_VAULT|"
    # For encrypting alone: a recipient of age.
    rb"age1[02-9ac-hj-np-z]{58}(?![0-9A-Za-z])"
    rb")"
)
_MASKED: Final = re.compile(
    rb"\*\*\*|\.\.\.|\xe2\x80\xa6|\xe2\x80\xa2|\xe2\x80\xb9|#####|_____|-----|(?i:redact|masked|hidden|x{5})|sha(?:256|512)[:-]|:/[a-z]|"
    # Escapes and regexes are of code.
    rb"\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\[\^?[^\]]?[A-Za-z0-9]-[A-Za-z0-9]"
)
# Of a request that AWS signs: the public id of the key, and for what it is good.
_SIGNED: Final = re.compile(
    rb"(?:/|%2[fF])[0-9]{8}(?:/|%2[fF])[a-z0-9-]+(?:/|%2[fF])[a-z0-9-]+(?:/|%2[fF])aws4_request"
)
_CALL: Final = re.compile(rb"^[A-Za-z_][\w.]*\(.*\)$|\(\)|^[A-Za-z_]\w*\[['\"]")
_TOKEN_PARTS: Final = re.compile(rb"^eyJ[\w-]*\.")
_CHECKED: Final = re.compile(rb"^gh[pousr]_[0-9A-Za-z]{36}$|^npm_[0-9A-Za-z]{36}$")
_FILE: Final = re.compile(
    rb"[/\\][\w.-]*\.(?:json|ya?ml|toml|pem|key|crt|cer|pub|p12|pfx|jks|asc|gpg|txt|conf|env|db|lock|gz|zip|parquet|tfstate)$"
)
_CONSTANT: Final = re.compile(rb"^[A-Z]{2,16}(?:_(?:[A-Z]{1,16}|[0-9]{1,3}))+$")  # of code
_SEALED: Final = re.compile(
    rb"^[A-Za-z0-9+/]+={0,2}--[A-Za-z0-9+/]+={0,2}--[A-Za-z0-9+/]+={0,2}$"
)  # by Rails
_EMAIL: Final = re.compile(rb"^<?[\w.+-]+@[\w-]+(?:\.[\w-]+)+>?$")
_ADDRESS: Final = re.compile(rb"^[\w-]+(?:\.[\w-]+)*\.[a-z]{2,6}(?::[0-9]+)?(?:/.*)?$")


def is_refused(value: bytes) -> bool:
    """Whether a value is no secret, by its form alone."""
    if _ELSEWHERE.match(value) or _MASKED.search(value) or _CALL.search(value) or _TOKEN_PARTS.match(value):
        return True
    if any(form.search(value) for form in (_SIGNED, _EMAIL, _ADDRESS, _FILE, _CONSTANT, _SEALED)):
        return True
    if _CHECKED.match(value) and not has_crc32(value):
        return True
    if value.startswith(b"glsa_") and not has_grafana_crc32(value):
        return True
    opened = _OPENINGS.search(value)
    if opened is not None:
        if any(closing in value[opened.end() :] for closing in _CLOSINGS):
            return True
        value = value.translate(_SIGNS)  # an opening that nothing closes is no template
    return is_placeholder(value)
