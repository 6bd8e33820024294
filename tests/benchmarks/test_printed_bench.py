"""The forms of `printed` are what the tools print, and a form that is not decoded is not called found."""

import base64
import bz2
import io
import lzma
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cramjam
import pytest
import zstandard

from benchmarks.compare import machine
from benchmarks.printed_bench import Options, Printed, credentials, measure, place, report, scan_texts
from benchmarks.printed_forms import FORMS, Form, by_group

BY_NAME = {form.name: form for form in FORMS}
TEXT = (
    b"export TASK_TOKEN=Qm3vX8rT2kLw9ZpB5nHd7YcJ and more text; a second line, long enough for three rows #"
)
SIZES = (1, 8, 16, 17, 45, 46, len(TEXT))


def printed(form: Form, data: bytes) -> str:
    return form.encode(data, random.Random(5)).rstrip("\n")


def test_there_are_more_than_eighty_forms_each_with_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(FORMS) > 80
    assert sum(map(len, by_group().values())) == len(FORMS)


@pytest.mark.parametrize("form", [form for form in FORMS if form.tool], ids=lambda form: form.name)
def test_a_form_is_what_the_tool_prints(form: Form) -> None:
    if shutil.which(form.tool[0]) is None:
        pytest.skip(f"no {form.tool[0]} here")
    for size in SIZES:
        data = TEXT[:size].rstrip(b" ")
        done = subprocess.run(form.tool, input=data, capture_output=True, check=True)
        assert printed(form, data) == done.stdout.decode().rstrip("\n"), size


def test_uuencoded_text_is_what_perl_packs() -> None:
    if shutil.which("perl") is None:
        pytest.skip("no perl here")
    code = 'local $/; $_ = pack("u", <STDIN>); tr/ /`/; print'
    for size in SIZES:
        done = subprocess.run(["perl", "-e", code], input=TEXT[:size], capture_output=True, check=True)
        rows = printed(BY_NAME["uuencode"], TEXT[:size]).split("\n")
        assert rows[1:-2] == done.stdout.decode().splitlines()


@pytest.mark.parametrize(
    ("name", "tool", "option"),
    [("bzip2", "bzip2", "-dc"), ("xz", "xz", "-dc"), ("zstd", "zstd", "-dc"), ("gzip", "gzip", "-dc"), ("lzma", "xz", "-dc"), ("lz4", "lz4", "-dc")],
    ids=lambda value: value,
)  # fmt: skip
def test_a_tool_unpacks_what_is_packed_and_it_is_really_compressed(name: str, tool: str, option: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} here")
    blob = base64.b64decode(printed(BY_NAME[f"base64 of {name}"], TEXT))
    text = subprocess.run([tool, option], input=blob, capture_output=True, check=True).stdout

    assert TEXT in text
    assert len(blob) < len(text)


def test_what_needs_no_tool_unpacks_too() -> None:
    unpack: dict[str, Callable[[bytes], bytes]] = {
        "bzip2": bz2.decompress,
        "xz": lzma.decompress,
        "zstd": lambda blob: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(blob)).read(),
        "brotli": lambda blob: bytes(cramjam.brotli.decompress(blob)),
    }
    for name, undo in unpack.items():
        assert TEXT in undo(base64.b64decode(printed(BY_NAME[f"base64 of {name}"], TEXT)))


@pytest.mark.slow
def test_signed_bytes_are_what_java_prints_and_lists_are_what_go_prints(tmp_path: Path) -> None:
    accents = "clé=Qm3vX8rT2kLw9".encode()
    ran = 0
    if shutil.which("java") is not None:
        source = tmp_path / "Dump.java"
        source.write_text(
            "class Dump { public static void main(String[] a) throws Exception {"
            " System.out.println(java.util.Arrays.toString(System.in.readAllBytes())); } }"
        )
        done = subprocess.run(["java", str(source)], input=accents, capture_output=True, check=True)
        assert done.stdout.decode().strip() == printed(BY_NAME["java signed bytes"], accents)
        ran += 1
    if shutil.which("go") is not None:
        source = tmp_path / "dump.go"
        source.write_text(
            'package main\nimport ("fmt"; "io"; "os")\n'
            'func main() { d, _ := io.ReadAll(os.Stdin); fmt.Println(d); fmt.Printf("%#v\\n% x\\n%x\\n", d, d, d) }\n'
        )
        done = subprocess.run(["go", "run", str(source)], input=TEXT, capture_output=True, check=True)
        names = ("go [103 104]", "go %#v of bytes", "hex with blanks", "xxd -p -c 0")
        assert done.stdout.decode().splitlines() == [printed(BY_NAME[name], TEXT) for name in names]
        ran += 1
    if not ran:
        pytest.skip("neither java nor go here")


def test_the_shown_bytes_are_those_of_the_secret() -> None:
    secret = credentials(3, 1)[0].secret
    plain = place(BY_NAME["as it is"], "TASK_TOKEN=", secret, "\n", "1")
    at = plain.text.index(secret.encode())

    assert plain.shown == frozenset(range(at, at + len(secret)))


def test_each_shape_is_registered_and_found_as_it_is() -> None:
    seen = measure(Options(seeds=1, benign=2, only="as it is"))

    assert [(one.registered.share, one.masked.share, one.branded.share) for one in seen] == [(1.0, 1.0, 1.0)]
    assert seen[0].registered.planted == 3 * len(credentials(7, 1))
    assert seen[0].benign.planted == 2


def test_the_report_counts_a_form_that_is_found_in_part_as_sometimes() -> None:
    seen = measure(Options(seeds=1, benign=1, only="last character dropped"))
    seen[0].registered.found = 1

    assert "0 always, 1 sometimes, 0 never" in report(Printed(machine(), 7, seen))


def test_real_text_is_scanned_for_credentials_that_nobody_printed(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("started\n" * 1000)
    stranger = credentials(8, 1)[0].secret  # of the seed that strangers are made of
    (tmp_path / "leaky.log").write_text(f"a line\ntoken {stranger}\n")
    options = Options(texts={"logs": str(tmp_path)})

    assert [(one.name, one.bytes, one.reported) for one in scan_texts(options)] == [
        ("logs", 8_000 + 14 + len(stranger), 1)
    ]
    assert scan_texts(Options()) == []
