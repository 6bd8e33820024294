"""`curfewd topics create` and the security of connections, on a real broker, through the command line."""

import asyncio
import base64
import contextlib
import http.server
import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from detector.cli import main
from detector.configuration.kafka_settings import Security
from detector.configuration.settings import Settings
from detector.kafka.assignor import StickyAssignor
from detector.kafka.clients import stage_consumer, transactional_producer
from detector.kafka.security import explain, retriable
from detector.kafka.tokens import EndpointTokens, TokenError
from detector.service.stage_settings import connection_of, stage_of
from detector.values.secrets import Secret
from tests.broker.cluster import free_ports
from tests.broker.secure import DAY, PASSWORD, USER, Authority, SecureBroker

WRONG = "not-the-password-at-all"
TOPICS = ("work", "registry", "state", "findings", "revocations", "dead-letters")


@pytest.fixture(autouse=True)
def _the_logs_of_aiokafka_are_as_they_were() -> Iterator[None]:
    log = logging.getLogger("aiokafka")
    before = log.propagate, list(log.handlers)
    yield
    log.propagate, log.handlers = before[0], before[1]


class Console:
    """Runs `curfewd topics create` with a configuration, and looks for secrets in all that it says."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def write(self, address: str, security: str = "", more: str = "") -> str:
        path = self.folder / "curfewd.toml"
        path.write_text(
            f"[kafka]\nbootstrap = '{address}'\nevent_topics = ['logs']\nreplication = 1\n{more}\n"
            f"[kafka.security]\n{security}\n"
        )
        return str(path)

    def create(
        self,
        address: str,
        security: str = "",
        more: str = "",
        password: str = PASSWORD,
        options: Sequence[str] = (),
    ) -> tuple[int, str, str]:
        self._monkeypatch.setenv("CURFEWD_KAFKA_PASSWORD", password)
        code = main(["topics", "create", *options, "--config", self.write(address, security, more)])
        said = self._capsys.readouterr()
        for secret in (PASSWORD, WRONG):
            assert secret not in said.out + said.err
        return code, said.out, said.err


@pytest.fixture
def console(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    return Console(tmp_path, capsys, monkeypatch)


def with_admin(address: str, ask: Any) -> Any:
    async def run() -> Any:
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        try:
            return await ask(admin)
        finally:
            await admin.close()

    return asyncio.run(run())


def described(address: str, prefix: str) -> dict[str, tuple[int, int, dict[str, str]]]:
    """Partitions, copies and settings of the topics, as the broker has them."""

    async def ask(admin: Any) -> dict[str, tuple[int, int, dict[str, str]]]:
        shapes = {
            topic["topic"]: (len(topic["partitions"]), len(topic["partitions"][0]["replicas"]))
            for topic in await admin.describe_topics()
            if topic["topic"].startswith(prefix)
        }
        settings: dict[str, dict[str, str]] = {}
        while not all(settings.get(name) for name in shapes):  # a new topic's may be told a little later
            for answer in await admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, name) for name in shapes]
            ):
                for resource in answer.resources:
                    settings[resource[3]] = {entry[0]: entry[1] for entry in resource[4]}
        return {name.removeprefix(prefix): (*shapes[name], settings[name]) for name in shapes}

    found: dict[str, tuple[int, int, dict[str, str]]] = with_admin(address, ask)
    return found


def test_topics_are_created_once_with_the_right_settings(secure: SecureBroker, console: Console) -> None:
    address = secure.address("PLAINTEXT")
    more = "prefix = 'once.'\nrecord_bytes = 2000000\n[kafka.topics.work]\npartitions = 3"
    code, out, err = console.create(address, more=more)
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"once.{name}: created" for name in TOPICS]
    found = described(address, "once.")
    assert {name: shape[:2] for name, shape in found.items()} == {
        "work": (3, 1),
        "registry": (4, 1),
        "state": (3, 1),
        "findings": (4, 1),
        "revocations": (4, 1),
        "dead-letters": (4, 1),
    }
    assert {name: settings["cleanup.policy"] for name, (_, _, settings) in found.items()} == {
        "work": "delete",
        "registry": "compact",
        "state": "compact",
        "findings": "compact",
        "revocations": "delete",
        "dead-letters": "delete",
    }
    assert found["work"][2]["retention.ms"] == str(7 * 24 * 3600 * 1000)
    for _, _, settings in found.values():
        assert settings["min.insync.replicas"] == "1"
        assert settings["unclean.leader.election.enable"] == "false"
        assert settings["max.message.bytes"] == "2000000"
    code, out, err = console.create(address, more=more)
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"once.{name}: there already" for name in TOPICS]
    assert described(address, "once.") == found


def test_the_inputs_are_created_on_demand(secure: SecureBroker, console: Console) -> None:
    address = secure.address("PLAINTEXT")
    more = "log_topics = ['in.ci-logs', 'in.pods-*']\nprefix = 'in.'\n[kafka.topics.work]\npartitions = 2"
    with_inputs = ("--inputs",)
    code, out, err = console.create(address, more=more, options=with_inputs)
    assert (code, err) == (0, "curfewd: in.pods-*: a glob names no topic, so none is created for it\n")
    assert out.splitlines() == [
        "logs: created",
        "in.ci-logs: created",
        *(f"in.{name}: created" for name in TOPICS),
    ]
    found = described(address, "in.")
    assert found["ci-logs"][:2] == (2, 1)
    assert found["ci-logs"][2]["cleanup.policy"] == "delete"
    code, out, _ = console.create(address, more=more, options=with_inputs)
    assert code == 0
    assert {line.split(": ")[1] for line in out.splitlines()} == {"there already"}


def test_a_redacted_topic_follows_the_input_that_is_created_before_it(
    secure: SecureBroker, console: Console
) -> None:
    more = (
        "log_topics = ['masked.logs']\nprefix = 'masked.'\n[kafka.topics.work]\npartitions = 2\n"
        "[kafka.redacted]\ntopics = ['masked.logs']"
    )
    code, _, err = console.create(secure.address("PLAINTEXT"), more=more)
    assert code == 2
    assert "there is no topic masked.logs: create it first" in err
    code, out, err = console.create(secure.address("PLAINTEXT"), more=more, options=["--inputs"])
    assert (code, err) == (0, "")
    assert "masked.logs.redacted: created" in out


def test_what_differs_is_told_and_left_alone(secure: SecureBroker, console: Console) -> None:
    address = secure.address("PLAINTEXT")
    small = "[kafka.topics.work]\npartitions = 2"
    assert console.create(address, more=f"prefix = 'lived.'\n{small}")[0] == 0
    before = described(address, "lived.")
    code, out, err = console.create(
        address, more=f"prefix = 'lived.'\n{small}\n[kafka.topics.revocations]\nretention = '90d'"
    )
    assert code == 0, err
    assert "lived.revocations: there already, with other settings" in out
    assert err == (
        "curfewd: warning: lived.revocations: retention.ms is 2592000000, but 7776000000 is configured; "
        "it is left unchanged\n"
        "curfewd: warning: lived.revocations: segment.ms is 324000000, but 604800000 is configured; it is left unchanged\n"
    )
    code, _, err = console.create(address, more="prefix = 'lived.'\n[kafka.topics.work]\npartitions = 5")
    assert code == 2
    assert [line.split(";")[0] for line in err.splitlines()] == [
        "curfewd: lived.work: partitions is 2, but 5 is configured",
        "curfewd: lived.state: partitions is 2, but 5 is configured",
    ]
    assert described(address, "lived.") == before


def test_a_topic_that_would_lose_state_or_was_grown_is_an_error(
    secure: SecureBroker, console: Console
) -> None:
    address = secure.address("PLAINTEXT")

    async def make_and_grow(admin: Any) -> None:
        await admin.create_topics([NewTopic("grown.state", 2, 1), NewTopic("grown.work", 2, 1)])
        await admin.create_partitions({"grown.work": NewPartitions(4)})
        while sorted(await partitions(admin)) != [2, 4]:  # noqa: ASYNC110 - nothing tells when the broker knows
            await asyncio.sleep(0.05)

    async def partitions(admin: Any) -> list[int]:
        topics = await admin.describe_topics()
        return [len(topic["partitions"]) for topic in topics if topic["topic"].startswith("grown.")]

    with_admin(address, make_and_grow)
    code, out, err = console.create(address, more="prefix = 'grown.'\n[kafka.topics.work]\npartitions = 2")
    assert code == 2
    assert "grown.findings: created" in out, err
    assert "curfewd: grown.state: cleanup.policy is delete, but compact is configured" in err
    assert "curfewd: grown.work: partitions is 4, but 2 is configured" in err


def test_a_refusal_by_the_brokers_says_what_to_set(secure: SecureBroker, console: Console) -> None:
    path = console.write(secure.address("PLAINTEXT"), more="prefix = 'copies.'")
    Path(path).write_text(Path(path).read_text().replace("replication = 1", "replication = 3"))
    assert main(["topics", "create", "--config", path]) == 2
    err = console._capsys.readouterr().err
    assert "copies.work: there are fewer brokers than requested copies: set kafka.replication" in err


def tls(secure: SecureBroker, protocol: str = "SSL") -> str:
    return f"protocol = '{protocol}'\nca_file = '{secure.authority.file}'\n"


def sasl(secure: SecureBroker, mechanism: str) -> str:
    return f"{tls(secure, 'SASL_SSL')}mechanism = '{mechanism}'\nusername = '{USER}'\n"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_password_over_tls(secure: SecureBroker, console: Console, mechanism: str) -> None:
    more = f"prefix = '{mechanism}.'"
    code, out, err = console.create(secure.address("SCRAM"), sasl(secure, mechanism), more)
    assert (code, out.count("created"), err) == (0, 6, "")


def test_mutual_tls(secure: SecureBroker, console: Console) -> None:
    certificate = secure.authority.issue("client")
    code, out, err = console.create(
        secure.address("MUTUAL"), f"{tls(secure)}cert_file = '{certificate}'", "prefix = 'mutual.'"
    )
    assert (code, out.count("created"), err) == (0, 6, "")


def test_a_stages_clients_take_the_same_settings(secure: SecureBroker, console: Console) -> None:
    """A record goes through TLS and SCRAM, in a transaction."""
    security = sasl(secure, "SCRAM-SHA-512")
    assert console.create(secure.address("SCRAM"), security, "prefix = 'through.'")[0] == 0
    settings = Settings.load(
        console.write(secure.address("SCRAM"), security, "prefix = 'through.'"),
        {"CURFEWD_KAFKA_PASSWORD": PASSWORD},
    ).live()

    async def through() -> bytes:
        clients, stage = connection_of(settings), stage_of(settings, "judge", ("through.work",))
        producer = transactional_producer(clients, stage, f"{stage.group}-1")
        consumer = stage_consumer(clients, stage, StickyAssignor())
        await producer.start()
        await consumer.start()
        try:
            async with producer.transaction():
                await producer.send_and_wait("through.work", b"there", partition=0)
            consumer.subscribe(stage.topics)
            (record,) = await consumer.getone()
            value: bytes = record.value
            return value
        finally:
            await producer.stop()
            await consumer.stop()

    assert asyncio.run(through()) == b"there"


def refusals(secure: SecureBroker, folder: Path) -> dict[str, tuple[str, str, str]]:
    """Listener, security and what is said, of each thing that can be wrong."""
    stranger = Authority.make(folder / "stranger")
    scram = sasl(secure, "SCRAM-SHA-256")
    expired = secure.authority.issue("late", life=-DAY)
    return {
        "wrong password": ("SCRAM", scram, "does not accept the user, the password or the token"),
        "expired certificate": ("EXPIRED", tls(secure), "the broker's certificate has expired"),
        "certificate of another host": ("ELSEWHERE", tls(secure), "certificate is for another address"),
        "unknown authority": (
            "TLS",
            f"protocol = 'SSL'\nca_file = '{stranger.file}'",
            "is signed by an authority that ca_file does not contain",
        ),
        "plaintext to a TLS port": ("TLS", "", "the port speaks TLS: set kafka.security.protocol to SSL"),
        "SASL without TLS to a TLS port": (
            "SCRAM",
            f"protocol = 'SASL_PLAINTEXT'\nmechanism = 'PLAIN'\nusername = '{USER}'",
            "the port speaks TLS: set kafka.security.protocol to SASL_SSL",
        ),
        "TLS to a plaintext port": (
            "PLAINTEXT",
            tls(secure),
            "does not speak TLS: set kafka.security.protocol",
        ),
        "no SASL where it is wanted": (
            "CLEAR",
            "",
            "it may want SASL; set kafka.security.protocol to SASL_",
        ),
        "SASL where it is not": (
            "TLS",
            sasl(secure, "PLAIN"),
            "the broker asks for no SASL on this port: set protocol PLAINTEXT or SSL",
        ),
        "no certificate of ours": ("MUTUAL", tls(secure), "our certificate in cert_file, or wants one"),
        "our certificate has expired": (
            "MUTUAL",
            f"{tls(secure)}cert_file = '{expired}'",
            "Our certificate in cert_file has expired",
        ),
    }


def test_what_is_wrong_with_a_connection_is_told_at_once_with_exit_code_2(
    secure: SecureBroker, console: Console
) -> None:
    for what, (listener, security, says) in refusals(secure, console.folder).items():
        code, out, err = console.create(secure.address(listener), security, password=WRONG)
        assert (code, out, err.count("\n")) == (2, "", 1), what
        assert err.startswith(f"curfewd: cannot connect to Kafka: {secure.address(listener)}: "), what
        assert says in err, what
        assert "It may work later" not in err, what


def test_a_broker_that_is_down_may_work_later(console: Console) -> None:
    port = free_ports(1)[0]
    code, _, err = console.create(f"127.0.0.1:{port}")
    assert code == 2
    assert err.startswith(
        f"curfewd: cannot connect to Kafka: 127.0.0.1:{port}: nobody listens there: the broker is"
    )
    assert err.endswith(". It may work later\n")


def test_one_bootstrap_address_that_works_is_enough(secure: SecureBroker, console: Console) -> None:
    port = free_ports(1)[0]
    code, _, err = console.create(
        f"127.0.0.1:{port},{secure.address('PLAINTEXT')}", more="prefix = 'second.'"
    )
    # aiokafka goes on to the next address by itself.
    assert (code, err) == (0, "")


def unsigned_token(life: int) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    now = int(time.time())
    return f"{part({'alg': 'none'})}.{part({'sub': 'scanner', 'iat': now - 100, 'exp': now + life})}."


def test_a_token_file_is_read_anew_for_each_connection(secure: SecureBroker, console: Console) -> None:
    (console.folder / "token").write_text(f"{unsigned_token(-50)}\n")
    security = f"{tls(secure, 'SASL_SSL')}mechanism = 'OAUTHBEARER'\ntoken_file = 'token'"
    code, _, err = console.create(secure.address("SCRAM"), security)
    assert code == 2
    assert "does not accept the user, the password or the token" in err
    (console.folder / "token").write_text(f"{unsigned_token(300)}\n")
    code, out, err = console.create(secure.address("SCRAM"), security, "prefix = 'token.'")
    assert (code, out.count("created"), err) == (0, 6, "")


class Endpoint(http.server.ThreadingHTTPServer):
    """Grants tokens to one client; `asked` counts, `status` and `body` make it answer otherwise."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Granting)
        self.asked: list[dict[str, list[str]]] = []
        self.life = 300
        self.status = 200
        self.body: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class _Granting(http.server.BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        server = self.server
        server.asked.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        expected = base64.b64encode(b"me:s3cret%26").decode()
        status = server.status if self.headers["Authorization"] == f"Basic {expected}" else 401
        self.send_response(status)
        if status == 302:
            self.send_header("Location", server.url)
        self.end_headers()
        if server.body is not None:
            self.wfile.write(server.body)
        elif status == 200:
            answer = {"access_token": unsigned_token(300), "expires_in": server.life, "token_type": "Bearer"}
            self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_client_credentials_over_loopback(
    secure: SecureBroker, console: Console, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEWD_KAFKA_CLIENT_SECRET", "s3cret&")
    security = (
        f"{tls(secure, 'SASL_SSL')}mechanism = 'OAUTHBEARER'\ntoken_endpoint = '{endpoint.url}'\n"
        "oauth_client_id = 'me'\nscope = 'kafka'"
    )
    code, out, err = console.create(secure.address("SCRAM"), security, "prefix = 'granted.'")
    assert (code, out.count("created"), err) == (0, 6, "")
    assert endpoint.asked[0] == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
    monkeypatch.setenv("CURFEWD_KAFKA_CLIENT_SECRET", WRONG)
    code, _, err = console.create(secure.address("SCRAM"), security)
    assert code == 2
    assert (
        "the token endpoint 127.0.0.1/token: answers 401: it does not accept the client's id and secret"
        in err
    )


def provider(endpoint: Endpoint) -> EndpointTokens:
    return EndpointTokens(
        Security(
            mechanism="OAUTHBEARER",
            token_endpoint=endpoint.url,
            oauth_client_id="me",
            client_secret=Secret(b"s3cret&"),
        )
    )


async def test_a_token_is_kept_for_its_life_and_asked_for_once(endpoint: Endpoint) -> None:
    tokens = provider(endpoint)
    assert len(set(await asyncio.gather(*(tokens.token() for _ in range(5))))) == 1
    assert len(endpoint.asked) == 1
    endpoint.life = 0
    short = provider(endpoint)
    await short.token()
    await short.token()
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "may_pass"),
    [
        (503, None, True),
        (400, b'{"error": "invalid_scope"}', False),
        (302, None, False),
        (200, b"no json", False),
        (200, b"[]", False),
        (200, b'{"access_token": "two words"}', False),
        (200, b'{"access_token": 5}', False),
        (200, b'{"access_token": "a", "expires_in": "soon"}', False),
    ],
)
async def test_an_endpoint_that_grants_nothing(
    endpoint: Endpoint, status: int, body: bytes | None, *, may_pass: bool
) -> None:
    endpoint.status, endpoint.body = status, body
    with pytest.raises(TokenError) as caught:
        await provider(endpoint).token()
    assert (retriable(caught.value), explain(caught.value)) == (may_pass, caught.value.text)
    assert len(endpoint.asked) == 1
    assert "s3cret" not in str(caught.value)


def test_a_password_is_never_logged(
    secure: SecureBroker, console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG aiokafka would log the request that carries it."""
    with caplog.at_level(logging.DEBUG):
        code, _, _ = console.create(secure.address("SCRAM"), sasl(secure, "PLAIN"), "prefix = 'PLAIN.'")
        assert code == 0
    assert PASSWORD not in caplog.text


def test_an_address_that_a_broker_advertises_in_vain(console: Console, secure: SecureBroker) -> None:
    """A proxy answers, but it sends the clients to the broker itself, which they cannot reach."""
    with forwarding(secure.address("PLAINTEXT"), b"127.0.0.1") as address:
        code, _, err = console.create(address)
    assert code == 2
    assert f"{address} answers, but not the addresses that it advertises (advertised.listeners" in err


@contextlib.contextmanager
def forwarding(address: str, host: bytes) -> Iterator[str]:
    """A proxy that puts another address into the answers, where nobody listens."""
    nowhere = b"127.0.0.0"  # the network's own address: refused at once
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data.replace(host, nowhere) if back else data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*address.split(":"))
        await asyncio.gather(pump(reader, back, back=False), pump(there, writer, back=True))

    async def ended() -> None:
        others = asyncio.all_tasks(loop) - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(ended())
        loop.close()
