"""What each of Kafka's errors asks for: one table by the codes of the protocol, one by the errors of the client.

| reaction | what whoever meets the error does |
| --- | --- |
| `none` | goes on: it is no error, or somebody else has done it |
| `again` | asks again at once: the coordinator moves, loads or has an open transaction |
| `retry` | gives up what is open and begins it again, after pauses that grow |
| `rejoin` | drops its work: another has taken over. The group gives it partitions again |
| `smaller` | writes less at once. A record that is too large alone is a dead letter, or ends the judge stage |
| `unreadable` | finds the record and writes a dead letter in its place |
| `stop` | ends: nothing helps but a person, and the text says what |

By Kafka's own word some errors are retriable; these are tried again. Of the others those are too that another producer
or session mends. aiokafka 0.14 has no class for some codes and would call them unknown, so `known_to_aiokafka` makes
them.
"""

from typing import Final, Literal, NamedTuple

from aiokafka import errors as kafka

Reaction = Literal["none", "again", "retry", "rejoin", "smaller", "unreadable", "stop"]

_ACL: Final = "an ACL is missing (docs/deploy.md lists all)"
_BUG: Final = "the brokers do not understand a request of ours: please report it"
_OLD: Final = "the broker is too old, or speaks another version of the protocol"
_SASL: Final = "see kafka.security in the configuration"
_SIZE: Final = "a record is larger than the topic accepts: is its max.message.bytes below kafka.record_bytes?"
_TIME: Final = "the topic does not accept the time of a record: see its message.timestamp.*.max.ms"
_TOKEN: Final = "the delegation token cannot be used: see kafka.security in the configuration"  # noqa: S105 - no password


class Row(NamedTuple):
    """An error: what it asks for, and what a person has to do if it goes on. `right` is the resource that is barred."""

    name: str
    reaction: Reaction
    advice: str = ""
    right: str = ""


CODES: Final[dict[int, Row]] = {
    -1: Row("UNKNOWN_SERVER_ERROR", "retry"),
    0: Row("NONE", "none"),
    1: Row("OFFSET_OUT_OF_RANGE", "retry"),
    2: Row("CORRUPT_MESSAGE", "unreadable"),
    3: Row("UNKNOWN_TOPIC_OR_PARTITION", "retry"),
    4: Row("INVALID_FETCH_SIZE", "stop", _BUG),
    5: Row("LEADER_NOT_AVAILABLE", "retry"),
    6: Row("NOT_LEADER_OR_FOLLOWER", "retry"),
    7: Row("REQUEST_TIMED_OUT", "retry"),
    8: Row("BROKER_NOT_AVAILABLE", "retry"),
    9: Row("REPLICA_NOT_AVAILABLE", "retry"),
    10: Row("MESSAGE_TOO_LARGE", "smaller", _SIZE),
    11: Row("STALE_CONTROLLER_EPOCH", "retry"),
    12: Row(
        "OFFSET_METADATA_TOO_LARGE", "stop", "the brokers' offset.metadata.max.bytes must be 4096 or more"
    ),
    13: Row("NETWORK_EXCEPTION", "retry"),
    14: Row("COORDINATOR_LOAD_IN_PROGRESS", "again"),
    15: Row("COORDINATOR_NOT_AVAILABLE", "again"),
    16: Row("NOT_COORDINATOR", "again"),
    17: Row(
        "INVALID_TOPIC_EXCEPTION",
        "stop",
        "a topic cannot have such a name: see kafka.prefix and kafka.topics",
    ),
    18: Row("RECORD_LIST_TOO_LARGE", "smaller", _SIZE),
    19: Row("NOT_ENOUGH_REPLICAS", "retry"),
    20: Row("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "retry"),
    21: Row("INVALID_REQUIRED_ACKS", "stop", _BUG),
    22: Row("ILLEGAL_GENERATION", "rejoin"),
    23: Row(
        "INCONSISTENT_GROUP_PROTOCOL",
        "retry",
        "waiting for another version of curfewd to leave the group: stop it, as the two cannot work side by side",
    ),
    24: Row("INVALID_GROUP_ID", "stop", "a group cannot have such a name: see kafka.group"),
    25: Row("UNKNOWN_MEMBER_ID", "rejoin"),
    26: Row(
        "INVALID_SESSION_TIMEOUT",
        "stop",
        "kafka.session_timeout must be between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms",
    ),
    27: Row("REBALANCE_IN_PROGRESS", "retry"),
    28: Row(
        "INVALID_COMMIT_OFFSET_SIZE", "stop", "the brokers' __consumer_offsets accepts no record of this size"
    ),
    29: Row("TOPIC_AUTHORIZATION_FAILED", "stop", _ACL, "topic"),
    30: Row("GROUP_AUTHORIZATION_FAILED", "stop", _ACL, "group"),
    31: Row(
        "CLUSTER_AUTHORIZATION_FAILED",
        "stop",
        "an ACL is missing: IdempotentWrite on the cluster, or Write on a topic from Kafka 2.8 on",
        "cluster",
    ),
    32: Row("INVALID_TIMESTAMP", "retry", _TIME),
    33: Row("UNSUPPORTED_SASL_MECHANISM", "stop", f"the broker does not offer this SASL mechanism: {_SASL}"),
    34: Row(
        "ILLEGAL_SASL_STATE",
        "stop",
        f"the broker asks for no SASL on this port: set protocol PLAINTEXT or SSL; {_SASL}",
    ),
    35: Row("UNSUPPORTED_VERSION", "stop", _OLD),
    36: Row("TOPIC_ALREADY_EXISTS", "none"),
    37: Row(
        "INVALID_PARTITIONS", "stop", "the brokers do not accept this number of partitions: see kafka.topics"
    ),
    38: Row(
        "INVALID_REPLICATION_FACTOR",
        "stop",
        "there are fewer brokers than requested copies: set kafka.replication",
    ),
    39: Row("INVALID_REPLICA_ASSIGNMENT", "stop", _BUG),
    40: Row("INVALID_CONFIG", "stop", "the brokers do not accept a setting of the topic: see kafka.topics"),
    41: Row("NOT_CONTROLLER", "retry"),
    42: Row("INVALID_REQUEST", "stop", _BUG),
    43: Row(
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "stop",
        "the topic's message.format.version is too old: set 2.0 or later",
    ),
    44: Row("POLICY_VIOLATION", "stop", "the cluster's policy forbids it"),
    45: Row("OUT_OF_ORDER_SEQUENCE_NUMBER", "retry"),
    46: Row("DUPLICATE_SEQUENCE_NUMBER", "retry"),
    47: Row("INVALID_PRODUCER_EPOCH", "rejoin"),
    48: Row("INVALID_TXN_STATE", "retry"),
    49: Row("INVALID_PRODUCER_ID_MAPPING", "retry"),
    50: Row(
        "INVALID_TRANSACTION_TIMEOUT",
        "stop",
        "kafka.transaction_timeout is longer than the brokers' transaction.max.timeout.ms",
    ),
    51: Row("CONCURRENT_TRANSACTIONS", "again"),
    52: Row("TRANSACTION_COORDINATOR_FENCED", "retry"),
    53: Row("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "stop", _ACL, "transactional id"),
    54: Row("SECURITY_DISABLED", "stop", "the brokers have no authorizer"),
    55: Row("OPERATION_NOT_ATTEMPTED", "retry"),
    56: Row("KAFKA_STORAGE_ERROR", "retry"),
    57: Row("LOG_DIR_NOT_FOUND", "retry"),
    58: Row(
        "SASL_AUTHENTICATION_FAILED",
        "stop",
        f"the broker does not accept the user, the password or the token: {_SASL}",
    ),
    59: Row("UNKNOWN_PRODUCER_ID", "retry"),
    60: Row("REASSIGNMENT_IN_PROGRESS", "retry"),
    61: Row("DELEGATION_TOKEN_AUTH_DISABLED", "stop", _TOKEN),
    62: Row("DELEGATION_TOKEN_NOT_FOUND", "stop", _TOKEN),
    63: Row("DELEGATION_TOKEN_OWNER_MISMATCH", "stop", _TOKEN),
    64: Row("DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", "stop", _TOKEN),
    65: Row("DELEGATION_TOKEN_AUTHORIZATION_FAILED", "stop", _TOKEN),
    66: Row("DELEGATION_TOKEN_EXPIRED", "stop", _TOKEN),
    67: Row("INVALID_PRINCIPAL_TYPE", "stop", _BUG),
    68: Row("NON_EMPTY_GROUP", "stop", "a process is still in the group: stop all of them first"),
    69: Row("GROUP_ID_NOT_FOUND", "retry"),
    70: Row("FETCH_SESSION_ID_NOT_FOUND", "retry"),
    71: Row("INVALID_FETCH_SESSION_EPOCH", "retry"),
    72: Row("LISTENER_NOT_FOUND", "retry"),
    73: Row("TOPIC_DELETION_DISABLED", "stop", "the brokers' delete.topic.enable is false"),
    74: Row("FENCED_LEADER_EPOCH", "retry"),
    75: Row("UNKNOWN_LEADER_EPOCH", "retry"),
    76: Row(
        "UNSUPPORTED_COMPRESSION_TYPE", "stop", "the brokers do not accept this codec: see kafka.compression"
    ),
    77: Row("STALE_BROKER_EPOCH", "retry"),
    78: Row("OFFSET_NOT_AVAILABLE", "retry"),
    79: Row("MEMBER_ID_REQUIRED", "again"),
    80: Row("PREFERRED_LEADER_NOT_AVAILABLE", "retry"),
    81: Row(
        "GROUP_MAX_SIZE_REACHED",
        "stop",
        "the group has as many members as the brokers' group.max.size allows",
    ),
    82: Row("FENCED_INSTANCE_ID", "rejoin"),
    83: Row("ELIGIBLE_LEADERS_NOT_AVAILABLE", "retry"),
    84: Row("ELECTION_NOT_NEEDED", "none"),
    85: Row("NO_REASSIGNMENT_IN_PROGRESS", "none"),
    86: Row("GROUP_SUBSCRIBED_TO_TOPIC", "stop", "a process is still in the group: stop all of them first"),
    87: Row(
        "INVALID_RECORD",
        "stop",
        "the topic does not accept a record: see its cleanup.policy and message.timestamp.*",
    ),
    88: Row("UNSTABLE_OFFSET_COMMIT", "again"),
    89: Row("THROTTLING_QUOTA_EXCEEDED", "retry"),
    90: Row("PRODUCER_FENCED", "rejoin"),
    91: Row("RESOURCE_NOT_FOUND", "stop", _BUG),
    92: Row("DUPLICATE_RESOURCE", "stop", _BUG),
    93: Row("UNACCEPTABLE_CREDENTIAL", "stop", f"the broker does not accept the password: {_SASL}"),
    94: Row("INCONSISTENT_VOTER_SET", "retry"),
    95: Row("INVALID_UPDATE_VERSION", "retry"),
    96: Row("FEATURE_UPDATE_FAILED", "stop", _BUG),
    97: Row(
        "PRINCIPAL_DESERIALIZATION_FAILURE",
        "stop",
        "the brokers cannot pass this user on: see their principal.builder.class",
    ),
    98: Row("SNAPSHOT_NOT_FOUND", "retry"),
    99: Row("POSITION_OUT_OF_RANGE", "retry"),
    100: Row("UNKNOWN_TOPIC_ID", "retry"),
    101: Row("DUPLICATE_BROKER_REGISTRATION", "retry"),
    102: Row("BROKER_ID_NOT_REGISTERED", "retry"),
    103: Row("INCONSISTENT_TOPIC_ID", "retry"),
    104: Row("INCONSISTENT_CLUSTER_ID", "retry"),
    105: Row("TRANSACTIONAL_ID_NOT_FOUND", "retry"),
    106: Row("FETCH_SESSION_TOPIC_ID_ERROR", "retry"),
    107: Row("INELIGIBLE_REPLICA", "retry"),
    108: Row("NEW_LEADER_ELECTED", "retry"),
    109: Row("OFFSET_MOVED_TO_TIERED_STORAGE", "retry"),
    110: Row("FENCED_MEMBER_EPOCH", "rejoin"),
    111: Row("UNRELEASED_INSTANCE_ID", "retry"),
    112: Row(
        "UNSUPPORTED_ASSIGNOR",
        "stop",
        "another program, or another version, is in the group: see kafka.group",
    ),
    113: Row("STALE_MEMBER_EPOCH", "rejoin"),
    114: Row("MISMATCHED_ENDPOINT_TYPE", "stop", "kafka.bootstrap names a controller: name brokers"),
    115: Row("UNSUPPORTED_ENDPOINT_TYPE", "stop", "kafka.bootstrap names a controller: name brokers"),
    116: Row("UNKNOWN_CONTROLLER_ID", "retry"),
    117: Row("UNKNOWN_SUBSCRIPTION_ID", "retry"),
    118: Row("TELEMETRY_TOO_LARGE", "stop", _BUG),
    119: Row("INVALID_REGISTRATION", "retry"),
    120: Row("TRANSACTION_ABORTABLE", "retry"),
    121: Row("INVALID_RECORD_STATE", "stop", _BUG),
    122: Row("SHARE_SESSION_NOT_FOUND", "retry"),
    123: Row("INVALID_SHARE_SESSION_EPOCH", "retry"),
    124: Row("FENCED_STATE_EPOCH", "rejoin"),
    125: Row("INVALID_VOTER_KEY", "stop", _BUG),
    126: Row("DUPLICATE_VOTER", "stop", _BUG),
    127: Row("VOTER_NOT_FOUND", "stop", _BUG),
    128: Row("INVALID_REGULAR_EXPRESSION", "stop", _BUG),
    129: Row("REBOOTSTRAP_REQUIRED", "retry"),
    130: Row("STREAMS_INVALID_TOPOLOGY", "stop", _BUG),
    131: Row("STREAMS_INVALID_TOPOLOGY_EPOCH", "stop", _BUG),
    132: Row("STREAMS_TOPOLOGY_FENCED", "rejoin"),
    133: Row("SHARE_SESSION_LIMIT_REACHED", "retry"),
}

# What aiokafka raises by itself. `KafkaError` is what it makes of others, see `root_of`.
CLIENT: Final[dict[type[BaseException], Row]] = {
    kafka.KafkaError: Row("", "retry"),
    kafka.IllegalStateError: Row("", "retry"),
    kafka.IllegalArgumentError: Row("", "retry"),
    kafka.NoBrokersAvailable: Row("", "retry"),
    kafka.NodeNotReadyError: Row("", "again"),
    kafka.KafkaProtocolError: Row("", "retry"),
    kafka.CorrelationIdError: Row("", "retry"),
    kafka.Cancelled: Row("", "retry"),
    kafka.TooManyInFlightRequests: Row("", "retry"),
    kafka.StaleMetadata: Row("", "retry"),
    kafka.MetadataEmptyBrokerList: Row("", "retry"),
    kafka.UnrecognizedBrokerVersion: Row("", "stop", _OLD),
    kafka.IncompatibleBrokerVersion: Row("", "stop", _OLD),
    kafka.CommitFailedError: Row("", "rejoin"),
    kafka.AuthenticationMethodNotSupported: Row("", "stop", _SASL),
    kafka.AuthenticationFailedError: Row("", "stop", _SASL),
    kafka.BrokerResponseError: Row("", "retry"),
    kafka.KafkaUnavailableError: Row("", "retry"),
    kafka.KafkaTimeoutError: Row("", "retry"),
    kafka.KafkaConnectionError: Row("", "retry"),
    kafka.UnsupportedCodecError: Row("", "unreadable"),
    kafka.KafkaConfigurationError: Row("", "stop", _BUG),
    kafka.QuotaViolationError: Row("", "retry"),
    kafka.NoOffsetForPartitionError: Row("", "retry"),
    kafka.RecordTooLargeError: Row("", "smaller", _SIZE),
    kafka.ProducerClosed: Row("", "retry"),
    kafka.ProducerFenced: Row("", "rejoin"),
}
_ORDER: Final[tuple[Reaction, ...]] = ("stop", "smaller", "unreadable", "rejoin", "retry", "again", "none")


def known_to_aiokafka() -> None:
    """Gives aiokafka a class for each code that it does not know."""
    for code, row in CODES.items():
        if code not in kafka.kafka_errors:
            members = {"errno": code, "message": row.name, "retriable": row.reaction in {"retry", "again"}}
            name = row.name.title().replace("_", "")
            kafka.kafka_errors[code] = type(name, (kafka.BrokerResponseError,), members)


def root_of(error: BaseException) -> BaseException:
    """The error that aiokafka wraps in a bare `KafkaError`, which says nothing."""
    while type(error) is kafka.KafkaError and isinstance(error.__cause__, kafka.KafkaError):
        error = error.__cause__
    return error


def row_of(error: BaseException) -> Row | None:
    """The row of an error of Kafka, None if it is none."""
    error = root_of(error)
    code = getattr(error, "errno", None)
    if isinstance(error, kafka.BrokerResponseError) and code in CODES:
        return CODES[code]
    if isinstance(error, kafka.KafkaError) and type(error) not in CLIENT:  # one of ours: it says so itself
        return Row("", "retry" if error.retriable else "stop")
    return next((CLIENT[kind] for kind in type(error).__mro__ if kind in CLIENT), None)


def asks_for(error: BaseException | type[kafka.KafkaError]) -> Reaction | None:
    """What an error of Kafka, or its class, asks for; None if it is none."""
    row = row_of(error() if isinstance(error, type) else error)
    return None if row is None else row.reaction


def bars(error: BaseException) -> bool:
    """Whether an error says that an ACL is missing."""
    row = row_of(error)
    return row is not None and bool(row.right)


def gravest(*errors: BaseException) -> BaseException:
    """The error that says most about why something failed: one that asks to stop comes before its consequences."""
    return min(errors, key=lambda error: _ORDER.index(asks_for(error) or "retry"))


def told(error: BaseException) -> str:
    """What happened and what to do, for a person. It quotes nothing but what Kafka says."""
    error = root_of(error)
    row = row_of(error)
    if row is None:
        return type(error).__name__
    if row.right:
        names = (
            error.args[0]
            if len(error.args) == 1 and isinstance(error.args[0], set | frozenset)
            else error.args
        )
        named = ", ".join(sorted(str(each) for each in names)) or "one of ours"
        return f"Kafka does not let this user at the {row.right} {named}: {row.advice}"
    return f"{error}: {row.advice}" if row.advice else str(error)


known_to_aiokafka()
