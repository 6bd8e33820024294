"""detect-secrets as a source of patterns: its plugins find, its filters confirm, its baseline silences.

A plugin's regexes go into the same first pass as our own patterns. Where they hit, google-re2 finds the place (with
lookarounds taken out, so a little too much), and the plugin's own `analyze_string` decides over that place alone:
it runs Python's `re`, which a hostile line could keep busy for hours, so it never sees more than 4 KiB (and what needs
more to match is not found). No plugin is ever asked to *verify* a secret, which would send it over the network.

Left out of detect-secrets' filters: the comment that allows a line (`pragma: allowlist secret`), for a log line is
not written by who may allow it; and `is_indirect_reference`, made for source code, but for the keyword plugin.
"""

import re  # the plugins' own, over at most 4 KiB
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class, get_plugins_from_file
from detect_secrets.filters import heuristic
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector

from detector.patterns.literals import leading_part, without_layout, without_lookarounds
from detector.patterns.pattern import Pattern
from detector.patterns.placeholders import is_placeholder
from detector.patterns.prefilter import Expression
from detector.patterns.refusal_cache import RefusalCache
from detector.patterns.regexes import BadRegexError, Regex, Span
from detector.values.bounded_files import BadFileError, read_bounded
from detector.values.errors import ConfigError
from detector.values.findings import Severity

SLICE: Final = 4 << 10  # bytes of text that a plugin sees at most
_MARGIN: Final = 64  # bytes around a match that a lookaround may look at
_PLAIN: Final = bytes(min(byte, 0x80) for byte in range(256))  # what is not ASCII is no part of a word
_FAMILY: Final = "detect-secrets"
_HOME: Final = "https://github.com/Yelp/detect-secrets"

# Off unless asked for, and why: mostly what each saw in 64 MB of clean log text, decoys among it.
OFF: Final[Mapping[str, str]] = {
    "AWSKeyDetector": "6 in the hex of fonts, in 303 MB of documents; our patterns look at what stands around",
    "ArtifactoryDetector": "any word that begins with AP and a digit or a letter to F",
    "Base64HighEntropyString": "13,877 quoted digests",
    "BasicAuthDetector": "58 of user:password@localhost",
    "DiscordBotTokenDetector": "no literal to look for: a fifth of the speed; our pattern takes these",
    "GitHubTokenDetector": "40 tokens whose checksum is wrong; our patterns test it",
    "HexHighEntropyString": "17,925 quoted digests",
    "IPPublicDetector": "an address is no secret",
    "IbmCloudIamDetector": "39 names of constants behind `key = `, in 891 MB of commits",
    "JwtTokenDetector": "32 of the specification's sample; our patterns read the claims",
    "KeywordDetector": "29 references to secrets kept elsewhere",
    "PrivateKeyDetector": "the header line, the same for every key; our pattern takes the key",
    "TelegramBotTokenDetector": "no literal to look for: a fifth of the speed; our pattern takes these",
    "TwilioKeyDetector": "account and key ids, which are public",
}
# Any other pattern over the same bytes says more (IBM's takes any `key = ` and 44 characters).
_GENERIC: Final = frozenset(
    {"BasicAuthDetector", "IbmCloudIamDetector", "IPPublicDetector", "KeywordDetector"}
)
# Its pattern for a secret key, any 40 characters beside the words `aws` and `key`, also takes every SHA-1.
_TAKES_DIGESTS: Final = frozenset({"AWSKeyDetector"})
_DIGEST: Final = re.compile(r"[0-9a-f]{40}|[0-9A-F]{40}")
_SEVERITIES: Final[Mapping[str, Severity]] = {
    "Base64HighEntropyString": Severity.LOW,
    "HexHighEntropyString": Severity.LOW,
    "IPPublicDetector": Severity.LOW,
    "KeywordDetector": Severity.MEDIUM,
    "JwtTokenDetector": Severity.MEDIUM,
}
_BASELINE_MAX: Final = 64 << 20
_PLUGIN_MAX: Final = 1 << 20


class Plugin:
    """One plugin as a pattern. `regexes` say where it may find something; none: anywhere in a hit line."""

    __slots__ = ("_denylist", "_keyword", "_plain", "_plugin", "_regexes", "_traps", "pattern")

    def __init__(self, plugin: BasePlugin, path: str = "") -> None:
        name = type(plugin).__name__
        secret_type = str(plugin.secret_type)
        kebab = "-".join(re.findall(r"[a-z0-9]+", secret_type.lower()))
        generic = name in _GENERIC or isinstance(plugin, HighEntropyStringsPlugin)
        self.pattern = Pattern(
            id=f"{_FAMILY}:{kebab}",
            name=secret_type,
            regex="",
            severity=_SEVERITIES.get(name, Severity.HIGH),
            family=_FAMILY,
            generic=generic,
            reference=path or _HOME,
            advice="Find out what this secret opens, revoke it there, and issue a new one.",
            revoke="By whoever issued it: a detect-secrets plugin names the kind of secret, not its issuer's API.",
            path=path,
        )
        self._plugin = plugin
        self._keyword = isinstance(plugin, KeywordDetector)
        self._denylist = tuple(plugin.denylist) if isinstance(plugin, RegexBasedDetector) else ()
        self._regexes = _confirming(self._denylist)
        # Of these google-re2 matches what the plugin would, and all of it is the secret.
        self._plain = [not regex.groups and _loose(regex) == regex.pattern for regex in self._denylist]
        self._traps = RefusalCache()

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for on its behalf; for a plugin without regexes every line."""
        if self._keyword:
            words = "|".join(word for word in DENYLIST if word.isascii())
            return [Expression(b"(?i:" + words.encode() + b")")]
        if isinstance(self._plugin, HighEntropyStringsPlugin):
            return [Expression(b"['\"][A-Za-z0-9+/\\\\=_-]{4}")]
        if not self._denylist:
            return [Expression(None)]
        return [Expression(leading_part(_loose(regex)).encode()) for regex in self._denylist]

    def spans(self, data: bytes, start: int, end: int) -> Iterator[Span]:
        """Where in data[start:end] the plugin and the filters see a secret; a span may come twice."""
        if self._regexes is None:
            for low in range(start, end, SLICE // 2):
                yield from self._confirmed(data, (low, min(low + SLICE, end)), (start, end))
            return
        for regex, plain in zip(self._regexes, self._plain, strict=True):
            for (low, high), _ in regex.matches(data, start, end):
                if plain and self._is_trap(data[low:high]):
                    continue
                # The match's own line, and of it the match with a little on either side.
                first = data.rfind(b"\n", max(start, low - _MARGIN), low) + 1 or max(start, low - _MARGIN)
                last = min(high, low + SLICE - 2 * _MARGIN)
                feed = data.find(b"\n", last, min(end, last + _MARGIN))
                slice_end = feed if feed >= 0 else min(end, last + _MARGIN)
                yield from self._confirmed(data, (first, slice_end), (low, high))

    def _is_trap(self, text: bytes) -> bool:
        """Whether the plugin's filters would refuse all of that match: told here before they are asked."""
        if text not in self._traps:
            if not is_placeholder(text):
                return False
            self._traps.add(text)
        return True

    def _confirmed(self, data: bytes, part: Span, within: Span) -> Iterator[Span]:
        """What the plugin sees in that part of the data, and that touches `within`: its neighbours have their turn."""
        low = part[0]
        for line in data[slice(*part)].split(b"\n"):
            text = line.translate(_PLAIN).decode("latin-1")  # one character a byte: offsets stay
            for start, end in self._found(text):
                touches = low + start < within[1] and low + end > within[0]
                if touches and self._is_secret(text[start:end], text):
                    yield low + start, low + end
            low += len(line) + 1

    def _found(self, text: str) -> Iterator[Span]:
        try:
            values = {value for value in self._plugin.analyze_string(text) if value}
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a plugin of the user's that fails on one line must not end the stream
            return
        if not values:
            return
        if self._denylist:
            for regex in self._denylist:
                for match in regex.finditer(text):
                    yield from _groups_of(match, values)
            return
        for value in values:
            at = text.find(value)
            while at >= 0:
                yield at, at + len(value)
                at = text.find(value, at + len(value))

    def _is_secret(self, secret: str, text: str) -> bool:
        if (
            isinstance(self._plugin, HighEntropyStringsPlugin)
            and self._plugin.calculate_shannon_entropy(secret) <= self._plugin.entropy_limit
        ):
            return False
        if type(self._plugin).__name__ in _TAKES_DIGESTS and _DIGEST.fullmatch(secret):
            return False
        if is_placeholder(secret.encode("latin-1")):
            return False
        return not (
            heuristic.is_sequential_string(secret)
            or heuristic.is_potential_uuid(secret)
            or heuristic.is_templated_secret(secret)
            or heuristic.is_prefixed_with_dollar_sign(secret)
            or heuristic.is_not_alphanumeric_string(secret)
            or heuristic.is_likely_id_string(secret, text, self._plugin)
            or (self._keyword and heuristic.is_indirect_reference(text))
        )


def load_plugins(extra: Iterable[str] = ()) -> tuple[Plugin, ...]:
    """The plugins that are quiet on logs, and those asked for: by class name, by pattern id, or a file of one's own.

    A file (`plugins/ours.py`, or `file://…` as a baseline writes it) is run as Python code, as detect-secrets does.

    Raises:
        ConfigError: no such plugin, or a file that holds none or fails.
    """
    bundled = [plugin() for _, plugin in sorted(_bundled().items())]
    wanted = tuple(extra)
    files = [name.removeprefix("file://") for name in wanted if name.endswith(".py")]
    named = {name for name in wanted if not name.endswith(".py")}
    plugins = []
    for plugin in bundled:
        ready = Plugin(plugin)
        names = {type(plugin).__name__, ready.pattern.id, ready.pattern.id.removeprefix(f"{_FAMILY}:")}
        if type(plugin).__name__ not in OFF or names & named:
            plugins.append(ready)
        named -= names
    if named:
        known = ", ".join(sorted(type(plugin).__name__ for plugin in bundled))
        raise ConfigError(f"detect-secrets has no plugin {min(named)!r}; there are {known}, or a .py file")
    custom = [plugin for path in files for plugin in _from_file(path)]
    theirs = {plugin.pattern.id for plugin in custom}  # one's own plugin of a bundled type replaces that
    return (*(plugin for plugin in plugins if plugin.pattern.id not in theirs), *custom)


def read_baseline(path: str) -> frozenset[str]:
    """SHA-1 of the secrets that a `.secrets.baseline` silences: all that it lists, but those audited as real.

    What stands in a baseline has been seen, and detect-secrets' own hook is silent about it. What `detect-secrets
    audit` marked as a real secret is not: that one in a log is what this program looks for.

    Raises:
        ConfigError: it cannot be read or is no baseline.
    """
    try:
        results = msgspec.json.decode(read_bounded(path, _BASELINE_MAX), type=_Baseline).results
    except BadFileError as error:
        raise ConfigError(str(error), path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ConfigError("not a detect-secrets baseline: JSON with `results`", path) from None
    entries = [entry for found in results.values() for entry in found]
    real = {entry.hashed_secret.lower() for entry in entries if entry.is_secret}
    return frozenset(entry.hashed_secret.lower() for entry in entries) - real


class _BaselineEntry(msgspec.Struct):
    hashed_secret: str
    is_secret: bool | None = None


class _Baseline(msgspec.Struct):
    results: dict[str, list[_BaselineEntry]]


def _bundled() -> dict[str, Callable[[], BasePlugin]]:
    mapping: dict[str, Any] = get_mapping_from_secret_type_to_class()
    return {
        cls.__name__: cls for cls in mapping.values() if cls.__module__.startswith("detect_secrets.plugins.")
    }


def _from_file(path: str) -> list[Plugin]:
    try:
        read_bounded(path, _PLUGIN_MAX)  # Python itself would read a device without end
    except BadFileError as error:
        raise ConfigError(str(error), path) from None
    try:
        found: list[type[BasePlugin]] = list(get_plugins_from_file(path))
        own = [plugin for plugin in found if plugin.__module__ == Path(path).stem]  # not what it imports
        plugins = [Plugin(plugin(), path) for plugin in own]
    except Exception as error:  # noqa: BLE001 - it is the user's code: whatever it raises is for the user to see
        raise ConfigError(f"not a detect-secrets plugin: it raises {type(error).__name__}", path) from None
    if not plugins:
        raise ConfigError(
            "holds no detect-secrets plugin (a subclass of BasePlugin with a secret_type)", path
        )
    return plugins


def _loose(regex: "re.Pattern[str]") -> str:
    """The regex as RE2 and Hyperscan may take it; it matches wherever the plugin's does."""
    source = without_layout(regex.pattern) if regex.flags & re.VERBOSE else regex.pattern
    return ("(?i)" if regex.flags & re.IGNORECASE else "") + without_lookarounds(source)


def _confirming(denylist: Iterable["re.Pattern[str]"]) -> tuple[Regex, ...] | None:
    """The regexes for google-re2, each a little looser than the plugin's; None where it takes one of them not."""
    regexes = []
    for regex in denylist:
        try:
            regexes.append(Regex(f"(?P<secret>{_loose(regex)})"))
        except BadRegexError:
            return None
    return tuple(regexes) or None


def _groups_of(match: "re.Match[str]", values: set[str]) -> Iterator[Span]:
    """The spans of the groups (or of the whole match) whose text the plugin yielded.

    Where the group is only the beginning of the match (GitHub's and GitLab's plugins yield `ghp` and `glpat`), it is
    the whole match that is the secret.
    """
    for group in range(1, match.re.groups + 1) if match.re.groups else (0,):
        if match[group] in values:
            start, end = match.span(group)
            yield (start, end) if start > match.start() else match.span()
