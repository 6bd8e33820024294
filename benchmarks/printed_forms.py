"""The ways in which a credential is printed: what tools dump, encode and wrap, and what people do to get past a mask.

A form is a function of text that gives lines. Where a tool prints the form, `tool` is its command line: the text goes
in on standard input, and a test holds the two to each other. `whole` forms print any text; the others are about the
secret alone.
"""

import base64
import binascii
import bz2
import codecs
import html
import json
import lzma
import quopri
import random
import string
import textwrap
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import cramjam
import msgspec
import zstandard

from benchmarks.formats import in_base

Encode = Callable[[bytes, random.Random], str]
# Plain text, and nothing that a form does with it.
DUMPS: Final = "what tools print: dumps"
LISTS: Final = "what tools print: lists and escapes"
BASES: Final = "what tools print: bases and compression"
WRAPS: Final = "what tools print: wrapped and cut"
EVADES: Final = "what gets past a mask"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Form(msgspec.Struct, frozen=True):
    """One way of printing.

    `whole`: it prints any text, so the secret may stand anywhere in that. `clean`: what it makes of a text without a
    secret is worth a look for false findings. `most`: so many bytes are printed, and the rest is left out. `tool`
    prints the same; `javascript` and the like name what runs a script.
    """

    name: str
    group: str
    encode: Encode
    whole: bool = True
    most: int | None = None
    tool: tuple[str, ...] = ()


def _text(form: Callable[[bytes], str]) -> Encode:
    return lambda data, _: form(data)


def _rows(data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    for at in range(0, len(data), size):
        yield at, data[at : at + size]


def _printable(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)


def xxd(data: bytes, columns: int = 16, group: int = 2, *, upper: bool = False) -> str:
    """`xxd -c columns -g group`."""
    width = columns * 2 + (columns + group - 1) // group
    lines = []
    for at, row in _rows(data, columns):
        digits = " ".join(row[n : n + group].hex() for n in range(0, len(row), group))
        digits = digits.upper() if upper else digits
        lines.append(f"{at:08x}: {digits:<{width}} {_printable(row)}")
    return "\n".join(lines)


def _xxd_bits(data: bytes) -> str:
    return "\n".join(
        f"{at:08x}: {' '.join(f'{byte:08b}' for byte in row):<53}  {_printable(row)}"
        for at, row in _rows(data, 6)
    )


def _xxd_include(data: bytes) -> str:
    return "\n".join(
        "  " + ", ".join(f"0x{byte:02x}" for byte in row) + ("," if at + 12 < len(data) else "")
        for at, row in _rows(data, 12)
    )


def hexdump_c(data: bytes) -> str:
    """`hexdump -C -v`."""
    lines = []
    for at, row in _rows(data, 16):
        halves = (" ".join(f"{byte:02x}" for byte in part) for part in (row[:8], row[8:]))
        lines.append(f"{at:08x}  {'  '.join(halves):<48}  |{_printable(row)}|")
    return "\n".join([*lines, f"{len(data):08x}"])


def _words(data: bytes) -> Iterator[tuple[int, list[int]]]:
    for at, row in _rows(data, 16):
        padded = row + b"\0" * (len(row) % 2)
        yield at, [int.from_bytes(padded[n : n + 2], "little") for n in range(0, len(padded), 2)]


def _dump(offset: str, rows: Iterator[tuple[int, list[str]]], size: int, width: int = 0) -> str:
    lines = [(f"{at:{offset}}" + "".join(cells)).ljust(width) for at, cells in rows]
    return "\n".join([*lines, f"{size:{offset}}"])


def _hexdump_words(data: bytes) -> str:
    return _dump("07x", ((at, [f" {word:04x}" for word in row]) for at, row in _words(data)), len(data), 47)


def _od_words(data: bytes, cell: str) -> str:
    return _dump("07o", ((at, [f" {word:{cell}}" for word in row]) for at, row in _words(data)), len(data))


def _od_bytes(data: bytes, cell: str) -> str:
    return _dump("07o", ((at, [f" {byte:{cell}}" for byte in row]) for at, row in _rows(data, 16)), len(data))


_OD_NAMES: Final = {0: "\\0", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}


def _od_char(byte: int) -> str:
    return _OD_NAMES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"{byte:03o}")


def _od_c(data: bytes) -> str:
    return _dump(
        "07o", ((at, [f"{_od_char(byte):>4}" for byte in row]) for at, row in _rows(data, 16)), len(data)
    )


def _hexdump_c_chars(data: bytes) -> str:
    return _dump(
        "07x", ((at, [f"{_od_char(byte):>4}" for byte in row]) for at, row in _rows(data, 16)), len(data), 71
    )


def _hexdump_b(data: bytes) -> str:
    return _dump(
        "07x", ((at, [f" {byte:03o}" for byte in row]) for at, row in _rows(data, 16)), len(data), 71
    )


def _od_x1(data: bytes) -> str:
    return "\n".join("".join(f" {byte:02x}" for byte in row) for _, row in _rows(data, 16))


def _wrapped(text: str, width: int) -> str:
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


def _fold(width: int) -> Encode:
    """As `fold -w` prints it: each line by itself."""
    return lambda data, _: "\n".join(_wrapped(line, width) for line in data.decode().split("\n"))


def _colons(data: bytes) -> str:
    """As `openssl … -text` prints a number."""
    digits = data.hex(":")
    return "\n".join("    " + line for line in _wrapped(digits, 45).split("\n"))


def _joined(separator: str, cell: str, around: tuple[str, str] = ("", "")) -> Encode:
    return lambda data, _: around[0] + separator.join(f"{byte:{cell}}" for byte in data) + around[1]


def _prefixed(prefix: str, cell: str, separator: str, around: tuple[str, str] = ("", "")) -> Encode:
    return lambda data, _: around[0] + separator.join(f"{prefix}{byte:{cell}}" for byte in data) + around[1]


def _java(data: bytes) -> str:
    return "[" + ", ".join(str(byte - 256 if byte > 127 else byte) for byte in data) + "]"


def _node_inspect(data: bytes) -> str:
    more = f" ... {len(data) - 50} more byte{'s' if len(data) > 51 else ''}" if len(data) > 50 else ""
    return f"<Buffer {data[:50].hex(' ')}{more}>"


def uuencode(data: bytes) -> str:
    """`uuencode token`, with grave accents for zeros."""
    rows = [binascii.b2a_uu(row, backtick=True).decode().rstrip("\n") for _, row in _rows(data, 45)]
    return "\n".join(["begin 644 token", *rows, "`", "end"])


def _base58(data: bytes) -> str:
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + in_base(int.from_bytes(data, "big"), _BASE58, 0)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _times(count: int) -> Encode:
    def made(data: bytes, _: random.Random) -> str:
        for _n in range(count):
            data = base64.b64encode(data)
        return data.decode()

    return made


def _packed(pack: Callable[[bytes], bytes]) -> Encode:
    """Base64 of compressed text. What is packed has more text around it, as a file has, so that it compresses."""
    return lambda data, rng: _b64(pack(_file(data, rng)))


def _file(data: bytes, rng: random.Random) -> bytes:
    lines = [
        f"export {''.join(rng.choices(string.ascii_uppercase, k=6))}_{n}=/usr/share/{n}/lib:/usr/share/{n}/bin".encode()
        for n in range(12)
    ]
    lines.insert(rng.randrange(13), data)
    return b"\n".join(lines)


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(data)


def _brotli(data: bytes) -> bytes:
    return bytes(cramjam.brotli.compress(data, level=9))


def _lz4(data: bytes) -> bytes:
    return bytes(cramjam.lz4.compress(data))


def _lzma(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def _quoted_printable_all(data: bytes) -> str:
    return "".join(f"={byte:02X}" for byte in data)


def _cut(text: str, rng: random.Random, parts: int = 2) -> list[str]:
    """Cut into so many parts, none of them tiny."""
    size = len(text) // parts
    places = [size * n + rng.randrange(-size // 4, size // 4 + 1) for n in range(1, parts)]
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def _halves(form: str, parts: int = 2) -> Encode:
    """The parts of the secret in a form with a place for each."""
    return lambda data, rng: form.format(*_cut(data.decode(), rng, parts))


def _between(sign: str) -> Encode:
    return lambda data, _: sign.join(data.decode())


def _folded_yaml(data: bytes, rng: random.Random) -> str:
    first, second = _cut(data.decode(), rng)
    return f"  token: >-\n    {first}\n    {second}"


def _block_yaml(data: bytes, rng: random.Random) -> str:
    first, second = _cut(data.decode(), rng)
    return f'  token: "{first}\\\n    {second}"'


def _terminal(data: bytes, rng: random.Random) -> str:
    """A line that a terminal of 80 columns broke within the secret."""
    text = data.decode()
    lead = (
        "2026-11-24T10:11:12Z INFO deploy: connecting to the registry with the credential of this job: token="
    )
    lead = lead[-(80 - rng.randrange(3, max(min(len(text) - 2, 70), 4))) :]
    return _wrapped(lead + text + " after 3 tries, giving up now", 80)


def _script(path: str, code: str) -> tuple[str, ...]:
    return (path, "-e", code)


def _fullwidth(data: bytes) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in data.decode())


def _xor(key_of: Callable[[random.Random], int], text: Callable[[bytes], str]) -> Encode:
    def made(data: bytes, rng: random.Random) -> str:
        key = key_of(rng)
        return text(bytes(byte ^ key for byte in data))

    return made


def _rot47(data: bytes) -> str:
    return "".join(chr(33 + (byte - 33 + 47) % 94) if 33 <= byte <= 126 else chr(byte) for byte in data)


def _groups(separator: str, size: int) -> Encode:
    return lambda data, _: separator.join(data.decode()[at : at + size] for at in range(0, len(data), size))


def _one_gap(data: bytes, _: random.Random) -> str:
    text = data.decode()
    return f"{text[0]} {text[1:]}"


def _dropped(first: bool) -> Encode:  # noqa: FBT001 - private, two callers
    return lambda data, _: data.decode()[1:] if first else data.decode()[:-1]


def _bold(data: bytes) -> str:
    return "".join(f"{char}\b{char}" for char in data.decode())


_STYLES: Final = ("\x1b[31m", "\x1b[0m")


def _coloured(data: bytes) -> str:
    return "".join(f"\x1b[3{n % 8}m{char}" for n, char in enumerate(data.decode())) + "\x1b[0m"


def _quote_pairs(data: bytes) -> str:
    return "''".join(data.decode()[at : at + 3] for at in range(0, len(data), 3))


def _interlaced(data: bytes, rng: random.Random) -> str:
    del rng
    text = data.decode()
    return f"{text[::2]}\n{text[1::2]}"


_NODE: Final = "const d=require('fs').readFileSync(0);"
_PYTHON: Final = "import sys;d=sys.stdin.buffer.read();"


FORMS: Final[tuple[Form, ...]] = (
    Form("as it is", DUMPS, _text(lambda d: d.decode())),
    Form("xxd", DUMPS, _text(xxd), tool=("xxd",)),
    Form("xxd -u", DUMPS, _text(lambda d: xxd(d, upper=True)), tool=("xxd", "-u")),
    Form("xxd -c 8", DUMPS, _text(lambda d: xxd(d, 8)), tool=("xxd", "-c", "8")),
    Form("xxd -g 1", DUMPS, _text(lambda d: xxd(d, 16, 1)), tool=("xxd", "-g", "1")),
    Form("xxd -b", DUMPS, _text(_xxd_bits), tool=("xxd", "-b")),
    Form("xxd -p", DUMPS, _text(lambda d: _wrapped(d.hex(), 60)), tool=("xxd", "-p")),
    Form("xxd -p -c 0", DUMPS, _text(bytes.hex), tool=("xxd", "-p", "-c", "0")),
    Form("xxd -i", DUMPS, _text(_xxd_include), tool=("xxd", "-i")),
    Form("hexdump -C", DUMPS, _text(hexdump_c), tool=("hexdump", "-v", "-C")),
    Form("hexdump", DUMPS, _text(_hexdump_words), tool=("hexdump", "-v")),
    Form("hexdump -c", DUMPS, _text(_hexdump_c_chars), tool=("hexdump", "-v", "-c")),
    Form("hexdump -b", DUMPS, _text(_hexdump_b), tool=("hexdump", "-v", "-b")),
    Form("od", DUMPS, _text(lambda d: _od_words(d, "06o")), tool=("od", "-v")),
    Form("od -c", DUMPS, _text(_od_c), tool=("od", "-v", "-c")),
    Form("od -b", DUMPS, _text(lambda d: _od_bytes(d, "03o")), tool=("od", "-v", "-b")),
    Form("od -x", DUMPS, _text(lambda d: _od_words(d, "04x")), tool=("od", "-v", "-x")),
    Form("od -t x1", DUMPS, _text(lambda d: _od_bytes(d, "02x")), tool=("od", "-v", "-t", "x1")),
    Form("od -An -t x1", DUMPS, _text(_od_x1), tool=("od", "-v", "-An", "-t", "x1")),
    Form("od -t u1", DUMPS, _text(lambda d: _od_bytes(d, "3d")), tool=("od", "-v", "-t", "u1")),
    Form("openssl's hex, 15 bytes a line", DUMPS, _text(_colons)),
    Form("hex with blanks", LISTS, _text(lambda d: d.hex(" "))),
    Form("hex with colons", LISTS, _text(lambda d: d.hex(":"))),
    Form("hex, upper case", LISTS, _text(lambda d: d.hex().upper())),
    Form("0x41, 0x42", LISTS, _prefixed("0x", "02x", ", ")),
    Form("0x41 0x42, upper case", LISTS, _prefixed("0x", "02X", " ")),
    Form("go %#v of bytes", LISTS, _prefixed("0x", "x", ", ", ("[]byte{", "}"))),
    Form("go [103 104]", LISTS, _joined(" ", "d", ("[", "]"))),
    Form("node Buffer as JSON", LISTS, _joined(",", "d", ('{"type":"Buffer","data":[', "]}")), tool=("node", "-e", _NODE + "process.stdout.write(JSON.stringify(d))")),
    Form("node Buffer, inspected", LISTS, _text(_node_inspect), most=50, tool=("node", "-e", _NODE + "process.stdout.write(require('util').inspect(d))")),
    Form("python list of bytes", LISTS, _joined(", ", "d", ("[", "]")), tool=("python3", "-c", _PYTHON + "print(list(d),end='')")),
    Form("java signed bytes", LISTS, _text(_java)),
    Form("decimal, with blanks", LISTS, _joined(" ", "d")),
    Form("String.fromCharCode()", LISTS, _joined(",", "d", ("String.fromCharCode(", ")"))),
    Form("chr() + chr()", LISTS, lambda d, _: "+".join(f"chr({byte})" for byte in d)),
    Form("octal escapes", LISTS, _prefixed("\\", "03o", "")),
    Form("octal escapes, \\0", LISTS, _prefixed("\\0", "03o", "")),
    Form("\\x escapes", LISTS, _prefixed("\\x", "02x", "")),
    Form("\\u escapes", LISTS, _prefixed("\\u", "04x", "")),
    Form("\\u{} escapes", LISTS, lambda d, _: "".join(f"\\u{{{byte:x}}}" for byte in d)),
    Form("binary digits", LISTS, _joined("", "08b")),
    Form("binary digits, with blanks", LISTS, _joined(" ", "08b")),
    Form("HTML entities, decimal", LISTS, lambda d, _: "".join(f"&#{byte};" for byte in d)),
    Form("HTML entities, hex", LISTS, lambda d, _: "".join(f"&#x{byte:x};" for byte in d)),
    Form("HTML entities where needed", LISTS, _text(lambda d: html.escape(d.decode()))),
    Form("percent, all", LISTS, _prefixed("%", "02X", "")),
    Form("percent, twice", LISTS, _prefixed("%25", "02X", "")),
    Form("quoted-printable, all", LISTS, _text(_quoted_printable_all)),
    Form("quoted-printable", LISTS, _text(lambda d: quopri.encodestring(d).decode())),
    Form("JSON in JSON", LISTS, _text(lambda d: json.dumps(json.dumps(d.decode()))), tool=("python3", "-c", _PYTHON + "import json;print(json.dumps(json.dumps(d.decode())),end='')")),
    Form("base64", BASES, _text(_b64), tool=("base64", "-w", "0")),
    Form("base64, 76 a line", BASES, _text(lambda d: _wrapped(_b64(d), 76)), tool=("base64",)),
    Form("base64, 64 a line", BASES, _text(lambda d: _wrapped(_b64(d), 64)), tool=("openssl", "enc", "-base64")),
    Form("base64url", BASES, _text(lambda d: base64.urlsafe_b64encode(d).decode()), tool=("basenc", "--base64url", "-w", "0")),
    Form("base64, twice", BASES, _times(2)),
    Form("base64, three times", BASES, _times(3)),
    Form("base64, four times", BASES, _times(4)),
    Form("base64 of UTF-16", BASES, _text(lambda d: _b64(d.decode().encode("utf-16-le")))),
    Form("base32", BASES, _text(lambda d: base64.b32encode(d).decode()), tool=("base32", "-w", "0")),
    Form("base32, 76 a line", BASES, _text(lambda d: _wrapped(base64.b32encode(d).decode(), 76)), tool=("base32",)),
    Form("base32, no padding", BASES, _text(lambda d: base64.b32encode(d).decode().rstrip("="))),
    Form("base32, lower case", BASES, _text(lambda d: base64.b32encode(d).decode().lower())),
    Form("base32hex", BASES, _text(lambda d: base64.b32hexencode(d).decode()), tool=("basenc", "--base32hex", "-w", "0")),
    Form("base58", BASES, _text(_base58)),
    Form("base85", BASES, _text(lambda d: base64.b85encode(d).decode()), tool=("python3", "-c", _PYTHON + "import base64;print(base64.b85encode(d).decode(),end='')")),
    Form("Ascii85, Adobe", BASES, _text(lambda d: base64.a85encode(d, adobe=True).decode())),
    Form("Ascii85", BASES, _text(lambda d: base64.a85encode(d).decode())),
    Form("uuencode", BASES, _text(uuencode)),
    Form("base64 of gzip", BASES, _packed(_gzip)),
    Form("base64 of zlib", BASES, _packed(lambda d: zlib.compress(d, 9))),
    Form("base64 of deflate", BASES, _packed(_raw_deflate)),
    Form("base64 of bzip2", BASES, _packed(lambda d: bz2.compress(d, 9))),
    Form("base64 of xz", BASES, _packed(lzma.compress)),
    Form("base64 of lzma", BASES, _packed(_lzma)),
    Form("base64 of zstd", BASES, _packed(_zstd)),
    Form("base64 of brotli", BASES, _packed(_brotli)),
    Form("base64 of lz4", BASES, _packed(_lz4)),
    Form("hex of gzip", BASES, lambda d, rng: _gzip(_file(d, rng)).hex()),
    Form("base64 of a hex dump", BASES, _text(lambda d: _b64(xxd(d).encode()))),
    Form("hex of base64", BASES, _text(lambda d: base64.b64encode(d).hex())),
    Form("broken by a terminal", WRAPS, _terminal, whole=False),
    Form("fold -w 40", WRAPS, _fold(40), tool=("fold", "-w", "40")),
    Form("fold -w 20", WRAPS, _fold(20), tool=("fold", "-w", "20")),
    Form("YAML, folded scalar", WRAPS, _folded_yaml, whole=False),
    Form("YAML, quoted over lines", WRAPS, _block_yaml, whole=False),
    Form("backslash at a line's end", WRAPS, _halves("TOKEN={}\\\n{}"), whole=False),
    Form('"abc" + "def"', WRAPS, _halves('const token = "{}" + "{}";'), whole=False),
    Form('"abc" + over lines', WRAPS, _halves('  String token = "{}"\n      + "{}"\n      + "{}";', 3), whole=False),
    Form('"abc" "def"', WRAPS, _halves('token = "{}" "{}"'), whole=False),
    Form("'abc' . 'def'", WRAPS, _halves("$token = '{}' . '{}';"), whole=False),
    Form('"abc" & "def"', WRAPS, _halves('token = "{}" & "{}"'), whole=False),
    Form('"abc" .. "def"', WRAPS, _halves('token = "{}" .. "{}"'), whole=False),
    Form("strings over lines, with a backslash", WRAPS, _halves('echo "{}" \\\n  "{}"'), whole=False),
    Form("'abc' || 'def'", WRAPS, _halves("SELECT '{}' || '{}'"), whole=False),
    Form("list of parts, joined", WRAPS, _halves('["{}", "{}", "{}"].join("")', 3), whole=False),
    Form("halves in two assignments", WRAPS, _halves("TOKEN_A={}\nTOKEN_B={}"), whole=False),
    Form("halves in one object", WRAPS, _halves('{{"token_1":"{}","token_2":"{}"}}'), whole=False),
    Form("halves in two lines", WRAPS, _halves("{}\n{}"), whole=False),
    Form("halves in two log lines", WRAPS, _halves("2026-11-24T10:00:01Z part 1: {}\n2026-11-24T10:00:01Z part 2: {}"), whole=False),
    Form("rev", EVADES, _text(lambda d: d.decode()[::-1]), tool=("rev",)),
    Form("rot13", EVADES, _text(lambda d: codecs.encode(d.decode(), "rot13")), tool=("tr", "A-Za-z", "N-ZA-Mn-za-m")),
    Form("rot47", EVADES, _text(_rot47), tool=("tr", "!-~", "P-~!-O")),
    Form("upper case", EVADES, _text(lambda d: d.decode().upper()), tool=("tr", "a-z", "A-Z")),
    Form("lower case", EVADES, _text(lambda d: d.decode().lower()), tool=("tr", "A-Z", "a-z")),
    Form("swapped case", EVADES, _text(lambda d: d.decode().swapcase()), tool=("tr", "A-Za-z", "a-zA-Z")),
    Form("groups of four, blanks", EVADES, _groups(" ", 4), whole=False, tool=("sed", "s/..../& /g;s/ $//")),
    Form("groups of four, dashes", EVADES, _groups("-", 4), whole=False, tool=("sed", "s/..../&-/g;s/-$//")),
    Form("groups of five, a line each", EVADES, _groups("\n", 5), whole=False, tool=("fold", "-w", "5")),
    Form("groups of four, a line each, CR LF", EVADES, _groups("\r\n", 4), whole=False),
    Form("a dash between all", EVADES, _between("-"), whole=False),
    Form("a dot between all", EVADES, _between("."), whole=False),
    Form("a comma between all", EVADES, _between(","), whole=False),
    Form("an underscore between all", EVADES, _between("_"), whole=False),
    Form("a colon between all", EVADES, _between(":"), whole=False),
    Form("a bar between all", EVADES, _between("|"), whole=False),
    Form("a blank between all", EVADES, _between(" "), whole=False),
    Form("a comma and a blank between all", EVADES, _between(", "), whole=False),
    Form("a tab between all", EVADES, _between("\t"), whole=False),
    Form("two blanks between all", EVADES, _between("  "), whole=False),
    Form("a line each", EVADES, _between("\n"), whole=False, tool=("fold", "-w", "1")),
    Form("quotes and commas between all", EVADES, lambda d, _: str(list(d.decode())), whole=False),
    Form("zero-width space between all", EVADES, _between("\u200b"), whole=False),
    Form("zero-width joiner between all", EVADES, _between("\u200d"), whole=False),
    Form("soft hyphen between all", EVADES, _between("\u00ad"), whole=False),
    Form("no-break space between all", EVADES, _between("\u00a0"), whole=False),
    Form("zero-width space in the middle", EVADES, _halves("{}\u200b{}"), whole=False),
    Form("sed 's/./& /'", EVADES, _one_gap, whole=False, tool=("sed", "s/./& /")),
    Form("full-width forms", EVADES, _text(_fullwidth), whole=False),
    Form("reversed base64", EVADES, _text(lambda d: _b64(d)[::-1])),
    Form("base64 of the reversed", EVADES, _text(lambda d: _b64(d[::-1]))),
    Form("reversed hex", EVADES, _text(lambda d: d.hex()[::-1])),
    Form("rot13 of base64", EVADES, _text(lambda d: codecs.encode(_b64(d), "rot13"))),
    Form("base64 in groups of four", EVADES, lambda d, _: " ".join(textwrap.wrap(_b64(d), 4))),
    Form("last character dropped", EVADES, _dropped(first=False), whole=False),
    Form("first character dropped", EVADES, _dropped(first=True), whole=False),
    Form("XOR with a byte, hex", EVADES, _xor(lambda rng: rng.randrange(1, 256), bytes.hex)),
    Form("XOR with a byte, base64", EVADES, _xor(lambda rng: rng.randrange(1, 256), _b64)),
    Form("overstruck with backspaces", EVADES, _text(_bold), whole=False),
    Form("a colour for each character", EVADES, _text(_coloured), whole=False),
    Form("shell quotes in between", EVADES, _text(_quote_pairs), whole=False),
    Form("every second character a line", EVADES, _interlaced, whole=False),
)  # fmt: skip


NAMED: Final = frozenset({
    "xxd", "xxd -p", "hexdump -C", "od -c", "od", "0x41, 0x42", "hex with colons", "hex with blanks", "go [103 104]",
    "node Buffer as JSON", "java signed bytes", "octal escapes", "binary digits", "uuencode", "base32",
    "base32, no padding", "base32, lower case", "base58", "base85", "Ascii85", "base64 of bzip2", "base64 of xz",
    "base64 of zstd", "base64 of brotli", "base64, four times", "broken by a terminal", "YAML, folded scalar",
    "backslash at a line's end", '"abc" + "def"', "halves in two assignments", "rev", "rot13", "upper case", "lower case",
    "swapped case", "groups of four, blanks", "groups of four, dashes", "a dash between all", "a dot between all",
    "a comma between all", "a bar between all", "zero-width space between all", "zero-width joiner between all",
    "sed 's/./& /'", "full-width forms", "reversed base64", "last character dropped", "first character dropped",
    "XOR with a byte, hex", "XOR with a byte, base64", "halves in two lines",
})  # fmt: skip
"""Those that users asked for by name."""


def by_group() -> dict[str, Sequence[Form]]:
    """The forms by group, in order."""
    return {
        group: [form for form in FORMS if form.group == group]
        for group in dict.fromkeys(form.group for form in FORMS)
    }
