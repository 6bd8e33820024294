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
    rb"file:|op:/|[a-z0-9-]+:(?:secret|configmap)s?/|(?:configmap|secret|keychain|vault|ssm|awssm|file)s?:[\w.-]+/|@?[./~]*/(?:run|var|etc|home|opt|mnt|tmp|usr)/|@\{|\$env:|\$\{\w+\\?:?[-?=+]|"
    # Digests and stored passwords, which are no way in.
    rb"(?:sha-?(?:1|2|224|256|384|512)|md5|blake2b?|crc32c?|hash)[:=$-]|md5[0-9a-f]{32}$|\*[0-9A-F]{40}$|\$[a-z0-9-]{1,16}\$[\w./+=,$-]{8}|"
    rb"(?:grub\.)?(?:pbkdf2|scrypt|bcrypt|argon2)[a-z0-9_]*[$:.]|SCRAM-SHA-|0x0[12]00[0-9A-F]{48}|"
    # Encrypted; `{bcrypt}…` and `{cipher}…` are both.
    rb"\{[a-z0-9-]{2,12}\}|\[?ENC\[|enc\(|AQ[EI]CAH|AQAAANCMnd8BFd|01000000d08c9ddf|gAAAAA|Ag[AB][A-Za-z0-9+/]{120}|(?:vault|transit):v[0-9]+:|"
    rb"(?:encrypted|enc|aes|kms|cipher|sealed|crypt|gpg|pgp|bws|jasypt)[:|]|v?[0-9]:[0-9a-f]{8,}:[0-9a-f]{16}|(?-i:CiQA)|(?-i:U2FsdGVkX1)|Salted__|"
    rb"hQ[EI]MA|\$ANSIBLE_VAULT|age-encryption\.org/|"
    # For encrypting alone: a recipient of age.
    rb"age1[02-9ac-hj-np-z]{58}(?![0-9A-Za-z])|"
    # Of documentation.
    rb"p[@a]ssw[o0]rd|(?:123e4567-e89b-12d3|550e8400-e29b-41d4)-|not-?_?a-?_?real"
    rb")"
)
_WORD: Final = rb"(?:[A-Z]?[a-z]+(?:[A-Z][a-z]+){0,3}|[A-Z]+)"
_SEGMENT: Final = _WORD + rb"(?:[_-](?:" + _WORD + rb"|[0-9]{1,3}))*[0-9]{0,3}"
_WORDS: Final = re.compile(
    rb"^[@*~$]*[./]*" + _SEGMENT + rb"(?:[./:#]+" + _SEGMENT + rb")+(?::[0-9]{2,5})?$"
)  # joined: `steps.login.outputs.token`
_ALIAS: Final = re.compile(rb"^[*&@$]{1,2}[A-Za-z]+(?:[_-][A-Za-z]+)*[0-9]{0,3}$")
_SEQUENCE: Final = 40  # bytes of `a1b2c3d4`, a sequence of letters and one of digits
_NO_LETTER: Final = re.compile(rb"[^A-Za-z]")
_NO_DIGIT: Final = re.compile(rb"[^0-9]")
_MASKED: Final = re.compile(
    rb"\*\*\*|\.\.\.|\xe2\x80\xa6|\xe2\x80\xa2|\xe2\x80[\xb9\xba]|#####|_____|-----|(?i:redact|masked|hidden|x{5})|sha(?:256|512)[:-]|:/[a-z]|"
    # Escapes and regexes are of code.
    rb"\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\[\^?[^\]]?[A-Za-z0-9]-[A-Za-z0-9][^\]]{0,40}\]"
)
# Of a request that AWS signs: the public id of the key, and for what it is good.
_SIGNED: Final = re.compile(
    rb"(?:/|%2[fF])[0-9]{8}(?:/|%2[fF])[a-z0-9-]+(?:/|%2[fF])[a-z0-9-]+(?:/|%2[fF])aws4_request"
)
_CALL: Final = re.compile(rb"^[A-Za-z_][\w.]*\(.*\)$|\(\)|^[A-Za-z_]\w*\[['\"]")
_CHECKED: Final = re.compile(rb"^gh[pousr]_[0-9A-Za-z]{36}$|^npm_[0-9A-Za-z]{36}$")
_FILE: Final = re.compile(
    rb"[/\\][\w.-]*\.(?:json|ya?ml|toml|pem|key|crt|cer|pub|p12|pfx|jks|asc|gpg|txt|conf|env|db|lock|gz|zip|parquet|tfstate)$"
)
_CONSTANT: Final = re.compile(rb"^[A-Z]{2,16}(?:_(?:[A-Z0-9]{1,16}))+\)?$")  # of code
_SEALED: Final = re.compile(
    rb"^[A-Za-z0-9+/]+={0,2}--[A-Za-z0-9+/]+={0,2}--[A-Za-z0-9+/]+={0,2}$"
)  # by Rails
_CALLED: Final = re.compile(rb"^[a-z][a-z0-9]*(?:-[a-z0-9]{1,11})+$")
_NAME: Final = re.compile(
    rb"^[A-Za-z]+(?:[_-][A-Za-z]+)*[_-](?i:key|token|secret|password|credentials?)(?:[_-]?[0-9]{1,3})?$"
)  # of a secret: `--secret=shop_api_key_2`
_EMAIL: Final = re.compile(rb"^<?[\w.+-]+@[\w-]+(?:\.[\w-]+)+>?$")
_HOST: Final = rb"(?:[A-Z]?[a-z0-9_-]+|(?:[A-Z][a-z]+[0-9]*){2,})"  # in another mixed case it is random
_ADDRESS: Final = re.compile(rb"^" + _HOST + rb"(?:\." + _HOST + rb")*\.[a-z]{2,6}(?::[0-9]+)?(?:/.*)?$")


def is_called(value: bytes) -> bool:
    """Whether a value is what people and Kubernetes call things, as in `shop-tls-4c8e1f0b7a`.

    It stands behind words as names do.
    """
    return _CALLED.match(value) is not None


def is_refused(value: bytes) -> bool:
    """Whether a value is no secret, by its form alone."""
    if _ELSEWHERE.match(value) or _MASKED.search(value) or _CALL.search(value):
        return True
    if any(
        form.search(value)
        for form in (_SIGNED, _EMAIL, _ADDRESS, _FILE, _CONSTANT, _SEALED, _WORDS, _ALIAS, _NAME)
    ):
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
    return is_placeholder(value) or (
        len(value) <= _SEQUENCE
        and is_placeholder(_NO_LETTER.sub(b"", value))
        and is_placeholder(_NO_DIGIT.sub(b"", value))
    )
