"""Values behind names: each context, what is let go, and that the way a text is cut changes nothing."""

import random
import string

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detector.scan.names.byte_classes import PART, TABLE
from detector.scan.names.letter_statistics import FILE
from detector.scan.names.lexicon import NAME_LONGEST
from detector.scan.names.named_values import NamedMatcher, assignments
from detector.scan.scanner import PatternScanner
from detector.values.findings import Confidence
from tests.bundled import named, scanner_of

SCANNER = scanner_of(named())
EVERYTHING = scanner_of(named(), Confidence.LOW)
HEX = "4c8e1f0b7a2d9356e8b1c7f40a6d2e95b3f8c017"
BASE62 = "vN3kQ8xZr5LmT2wYb7HcJd4SgP6uXe9A"
BASE32 = "IXZJL4HP7ALZMZ7OZWV3BAEVZDMICMA2"
UUID = "b7a69218-cf69-40a6-9372-0f7921d1e8cb"
SIGNS = "k#9Vw!2xQ;z&Lp7$"
VALUES = (HEX, BASE62, BASE32, UUID, SIGNS)

CONTEXTS = {
    "env": "HARBOR_TOKEN={}",
    "export": "export HARBOR_TOKEN={}",
    "declare": 'declare -x HARBOR_TOKEN="{}"',
    "yaml": "  harbor_token: {}",
    "yaml, quoted": "  harbor_token: '{}'",
    "json": '{{"a": 1, "harborToken": "{}", "b": 2}}',
    "json in json": '{{"log":"{{\\"harborToken\\":\\"{}\\"}}"}}',
    "python": "{{'harbor_token': '{}', 'x': 1}}",
    "logfmt": 'level=info harbor_token="{}" n=3',
    "flag": "run --harbor-token '{}' --wait",
    "flag=": "run --harbor-token='{}' --wait",
    "docker": "docker run -e HARBOR_TOKEN='{}' img",
    "header": "> X-Harbor-Token: {}",
    "curl": "curl -H 'X-Harbor-Token: {}' https://a.test",
    "tfvars": 'harbor_token             = "{}"',
    "properties": "harbor.token={}",
    "kubernetes": '{{"env":[{{"name":"HARBOR_TOKEN","value":"{}"}}]}}',
    "kubernetes, yaml": "- name: HARBOR_TOKEN\n  value: '{}'",
    "xml": "<harborToken>{}</harborToken>",
    "ruby": ':harbor_token=>"{}", :pool=>5',
    "table": "HARBOR_TOKEN | {} |",
    "dockerfile": "ENV HARBOR_TOKEN {}",
    "php": "define('HARBOR_TOKEN', '{}');",
    "call": 'os.Setenv("HARBOR_TOKEN", "{}")',
    "backticks": "set `harbor_token` to `{}`",
    "flag behind the name": "gh secret set HARBOR_TOKEN --body '{}' --repo acme/x",
    "two elements": "<property><name>harbor.token</name><value>{}</value></property>",
    "property list": "  <key>HarborToken</key>\n  <string>{}</string>",
    "pair in a list": '[["host","x1"],["harbor_token","{}"]]',
    "part of a form": 'Content-Disposition: form-data; name="harbor_token"\n\n{}\n',
    "var_dump": '  ["harbor_token"]=>\n  string(32) "{}"\n',
    "arrow": "Map(host -> x1, harborToken -> {}, tls -> true)",
    "brackets": "INFO host=[x1] harborToken=[{}]",
    "columns": "Key             Value\nharbor_token    {}\nttl             1h",
    "edn": '{{:host "x1", :harbor-token "{}", :port 5432}}',
    "option": 'Config {{ harbor_token: Some("{}"), retries: 3 }}',
    "bearer": "X-Harbor-Token: Bearer {}",
    "fields with tabs": "ENVIRONMENT\tHARBOR_TOKEN\t{}\tenabled",
    "under its path": "/config/shop/harbor_token\n{}\n",
    "gdb": '$1 = {{port = 5432, harbor_token = 0x55d0c3a1f6e0 "{}", tls = true}}',
}


def found(scanner: PatternScanner, text: str) -> list[str]:
    return [match.secret.reveal().decode() for match in scanner.scan(text.encode())]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_found_in_each_context_as_it_stands(context: str, value: str) -> None:
    assert found(SCANNER, CONTEXTS[context].format(value)) == [value]


@pytest.mark.parametrize("value", [HEX, BASE62, UUID])
def test_a_value_in_a_query_ends_where_its_parameter_does(value: str) -> None:
    assert found(SCANNER, f"GET /a?x=1&harbor_token={value}&sort=asc HTTP/1.1") == [value]


@pytest.mark.parametrize(
    "value",
    [
        "${TOKEN}", "$(cat /run/token1)", "{{ vault.token1 }}", "#{vault.token1}", "<your-token-1>", "********", "ab12****wx89",
        "abcd1234...wxyz9876", "[REDACTED-1]", "changeme12345", "arn:aws:iam::123456789012:role/x1", "vault:secret/data/ci#token",
        "/run/secrets/token1", "https://a.test/x?y=1", "projects/p/secrets/s/versions/1", "sha256:" + HEX, "$2b$12$" + BASE62, "true",
        "env:ACME_TOKEN_2", "k8s:secret/ci/acme-1", "$env:TOKEN_1", "transit:v1:" + BASE62, "{AES}" + BASE62, "CiQA" + BASE62, "op://ci/acme/token1", "process.env.TOKEN1", "os.environ['TOKEN1']", "getToken(config1)",
        "2026-11-27T10:00:00.000Z", "10.0.0.1:8080", "ann@example.test", "sample_token_value_1", "AQICAHhq8Xr3bTz5Kc2mWv9yJ4nLp7sD",
        "shop_api_key_30", "${SHOP_TOKEN\\:?not", "ghp_" + BASE62 + "aaaa", "eyJhbGciOiJIUzI1NiJ9.e30.x1", "1234567890123456", "abcdefgh12345678",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_let_go(value: str) -> None:
    assert found(EVERYTHING, f"HARBOR_TOKEN={value}") == []


@pytest.mark.parametrize(
    "text",
    [
        "`harbor_token` or `{}`",
        "`harbor_token` to {}",
        "get HARBOR_TOKEN --body-file {}",
        "get HARBOR_TOKEN --output {}",
        "<name>harbor.token</name><commit>{}</commit>",
        "<key>HarborToken</key><key>{}</key>",
        '[["harbor_token","{}","x"]]',
        'name="harbor_token"\r\n{}',
        'title="harbor_token"\n\n{}',
        '["harbor_token"]=>\n  object(Foo) "{}"',
        "harbor_token->{}",
        "tokens=[{},abc]",
        "the harbor_token {} is old",
        "harbor_token {} is old",
        "harbor_token    {} is old",
        "the harbor_token    {}",
        ':harbor-token  x "{}"',
        "harbor_token: None({})",
        "the config/shop/harbor_token\n{}",
        "see /config/shop/harbor_token\n{}",
        "/config/shop/harbor_token\n/{}",
        "/config/shop/harbor_token\n{} is old",
        "x\tharbor_token\t{} is old",
        "HARBOR_TOKEN=<your-token>\n{} is old",
        "harbor-token: <token>\r\n{}   1/1   Running",
        "<harbor-token> {} is old",
    ],
)
def test_what_only_looks_like_a_context_gives_no_value(text: str) -> None:
    assert BASE62 not in found(SCANNER, text.format(BASE62))


def test_an_ampersand_before_a_word_and_a_colon_is_of_the_value() -> None:
    assert found(SCANNER, "env[DB_PASS] = V5%F&V8pIYl8hvoE:") == ["V5%F&V8pIYl8hvoE:"]
    assert found(SCANNER, f"a=1&db_pass={BASE62}&sort=x") == [BASE62]


def test_a_host_is_let_go_and_a_password_with_a_dot_near_its_end_is_not() -> None:
    assert found(SCANNER, "DB_PASSWORD=WpsrgTxgjTk9thO6f5Q.dv") == ["WpsrgTxgjTk9thO6f5Q.dv"]
    for name in ("kx7-q29zw4vj8.shop.example", "MyApp2Setup7.exe"):
        assert found(SCANNER, f"DB_PASSWORD={name}") == []


def test_an_argument_without_quotes_is_given_nothing() -> None:
    assert found(SCANNER, f'f("HARBOR_TOKEN", {BASE62})') == []


def test_a_short_password_with_signs_behind_the_name_of_a_secret_is_found() -> None:
    assert found(SCANNER, "CLIENT_SECRET='k#9Vw!2xQ;zL'") == ["k#9Vw!2xQ;zL"]
    assert found(SCANNER, "CLIENT_SECRET=7DEw7LgOpC9y") == []
    assert found(SCANNER, "CLIENT_SECRET=prod/db-Xy7K") == []


def test_a_password_with_signs_is_no_path_and_no_regex_and_no_list() -> None:
    for value in ("T>/U.>(&D4_%:oa>", "C)h[G_po[7.UB9/,", "zQ2xe5q[Ac-gde<&", "Vdcq6fIrI,Bg16:="):
        assert found(SCANNER, f"CLIENT_SECRET={value}") == [value]
    for value in ("./src/**/*.{ts,tsx}", "/srv/(app|web)[0-9]/.env*", "^[a-z0-9_]+[A-Z]{2,8}$"):
        assert found(SCANNER, f"CLIENT_SECRET={value}") == []


def test_a_name_that_is_never_sure_alone_counts_with_more_words_and_where_less_is_asked_for() -> None:
    assert found(SCANNER, f"key: {BASE62}") == []
    assert found(EVERYTHING, f"key: {BASE62}") == [BASE62]
    assert found(SCANNER, f"harborKey: {BASE62}") == [BASE62]


def test_the_verdict_on_a_test_gives_no_value() -> None:
    for text in (
        "PASS: ld-x86-64/pr19609-2d",
        "  PASS: property-x86-cet5a (map file)",
        "XPASS: gdb.base/lea1d-7q2",
    ):
        assert found(SCANNER, text) == []
    assert found(SCANNER, f"  PASS: {BASE62}") == [BASE62]
    assert found(SCANNER, "PASS: 'k#9Vw!2xQ;z'\nPASS=ld-i386/pr19636-1a") == [
        "k#9Vw!2xQ;z",
        "ld-i386/pr19636-1a",
    ]


def test_to_pass_is_a_verb() -> None:
    assert found(SCANNER, f"options to pass to {BASE62}") == []
    assert found(SCANNER, f"set the DB_PASS to {BASE62}") == [BASE62]


def test_a_comparison_and_a_path_give_no_value() -> None:
    for text in (
        f"if token == {HEX}",
        f"arn:aws:x:secret:{HEX}",
        f"token::{HEX}",
        f"token://{HEX}",
        f"the token {HEX} is old",
    ):
        assert found(SCANNER, text) == []


@pytest.mark.parametrize("between", [",", ", ", "\t", "  ", " = ", "=", ": ", ";"])
@pytest.mark.parametrize("key", ["value", "Value", "val", "VAL"])
def test_a_pair_is_found_in_rows_and_columns_too(key: str, between: str) -> None:
    if between == "=" and key == "Value":
        between = "= "
    assert found(SCANNER, f"name{between}DB_PASSWORD\n{key}{between}{BASE62}") == [BASE62]


def test_the_threshold_decides_what_is_told() -> None:
    text = f"key={BASE62}\nACME_KEY={BASE62[:18]}\nACME_TOKEN={HEX}".encode()
    told = {each: len(scanner_of(named(), each).scan(text)) for each in Confidence}
    assert told == {Confidence.LOW: 3, Confidence.MEDIUM: 2, Confidence.HIGH: 1}


def test_a_match_says_the_name_and_how_sure_it_is() -> None:
    (match,) = SCANNER.scan(f"ACME_TOKEN={HEX}".encode())
    assert match.named is not None
    assert (match.named.name, match.named.confidence) == ("ACME_TOKEN", Confidence.HIGH)


def test_the_statistics_are_small() -> None:
    assert FILE.stat().st_size < 100_000


# Not hypothesis' own: thousands of choices go into one text, and there is nothing in them to be made smaller.
CHANCE = st.integers(0, 1 << 32).map(random.Random)


def log_of(rng: random.Random, count: int) -> bytes:
    names = (
        "TOKEN",
        "db_password",
        "apiKey",
        "value",
        "name",
        "cache_key",
        "x",
        "--auth-token",
        "ENV SECRET",
        "path",
        "PAT",
        "key",
    )
    glue = (
        "=",
        ": ",
        " ",
        "",
        "\n",
        '"',
        "'",
        "\\",
        ",",
        "&",
        "?",
        "|",
        "[",
        "}",
        "<",
        ">",
        " = ",
        '":"',
        "\r\n",
        "\t",
        "é",
        "\x1b[0m",
    )
    parts = []
    for _ in range(count):
        value = "".join(rng.choices(string.ascii_letters + string.digits + "+/!", k=rng.randrange(1, 40)))
        parts += [
            rng.choice(names),
            rng.choice(glue),
            rng.choice(glue),
            rng.choice((*VALUES, value)),
            rng.choice(glue),
        ]
    return "".join(parts).encode()


@settings(max_examples=150, deadline=None)
@given(st.builds(log_of, CHANCE, st.integers(1, 40)))
@example(b"key=tok\nval\t3kQ8xZr5LmT2wYb7")
@example(b"name=pass\nval=GeG6Xi<P")
@example(b"value IZJword&\nkey:_pass")
@example(b"value\tk#9Vw!T,\nname pass")
@example(b"Key=9PAT\nval,=ZMZ7OZWV3BAEVZD")
@example("key:tok\nvalue,éQwYb7HcJd4".encode())
def test_the_prefilter_loses_nothing_that_is_parsed(data: bytes) -> None:
    view = np.frombuffer(data, np.uint8)
    matchers = [NamedMatcher(pattern, n, Confidence.MEDIUM) for n, pattern in enumerate(named())]
    everywhere = {
        (match.start, match.end)
        for one in matchers
        for match in one.matches(data, view, np.array([(0, len(data))]), {})
    }
    told = {(match.start, match.end) for match in SCANNER.scan(data)}
    assert told <= everywhere
    for start, end in everywhere - told:  # overlapped by another
        assert any(low < end and start < high for low, high in told)


@settings(max_examples=60, deadline=None)
@given(CHANCE, st.integers(1, 20), st.integers(0, 60))
def test_regions_find_what_the_whole_text_does(rng: random.Random, count: int, cut: int) -> None:
    data = log_of(rng, count)
    view = np.frombuffer(data, np.uint8)
    cut = min(cut * len(data) // 60, len(data))
    whole = assignments(view, np.array([(0, len(data))]))
    parts = [assignments(view, np.array([region])) for region in ((0, cut), (cut, len(data)))]
    assert set(map(tuple, whole.tolist())) == set(map(tuple, np.concatenate(parts).tolist()))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(CONTEXTS)),
    st.sampled_from(VALUES),
    st.booleans(),
    st.sampled_from((b"", b"z " * 30_000, b"-" * 300)),
)
def test_line_ends_and_long_lines_change_nothing(context: str, value: str, crlf: bool, before: bytes) -> None:  # noqa: FBT001 - drawn
    text = CONTEXTS[context].format(value).encode()
    if crlf:
        text = text.replace(b"\n", b"\r\n") + b"\r\n"
    data = before + b"\n" + text
    assert value.encode() in [match.secret.reveal() for match in SCANNER.scan(data)]


LINES = (
    'HARBOR_TOKEN="4c8e1f0b9d7a42638e5f60718293a4b5"',
    "Page Token: Zq7wK2mV9xB4nT6rY1cP3sD8",
    "Harbor Token: Zq7wK2mV9xB4nT6rY1cP3sD8",
    "page token=Zq7wK2mV9xB4nT6rY1cP3sD8",
    "token: Zq7wK2mV9xB4nT6rY1cP3sD8",
    "token: Zq7wK2mV9xB4nT6rY1cP3sD9",
    '{"value": "Zq7wK2mV9xB4nT6rY1cP3sD8", "name": "DEPLOY_TOKEN"}',
    '{"value": "Zq7wK2mV9xB4nT6rY1cP3sD8", "name": "TOKEN_COUNT"}',
    "password=correct horse",
    "password=${PASSWORD}",
    'password="',
    "password=token=password=token=password",
    "token=page%2Dtoken=page%2Dtoken",
)


@settings(max_examples=20, deadline=None)
@given(CHANCE)
def test_a_value_is_judged_alike_however_many_like_it_there_are(rng: random.Random) -> None:
    lines = [line.encode() for line in rng.choices(LINES, k=300)]
    alone = {line: [(match.start, match.named) for match in SCANNER.scan(line)] for line in set(lines)}
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)]).tolist()
    expected = [
        (at + start, named and (named.name, named.confidence, at + named.start))
        for at, line in zip(starts, lines, strict=False)
        for start, named in alone[line]
    ]
    told = [
        (match.start, match.named and (match.named.name, match.named.confidence, match.named.start))
        for match in SCANNER.scan(b"\n".join(lines))
    ]
    assert told == expected


NESTED = st.sampled_from([
    "token=", "token=", "secret: ", "password=", "PASS(", "value=", "name=token ", "é", "a/b.c", "'", '"', "(", ")",
    ",", "&", ";", " ", "\n", "x" * 300, HEX, UUID, BASE62, SIGNS, "{}", "[", "]", "~" * 40,
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(NESTED, min_size=1, max_size=150))
def test_values_in_each_other_are_judged_as_if_each_were_alone(pieces: list[str]) -> None:
    view = np.frombuffer("".join(pieces).encode(), np.uint8)
    inside = (TABLE[view] & PART) != 0
    names = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    alone = [assignments(view, np.array([[name, name + 1]])) for name in names]
    expected = np.concatenate([np.empty((0, 7), np.int64), *alone])
    assert assignments(view, np.array([[0, view.size]])).tolist() == expected.tolist()


@pytest.mark.parametrize("end", ["", "_X", "9"])
def test_a_name_may_be_long_but_not_endless(end: str) -> None:
    longest = "TOKEN_" + "B" * (NAME_LONGEST - 6 - len(end)) + end
    assert found(SCANNER, f"{longest}='{HEX}'") == [HEX]
    assert found(SCANNER, f"B{longest}='{HEX}'") == []
