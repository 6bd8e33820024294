"""One broker with every kind of listener, and the certificates for it, made each time."""

import datetime as dt
import ipaddress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.broker.cluster import SETTINGS, Node, free_ports, new_cluster_id

USER: Final = "scanner"
PASSWORD: Final = "correct horse/battery+staple"
DAY: Final = dt.timedelta(days=1)


class Authority(msgspec.Struct):
    """Signs certificates, and keeps each with its key as PEM files in `folder`."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        folder.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"authority of {folder.name}")
        ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(name, name, key.public_key(), 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(ski, critical=False)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, key, certificate)

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *, life: dt.timedelta = 30 * DAY, host: str = "127.0.0.1") -> Path:
        """A PEM file with a key (PKCS #8) and its certificate; an end before now is one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        where: x509.GeneralName = (
            x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        )
        certificate = (
            _builder(_name(name), self.certificate.subject, key.public_key(), life)
            .add_extension(x509.SubjectAlternativeName([where]), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
            + self.certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 60 * DAY)
        .not_valid_after(now + life)
    )


class SecureBroker:
    """Apache Kafka on loopback; `address` of each listener by its name.

    `PLAINTEXT`, `TLS`, `MUTUAL` (wants a client's certificate), `SCRAM` (TLS with every SASL mechanism; its users
    are made when the storage is formatted), `CLEAR` (SASL without TLS), `EXPIRED` and `ELSEWHERE` (TLS with a
    certificate that has expired, or is for another host).
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.make(folder / "certificates")
        protocols = {
            "PLAINTEXT": "PLAINTEXT",
            "TLS": "SSL",
            "MUTUAL": "SSL",
            "SCRAM": "SASL_SSL",
            "CLEAR": "SASL_PLAINTEXT",
            "EXPIRED": "SSL",
            "ELSEWHERE": "SSL",
        }
        ports = free_ports(len(protocols) + 1)
        self._ports = dict(zip(protocols, ports, strict=False))
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._ports.items())
        settings = {
            **SETTINGS,
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{ports[-1]}",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{ports[-1]}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": ",".join(
                [*(f"{name}:{protocol}" for name, protocol in protocols.items()), "CONTROLLER:PLAINTEXT"]
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(folder / "node-1" / "data"),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "listener.name.mutual.ssl.client.auth": "required",
            **self._stores(),
            **_sasl(),
        }
        self.node = Node(1, folder / "node-1", self._ports["PLAINTEXT"], settings)

    def _stores(self) -> dict[str, str]:
        certificates = {
            "tls": self.authority.issue("tls"),
            "mutual": self.authority.issue("mutual"),
            "scram": self.authority.issue("scram"),
            "expired": self.authority.issue("expired", life=-DAY),
            "elsewhere": self.authority.issue("elsewhere", host="broker.example"),
        }
        return {
            f"listener.name.{name}.ssl.{key}": value
            for name, path in certificates.items()
            for key, value in {
                "keystore.type": "PEM",
                "keystore.location": str(path),
                "truststore.type": "PEM",
                "truststore.location": str(self.authority.file),
            }.items()
        }

    def address(self, listener: str) -> str:
        """What a client connects to."""
        return f"127.0.0.1:{self._ports[listener]}"

    def __enter__(self) -> Self:
        users = [
            option
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for option in ("--add-scram", f'{mechanism}=[name="{USER}",password="{PASSWORD}"]')
        ]
        self.node.format(new_cluster_id(), *users)
        self.node.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.node.kill()


def _sasl() -> dict[str, str]:
    """OAUTHBEARER here takes tokens that nobody signed: Kafka's own handler for tests."""
    kafka = "org.apache.kafka.common.security"
    modules = {
        "scram-sha-256": f"{kafka}.scram.ScramLoginModule required;",
        "scram-sha-512": f"{kafka}.scram.ScramLoginModule required;",
        "plain": f'{kafka}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
        "oauthbearer": f'{kafka}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
    }
    mechanisms = ",".join(name.upper() for name in modules)
    return {
        f"listener.name.{listener}.{key}": value
        for listener in ("scram", "clear")
        for key, value in {
            "sasl.enabled.mechanisms": mechanisms,
            **{f"{name}.sasl.jaas.config": module for name, module in modules.items()},
        }.items()
    }
