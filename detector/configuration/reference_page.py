"""Writes docs/configuration.md from the tables of fields, so that the page says what the program reads.

`python -m detector.configuration.reference_page > docs/configuration.md`; a test compares the two.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from detector.configuration.allow_table import ALLOW_FIELDS
from detector.configuration.fields import Field
from detector.configuration.kafka_settings import KAFKA_FIELDS, SECURITY_FIELDS, TOPIC_FIELDS
from detector.configuration.redacted_topics import REDACTED_FIELDS
from detector.configuration.service_settings import SERVICE_FIELDS
from detector.configuration.settings import (
    ACCEPT_FIELDS,
    KEY_FIELDS,
    KIND_FIELDS,
    PATTERN_FIELDS,
    RULE_FIELDS,
    TOP_FIELDS,
)
from detector.configuration.source_settings import LOG_FIELDS, OVERRIDE_FIELDS, SOURCE_FIELDS, event_keys
from detector.judge.policy import DEFAULT_RULES, RulePolicy
from detector.values.events import TYPES

EXAMPLE: Final = """\
key_file = "deployment.key"
grace_period = "2min"

[rules.use-outside-scope]
revoke = true

[kinds.cloud-session]          # nobody can revoke these early: let them have their hour
grace_period = "1h"

[[accept]]
rule = "outlives-task"
credential = "legacy-*"
reason = "SEC-12: moved to short-lived tokens in March"
expiry = 2027-03-31T00:00:00Z

[[allow]]
pattern = "http-basic-authorization"
source = "logs/integration-*"
regex = "^dGVzdDp"              # base64 of `test:`
reason = "SEC-15: the password of the test server stands in its documentation"
expiry = 2027-03-31T00:00:00Z

[patterns]
disable = ["generic-*"]

[kafka]
bootstrap = ["broker-1.example:9093", "broker-2.example:9093"]
inputs = ["audit", "lifecycle"]
input_pattern = "logs\\\\..*"

[kafka.topics.work]
partitions = 32

[kafka.security]
protocol = "SASL_SSL"
ca_file = "brokers-ca.pem"
mechanism = "SCRAM-SHA-512"
username = "curfewd"
password_file = "kafka-password"
"""

INTRODUCTION: Final = f"""\
# Configuration

<!-- Written by `python -m detector.configuration.reference_page`: change the tables of fields, not this page. -->

One TOML file, given with `--config`, and secrets from the environment or from files. Everything has a default:
without a file the defaults below stand. `curfewd check --config F` says what is wrong, each with its line;
a key that is not on this page is an error, not ignored.

- A **duration** is text such as `"90s"`, `"5 min"`, `"24h"`, `"7d"`, or a number of seconds.
- A **time** has a zone: `2027-01-31T00:00:00Z`.
- A **path** is relative to the folder of the configuration file.
- A **glob** matches the whole text; `*` is any characters, `?` one.
- No secret is written in the file: `password = "…"` and its like are refused. A newline at the end of a file with a
  secret is not part of it.

| environment variable | what it is |
| --- | --- |
| `CURFEWD_KEY` | the deployment key, hex or base64, at least 16 bytes |
| `CURFEWD_KAFKA_PASSWORD` | the password for Kafka, unless `password_env` or `password_file` say otherwise |
| `CURFEWD_KAFKA_CLIENT_SECRET` | the client's secret for a token endpoint, unless `client_secret_env` or `client_secret_file` say otherwise |
| `CURFEWD_VIEW_TOKEN` | what a reader of the live view has to show, unless `service.view_token_file` says otherwise |

Without a deployment key, credentials registered by `hmac-sha256` are not recognised. A leaked secret is named by its
fingerprint, which is made with the key; without one, a replay makes a key up for itself, and `curfewd run` keeps one in
`service.state`. Two instances then name the same secret differently: it is two findings, with two uids, that are never
closed for each other, and so it is when the folder is lost. They do not agree on a key through Kafka, since whoever can read
the topics could then try guesses at a secret against its fingerprint. So give every instance the same key.

```toml
{EXAMPLE}```
"""

KAFKA_NOTES: Final = """\
What `[kafka]` names and this machine lacks (a variable, a file) is told by `curfewd check` and stops `curfewd run` and
`curfewd topics create`; `curfewd replay` takes no notice of it.
"""

TOPICS_NOTES: Final = """\
`curfewd topics create` makes those that are missing and changes none that is there: what differs is told. It exits
with 2 where the difference would lose or double something (the partitions of work and state, `cleanup.policy`,
`unclean.leader.election.enable`), and with 0 where it would not. Compacted topics keep the last record of every key
for ever.
"""

REDACTED_NOTES: Final = """\
Log records passed on without their leaks, as [redact.md](redact.md) describes: only with `topics`. `curfewd topics create` gives
each such topic as many partitions as its input has, so the inputs have to be there. Names that this table makes are never inputs,
whatever `input_pattern` says.
"""

SECURITY_NOTES: Final = """\
`SSL` and `SASL_SSL` are TLS 1.2 or newer; the brokers' certificates and host names are always checked. With
`OAUTHBEARER` the token of `token_endpoint` is kept until four fifths of its life have passed; each new connection
takes the token that is in force then.
"""

SERVICE_NOTES: Final = """\
The process of `curfewd run`. What is served at `listen` holds no secret, but names topics and tells how much is found.
`view = true` adds the live view, which [live-view.md](live-view.md) describes: who sees it sees every finding in full.
On SIGHUP patterns and rules are read anew; `[kafka]`, `[service]`, sources and keys need a new start.
"""

SOURCE_NOTES: Final = """\
Sources of your own, asked before the bundled ones; [sources.md](sources.md#a-source-of-your-own) shows one at work. A
**path** into a record is names with dots between them, `labels."app.kubernetes.io/name"`, `steps.0.id`; a **template** is
text with paths in braces, `deploy/{job.id}`, and is filled if something stands at each of them; a **condition** is
`{ path = "…", equals = … }`, or in place of `equals` `glob`, `contains` (a list has an item that matches the glob) or
`exists`; a **capture** is `{ path = "…", regex = "…" }`, RE2's syntax on the whole text, and its named groups are names for
templates. A source has events or `unwrap`, not both.
"""

EVENT_NOTES: Final = """\
The events that a record gives: those whose `when` holds. A required field whose template cannot be filled makes the record a
dead letter with the path; another one is left out. A list of templates in `grants` and `bound_to` takes every text of
a list in the record. `expires_in` is in seconds from `time`. `outcomes` gives for globs of what `outcome` is filled with what
it means. An identifier is `{ scheme = "…", value = "…", length = "…" }`, or `{ secret = "…" }`, of which the SHA-256 is kept
and nothing else.
"""

ALLOW_NOTES: Final = """\
Leaks that are let go: a secret of a known form that is none, or that everybody may see. All that an entry names has to
hold, and at least one of `fingerprint`, `source`, `pattern`, `regex` is needed. `expiry` is held against the time of the
log record, so a replay gives the same every time; `curfewd redact`, which knows no record's time, takes that of its start.
What is allowed is counted (`allowed` in summary.json, `curfewd_allowed_total`), gives no finding, and passes `curfewd redact`
as it is. **The leak of a registered credential is never allowed**: a credential that is registered is one that works, and
whoever wants to live with its leak accepts the finding with `[[accept]]`. Live, a secret that is registered only later is not
allowed from then on. `curfewd patterns test --against FILE` shows what there would be to allow, and with a key the fingerprints.
"""

LOG_NOTES: Final = """\
Of records in JSON, of systemd's journal, and of OpenTelemetry, where templates see the attributes of the record over those of
its resource: `'{"ci.job.id"}'`. What spans of agents tell stands in [sources/carriers.md](sources/carriers.md).
"""


def page() -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        _section("At the top of the file", "", TOP_FIELDS),
        _section("`[[keys]]`", "Further deployment keys in force, for a rotation.\n", KEY_FIELDS),
        _section(
            "`[rules.NAME]`", "How one rule behaves; what it is without one stands below.\n", RULE_FIELDS
        ),
        _rules(),
        _section(
            "`[kinds.NAME]`",
            "For one kind of credential or task; the credential's wins, and what it leaves out is as above. Its rules: `[kinds.NAME.rules.RULE]`.\n",
            {name: msgspec.structs.replace(field, default="") for name, field in KIND_FIELDS.items()},
        ),
        _section("`[[accept]]`", "Findings that are accepted; at least one glob is needed.\n", ACCEPT_FIELDS),
        _section("`[[allow]]`", ALLOW_NOTES, ALLOW_FIELDS),
        _section("`[patterns]`", "", PATTERN_FIELDS),
        _section("`[kafka]`", KAFKA_NOTES, KAFKA_FIELDS),
        f"## `[kafka.topics.NAME]`\n\n{TOPICS_NOTES}",
        _topics(),
        _section("`[kafka.redacted]`", REDACTED_NOTES, REDACTED_FIELDS),
        _section("`[kafka.security]`", SECURITY_NOTES, SECURITY_FIELDS),
        _section("`[service]`", SERVICE_NOTES, SERVICE_FIELDS),
        _section("`[[source]]`", SOURCE_NOTES, SOURCE_FIELDS),
        f"## `[[source.event]]`\n\n{EVENT_NOTES}",
        _events(),
        _section(
            "`[sources.NAME]`",
            "What is otherwise with a bundled source; their names stand in [sources.md](sources.md).\n",
            OVERRIDE_FIELDS,
        ),
        _section("`[logs]`", LOG_NOTES, LOG_FIELDS),
    ]
    return "\n".join(parts)


def _section(title: str, notes: str, fields: Mapping[str, Field]) -> str:
    rows = [_row(name, field) for name, field in fields.items()]
    between = f"{notes}\n" if notes else ""
    return f"## {title}\n\n{between}" + _table(("key", "type", "default", "meaning"), rows)


def _row(name: str, field: Field) -> tuple[str, ...]:
    return f"`{name}`", field.kind.name, f"`{field.default}`" if field.default else "", field.about


def _rules() -> str:
    rows = [
        (
            f"`{name}`",
            _severity(rule),
            "yes" if rule.revoke else "no",
        )
        for name, rule in DEFAULT_RULES.items()
    ]
    return _table(("rule", "severity (denied, or a leak of what was dead)", "asks for revocation"), rows)


def _severity(rule: RulePolicy) -> str:
    if rule.severity is None:
        return "the pattern's"
    return rule.severity.label + (f" ({rule.denied.label})" if rule.denied is not None else "")


def _events() -> str:
    rows = [
        (f"`{kind}`", *(", ".join(f"`{name}`" for name in names) for names in event_keys(kind)))
        for kind in TYPES
    ]
    return _table(("type", "required", "optional"), rows)


def _topics() -> str:
    rows = [
        (f"`{topic}`", *_row(name, field))
        for topic, fields in TOPIC_FIELDS.items()
        for name, field in fields.items()
    ]
    return _table(("topic", "key", "type", "default", "meaning"), rows)


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
