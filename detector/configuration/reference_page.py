"""Writes docs/configuration.md from the tables of fields, so that the page says what the program reads.

`python -m detector.configuration.reference_page > docs/configuration.md`; a test compares the two.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from detector.configuration.accept_table import ACCEPT_FIELDS
from detector.configuration.allow_table import ALLOW_FIELDS
from detector.configuration.deployment_keys import KEY_FIELDS
from detector.configuration.fields import Field
from detector.configuration.kafka_settings import KAFKA_FIELDS, SECURITY_FIELDS, TOPIC_FIELDS
from detector.configuration.receive_table import RECEIVE_FIELDS, RECEIVE_SOURCE_FIELDS
from detector.configuration.redacted_topics import REDACTED_FIELDS
from detector.configuration.revoke_table import (
    APPROVAL_FIELDS,
    APPROVER_FIELDS,
    LIMIT_FIELDS,
    NOTICE_FIELDS,
    QUIET_FIELDS,
    REVOKE_FIELDS,
    SCOPE_FIELDS,
    TARGET_FIELDS,
)
from detector.configuration.service_settings import SERVICE_FIELDS
from detector.configuration.settings import (
    KIND_FIELDS,
    PATTERN_FIELDS,
    RULE_FIELDS,
    SCAN_FIELDS,
    TOP_FIELDS,
)
from detector.configuration.source_settings import (
    LOG_FIELDS,
    MAPPED_TYPES,
    OVERRIDE_FIELDS,
    SOURCE_FIELDS,
    event_keys,
)
from detector.configuration.trust_keys import TRUST_KEY_FIELDS
from detector.configuration.trust_table import TRUST_FIELDS
from detector.judge.policy import default_rules
from detector.judge.terms import RulePolicy
from detector.values.times import UNITS

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
reason = "SEC-15: the password of the test server is in its documentation"
expiry = 2027-03-31T00:00:00Z

[patterns]
disable = ["generic-*"]

[kafka]
bootstrap = ["broker-1.example:9093", "broker-2.example:9093"]
event_topics = ["audit", "lifecycle"]
log_topics = ["ci-logs", "logs.*"]

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

curfewd reads one TOML file, given with `--config`, and takes secrets from the environment or from files. Every key
has a default, so you need no file to start. `curfewd check --config F` lists every mistake with its line. A key that
is not on this page is an error. An example:

```toml
{EXAMPLE}```

- A **duration** is text such as `"90s"`, `"5 min"`, `"24h"`, `"7d"`, or a number of seconds.
- A **time** has a zone: `2027-01-31T00:00:00Z`.
- A **path** is relative to the folder of the configuration file.
- A **glob** matches the whole text; `*` is any characters, `?` is one.
- **Secrets** are never in the file: curfewd refuses `password = "…"` and the like. A newline at the end of a secret's
  file does not count.

| environment variable | what it is |
| --- | --- |
| `CURFEWD_KEY` | the deployment key, hex or base64, at least 16 bytes |
| `CURFEWD_KAFKA_PASSWORD` | the password for Kafka, unless `password_env` or `password_file` is set |
| `CURFEWD_KAFKA_CLIENT_SECRET` | the client's secret for a token endpoint, unless `client_secret_env` or `client_secret_file` is set |
| `CURFEWD_VIEW_TOKEN` | the token for the live view, unless `service.view_token_file` is set |

## The deployment key

Give every instance the same key. Without a key,

- credentials registered by `hmac-sha256` are not recognised;
- a replay makes a key for itself, and `curfewd run` keeps one in `service.state`. This key makes the fingerprints of
  leaked secrets, so two instances give the same secret two fingerprints: two findings with two uids, neither of which
  closes the other. The same happens when the folder is lost.

Instances do not agree on a key through Kafka, because anyone who reads the topics could then test guesses at a secret
against its fingerprint.
"""

KAFKA_NOTES: Final = """\
If this machine lacks something that `[kafka]` names (an environment variable, a file), `curfewd check` reports it,
and `curfewd run` and `curfewd topics create` stop. `curfewd replay` ignores it.
"""

TOPICS_NOTES: Final = """\
`curfewd topics create` creates missing topics, and with `--inputs` the inputs that are named without a wildcard, with
as many partitions as `work`: good for a trial. It never changes an existing topic, but reports differences. It exits
with 2 if a difference would lose or double something (the partitions of `work` and `state`, `cleanup.policy`,
`unclean.leader.election.enable`), else with 0. Compacted topics keep the last record of every key for ever.

A broker compacts closed segments only, and deletes a segment as a whole. So curfewd's topics say when a segment is
closed (`segment.ms`, `segment.bytes`): a compacted one after an hour or 64 MiB, any other after an eighth of its
retention, a week or 1 GiB. Without that a small `state` grows to 64 MiB a partition before anything is dropped, and
`work` stands for up to twice its retention.
"""

REDACTED_NOTES: Final = """\
Log records passed on without their leaks: [redact.md](redact.md). Only the inputs under `topics` are.
`curfewd topics create` gives each redacted topic as many partitions as its input has, so create the inputs
first, or use `--inputs`. A redacted topic is never an input, even if a glob of the inputs matches it.
"""

SECURITY_NOTES: Final = """\
`SSL` and `SASL_SSL` use TLS 1.2 or newer, and always check the brokers' certificates and host names. With
`OAUTHBEARER`, a token from `token_endpoint` is used for four fifths of its lifetime; each new connection uses the
current token.
"""

SERVICE_NOTES: Final = """\
The process of `curfewd run`. The port at `listen` serves no secret, but it names topics and shows how much is found.
The probes have a port of their own, so that a flood of connections on `listen` does not restart the process.
`view = true` adds the [live view](live-view.md): whoever sees it sees every finding in full. On SIGHUP curfewd reads
patterns and rules again; for `[kafka]`, `[service]`, sources, `[[trust]]` and keys, restart it.
"""

SOURCE_NOTES: Final = """\
Sources of your own, tried before the bundled ones. [sources.md](sources.md#a-source-of-your-own) has an example. A
source has events or `unwrap`, not both.

| term | form | meaning |
| --- | --- | --- |
| path | `job.id`, `labels."app.kubernetes.io/name"`, `steps.0.id` | names into the record, with dots between them |
| template | `deploy/{job.id}` | text with paths in braces; can be filled if the record has a value at each path |
| condition | `{ path = "…", equals = … }` | instead of `equals` also `glob`, `contains` (an item of a list matches the glob) or `exists` |
| capture | `{ path = "…", regex = "…" }` | RE2 on the whole text; its named groups become names for templates |
"""

EVENT_NOTES: Final = f"""\
The events that a record becomes: every one whose `when` holds.

- If the template of a required field cannot be filled, the record is a dead letter that names the path. An optional
  field is left out.
- A template with one path in `grants` or `bound_to` is filled with every text of a list in the record. `split = " "`
  beside `actions`, or in `bound_to`, makes a list of a text: `read write` becomes two actions.
- `expires_in` counts from `time`: `1800`, `"30m"`, `"1h30m"`, `"PT30M"`. A plain number is in `expires_in_unit`:
  {", ".join(f"`{unit}`" for unit in UNITS)}; by default `s`. Zero or less is no end.
- `outcomes` translates `outcome`: it maps globs of its value to outcomes. A value that no glob matches makes the record
  a dead letter, which says what kind of value it is, and so does a list or an object. Without a table the value must be
  an outcome of curfewd's.
- Without `id` the event's id is a keyed hash of the whole record, so two equal records are one event. Give an `id`
  where two equal records are two events.
- An issue needs `task_id`, or `task_group`: the `group` that the start of its task names. `issued_to` has `source_ip`
  and `workload` of whoever asked for the credential.
- An identifier is `{{ scheme = "…", value = "…", length = "…" }}`, or `{{ secret = "…" }}`, of which curfewd keeps only
  the SHA-256.
"""

ACCEPT_NOTES: Final = """\
Findings that somebody has accepted. They are still written, as suppressed, and ask for no revocation.

- An entry has a `uid` or at least one glob. All globs that it has must match.
- `expiry` is compared with the time of the evidence, so a replay always gives the same. The evidence of a
  `leaked-secret` without a time of its own is held against the clock, or `--until`. `curfewd check` names entries that
  have expired by the clock.
- An entry with a `uid` accepts the finding as a whole: no longer once there is evidence after `expiry`, or a severity
  above `severity`.
- The report has a ready entry for each finding. For many findings there is a [baseline](baseline.md).
"""

ALLOW_NOTES: Final = """\
Leaks to ignore: a match that is not a secret, or a secret that everybody may see. `curfewd patterns test --against
FILE` shows what there is to allow, and with a key the fingerprints.

- An entry needs at least one of `fingerprint`, `source`, `pattern`, `regex`. All that it names must hold.
- `expiry` is compared with the time of the log record, so a replay always gives the same. A record without a time of
  its own, which has that of its file or archive, is held against the clock, or `--until`. `curfewd redact` does not
  know the time of a record and uses that of its start.
- An allowed leak is counted (`allowed` in summary.json, `curfewd_allowed_total`), gives no finding, and passes
  `curfewd redact` unmasked.
- **The leak of a registered credential is never allowed**, because that credential works. To live with it, accept the
  finding with `[[accept]]`. In the service, a secret that is registered later is no longer allowed from then on.
"""

TRUST_NOTES: Final = """\
Which input may carry which events, and how each record proves it. [trust.md](trust.md) has examples, says what a
signature covers, and what each proof protects against.

- An event passes if one entry that holds its input lets it. All that this entry names must hold.
- If an entry has `sources` and `exclusive` is not false, no input without such an entry may carry events of them.
- What fails is a dead letter. An input that no entry holds is believed, as its declaration says.
- `curfewd run` stops if a key is missing on this machine. A replay does without the keys: files carry no signature.
"""

TRUST_KEY_NOTES: Final = """\
The keys of the entry above. To rotate one, add the new key, restart curfewd, let the signer change, remove the old.
"""

LOG_NOTES: Final = """\
For records in JSON, from systemd's journal, and from OpenTelemetry. There templates see the attributes of the
resource and the record; the record's win: `'{"ci.job.id"}'`. [sources/carriers.md](sources/carriers.md#agents)
describes agents' spans.
"""

REVOKE_NOTES: Final = """\
For `curfewd revoke`, which carries revocations out: [revoke.md](revoke.md) has examples and says what each rail is for.
Without this table nothing is revoked. With it, `curfewd topics create` also creates the topics `revocation_state`,
`revocation_outcomes` and `revocation_approvals`, and `curfewd run` believes the outcomes. On SIGHUP `curfewd revoke`
reads the table again, and decides again on held commands.
"""

ALLOW_REVOKE_NOTES: Final = """\
What may be revoked: every list that is there must name the command. Without the table, everything.
"""

DENY_REVOKE_NOTES: Final = """\
What may not be revoked, whoever approves it and whatever `[revoke.allow]` says: one list that names the command is
enough. It has the keys of `[revoke.allow]`.
"""

LIMIT_NOTES: Final = """\
The blast radius. Commands beyond a limit are held until it lets them through, and an alert says so. An approval does
not lift a limit: raise it, and send SIGHUP. 0 is no limit.
"""

APPROVAL_NOTES: Final = """\
Commands that people must approve first. Every list that an entry has must name the command. If several entries do, the
highest number counts.
"""

APPROVER_NOTES: Final = """\
Who may approve and deny, with `curfewd revoke approve`, over HTTP, or in the live view.
"""

QUIET_NOTES: Final = """\
Times in which only critical commands are carried out, and those that somebody approves.
"""

TARGET_NOTES: Final = """\
Where credentials are revoked. The first table, in the order of the file, whose type accepts the command and whose
`match` holds takes it. All other keys are options of the type: [revoke.md](revoke.md#targets) has them.

`match` is a table of globs, or lists of them: `kind` is the credential's, `provider`, `method`, `account`, `issuer` and
`cluster` are texts of its `revocation` object. `match = { provider = "vault", cluster = "eu-*" }`.
"""

NOTICE_NOTES: Final = """\
Who is notified of the outcomes. Every list that an entry has must name the command.
"""

RECEIVE_NOTES: Final = """\
For `curfewd receive`, which takes what others send over HTTP: [receive.md](receive.md) has the lines for each sender.
"""

RECEIVE_SOURCE_NOTES: Final = """\
Who may send what, and to which topic it goes. Each proof that an entry names must hold, and it needs at least one:
`secrets`, `clients` or `issuer`. On SIGHUP the entries and their secrets are read again.
"""


def page() -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        _section("Top of the file", "", TOP_FIELDS),
        _section(
            "`[[keys]]`",
            "More deployment keys, for a rotation. The last is the oldest: it names ids that show a secret.\n",
            KEY_FIELDS,
        ),
        _section(
            "`[rules.NAME]`", "How one rule behaves. The second table shows the defaults.\n", RULE_FIELDS
        ),
        _rules(),
        _section(
            "`[kinds.NAME]`",
            "Settings for one kind of credential or task. The credential's kind wins over the task's. A missing key is as\n"
            "above, and [some kinds](rules.md#sessions-that-live-out-their-hour) have a longer `grace_period`.\n"
            "`[kinds.NAME.rules.RULE]` sets the rules of a kind.\n",
            {name: msgspec.structs.replace(field, default="") for name, field in KIND_FIELDS.items()},
        ),
        _section("`[[accept]]`", ACCEPT_NOTES, ACCEPT_FIELDS),
        _section("`[[allow]]`", ALLOW_NOTES, ALLOW_FIELDS),
        _section("`[patterns]`", "", PATTERN_FIELDS),
        _section("`[scan]`", "", SCAN_FIELDS),
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
            "Changes to a bundled source. [sources.md](sources.md#what-you-get) lists their names.\n",
            OVERRIDE_FIELDS,
        ),
        _section("`[logs]`", LOG_NOTES, LOG_FIELDS),
        _section("`[[trust]]`", TRUST_NOTES, TRUST_FIELDS),
        _section("`[[trust.keys]]`", TRUST_KEY_NOTES, TRUST_KEY_FIELDS),
        _section("`[revoke]`", REVOKE_NOTES, REVOKE_FIELDS),
        _section("`[revoke.allow]`", ALLOW_REVOKE_NOTES, SCOPE_FIELDS),
        f"## `[revoke.deny]`\n\n{DENY_REVOKE_NOTES}",
        _section("`[revoke.limits]`", LIMIT_NOTES, LIMIT_FIELDS),
        _section("`[[revoke.approval]]`", APPROVAL_NOTES, APPROVAL_FIELDS),
        _section("`[[revoke.approver]]`", APPROVER_NOTES, APPROVER_FIELDS),
        _section("`[[revoke.quiet_hours]]`", QUIET_NOTES, QUIET_FIELDS),
        _section("`[revoke.targets.NAME]`", TARGET_NOTES, TARGET_FIELDS),
        _section("`[[revoke.notice]]`", NOTICE_NOTES, NOTICE_FIELDS),
        _section("`[receive]`", RECEIVE_NOTES, RECEIVE_FIELDS),
        _section("`[[receive.source]]`", RECEIVE_SOURCE_NOTES, RECEIVE_SOURCE_FIELDS),
    ]
    return "\n".join(parts)


def _section(title: str, notes: str, fields: Mapping[str, Field]) -> str:
    rows = [_row(name, field) for name, field in fields.items()]
    between = f"{notes}\n" if notes else ""
    return f"## {title}\n\n{between}" + _table(("key", "type", "default", "meaning"), rows)


def _row(name: str, field: Field) -> tuple[str, ...]:
    return f"`{name}`", field.type.name, f"`{field.default}`" if field.default else "", field.meaning


def _rules() -> str:
    rows = [
        (
            f"`{name}`",
            _severity(rule),
            "yes" if rule.revoke else "no",
        )
        for name, rule in default_rules().items()
    ]
    return _table(
        ("rule", "severity (of a denied use, or a leak of a dead credential)", "asks for revocation"), rows
    )


def _severity(rule: RulePolicy) -> str:
    if rule.severity is None:
        return "the pattern's"
    return rule.severity.label + (f" ({rule.denied.label})" if rule.denied is not None else "")


def _events() -> str:
    rows = [
        (f"`{kind}`", *(", ".join(f"`{name}`" for name in names) for names in event_keys(kind)))
        for kind in MAPPED_TYPES
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
