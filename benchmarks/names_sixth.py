"""The sixth held-out half of the `names` corpus: names, values and contexts that the other halves lack.

Names of secrets are those of CI variables, charts, consoles, devices, games, mail and payments. The contexts are what
tools print. Everything here, and in `names_sixth_lookalikes`, was written without a look at curfewd's lexicon, contexts
or patterns, nor at the lists of the other halves.
"""

import random
import re
import shlex
from collections.abc import Callable
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from benchmarks.formats import BASE62, DIGITS, HEX, LOWER, UPPER, b64, b64url, pick
from benchmarks.names_contexts import Context, Shown, as_yaml, escaped, in_json, plain, stamp, tag
from benchmarks.names_sixth_lookalikes import LOOK_ALIKES, TALK
from benchmarks.names_words import Name, Value, drawn, named, of_bytes, password

__all__ = ["CONTEXTS", "LOOK_ALIKES", "NAMES", "TALK", "VALUES"]

NAMES: Final[dict[str, tuple[Name, ...]]] = {
    "password": named(
        "SQLEDGE_SA_PASSWORD TF_VAR_RDS_MASTER_PASSWORD CYRUS_IMAP_PASSWORD MOSQUITTO_BROKER_PASSWORD GF_ADMIN_PWD"
        " METABASE_JDBC_PASSWORD ORACLE_SYS_PASS SSH_DEPLOY_PASSPHRASE CODESIGN_P12_PASSWORD JAVA_STOREPASS"
        " OPENLDAP_BIND_PW RABBIT_ERP_PASS RESTIC_REPO_PASSWORD DUPLICITY_PASSPHRASE SAP_RFC_PASSWD ZABBIX_DB_PASSWD"
        " MINECRAFT_RCON_PASSWORD ANSIBLE_SUDO_PASS"
    ),
    "token": named(
        "SENTRY_RELEASE_TOKEN DISCORD_GUILD_BOT_TOKEN CODECOV_UPLOAD_TOKEN EXPO_BUILD_TOKEN FLY_DEPLOY_TOKEN"
        " HASS_LONG_LIVED_TOKEN INFLUXDB2_ADMIN_TOKEN K3S_JOIN_TOKEN NOMAD_BOOTSTRAP_TOKEN RUNNER_ENROLL_TOKEN"
        " SEMAPHORE_AGENT_TOKEN CLOUDFLARED_TUNNEL_TOKEN SCIM_BEARER_TOKEN KUBE_DASHBOARD_TOKEN PLEX_CLAIM_TOKEN"
        " UPSTASH_REST_TOKEN THINGSBOARD_DEVICE_TOKEN MATRIX_AS_TOKEN XERO_REFRESH_TOKEN NPM_PUBLISH_AUTHTOKEN"
    ),
    "secret": named(
        "LUCIA_AUTH_SECRET AUTH0_MGMT_CLIENT_SECRET EXPRESS_SESSION_SECRET PADDLE_WEBHOOK_SECRET OIDC_RP_CLIENT_SECRET"
        " COOKIE_SIGNING_SECRET HMAC_SHARED_SECRET TURNSTILE_SITE_SECRET RADIUS_NAS_SECRET STEAM_PARTNER_SECRET"
        " DGRAPH_ADMIN_SECRET PLAID_SANDBOX_SECRET"
    ),
    "key": named(
        "LUMEN_APP_KEY RAILS_SECRET_KEY_BASE MAILBOX_MASTER_KEY AIRFLOW_FERNET_KEY PHOENIX_SIGNING_KEY"
        " WINDMILL_ENCRYPTION_KEY NEBULA_NODE_PRIVATE_KEY STRONGSWAN_PRESHARED_KEY EVENTHUB_SHARED_ACCESS_KEY"
        " IOTHUB_DEVICE_PRIMARY_KEY LICENSE_SIGNING_KEY TYPESENSE_MASTER_KEY LORAWAN_NWK_KEY"
    ),
    "service key": named(
        "MAILJET_V3_API_KEY DATADOG_APP_KEY ALGOLIA_WRITE_KEY TWITCH_STREAM_KEY ADYEN_CHECKOUT_APIKEY RUDDERSTACK_WRITE_KEY"
        " STEAM_WEB_API_KEY HONEYCOMB_INGEST_KEY OPSGENIE_TEAM_APIKEY PLAYFAB_TITLE_SECRET_KEY IPDATA_LICENSE_KEY"
        " STORAGE_ACCOUNT_KEY EASYPOST_KEY NEWRELIC_INSERT_KEY"
    ),
    "other": named("WIFI_PSK ERLANG_RELEASE_COOKIE PASSWORD_PEPPER REDIS_REQUIREPASS SMTP_RELAY_CREDENTIALS"),
}


def _grouped(rng: random.Random) -> str:
    return "-".join(pick(rng, UPPER, 5) for _ in range(5))


def _bot(rng: random.Random) -> str:
    return f"{rng.choice('123456789')}{pick(rng, DIGITS, 9)}:{pick(rng, BASE62, 35)}"


def _prefixed(rng: random.Random) -> str:
    return f"{rng.choice('bkqvz')}{rng.choice('kst')}.live.{pick(rng, BASE62, 30)}"


VALUES: Final[dict[str, Value]] = {
    "hex 44": drawn(HEX, 44),
    "base62 26": drawn(BASE62, 26),
    "base62 34": drawn(BASE62, 34),
    "base62 56": drawn(BASE62, 56),
    "base36 lower 32": drawn(LOWER, 32),
    "base64 of 18 bytes": of_bytes(18, b64),
    "base64 of 44 bytes": of_bytes(44, b64),
    "base64url of 40 bytes": of_bytes(40, b64url),
    "password 17, signs": password("!#$%&*+-.:=?@^_~", 17),
    "password 22, few signs": password("!.-_", 22),
    "five groups of five": _grouped,
    "number, colon and base62 35": _bot,
    "own prefix with dots, base62 30": _prefixed,
}


def _shell(value: str) -> str:
    return value if re.fullmatch(r"[\w@%+=:,./-]+", value, re.ASCII) else f"$'{value}'"


def _c_string(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _sql(value: str) -> str:
    return value.replace("'", "''")


def _attribute(value: str) -> str:
    return quoteattr(value)[1:-1]


def _fish(value: str) -> str:
    return value if re.fullmatch(r"[\w@%+=:,./-]+", value, re.ASCII) else f"'{value}'"


def _below(write: Callable[[str], str], first: str, second: str) -> Context:
    """Two or more lines: the name is in the first, and the value, as `write` has it, below."""

    def made(name: Name, value: str, rng: random.Random) -> Shown:
        written = write(value)
        bare = written[1:-1] if written[0] == written[-1] == "'" else written
        words = {"name": name, "value": written, "length": len(value), "tag": tag(rng)}
        return Shown((*first.format(**words).split("\n"), *second.format(**words).split("\n")), bare)

    return made


_ESCAPED: Final[dict[str, Context]] = {
    "docker inspect": escaped(in_json, lambda n, v, _: f'                "{n.upper}={v}",'),
    "terraform plan": escaped(in_json, lambda n, v, _: f'      + {n.snake:<24} = "{v}"'),
    "terraform plan, changed": escaped(
        in_json, lambda n, v, _: f'          ~ {n.upper} = "{v}" -> (known after apply)'
    ),
    "npm verbose": escaped(in_json, lambda n, v, _: f'npm verb argv "run" "deploy" "--{n.kebab}" "{v}"'),
    "ansible -vvv": escaped(
        in_json,
        lambda n, v, r: (
            f'changed: [{tag(r)}-1] => {{"changed": true, "invocation": {{"module_args": {{"force": false,'
            f' "{n.snake}": "{v}", "state": "present", "timeout": 30}}}}}}'
        ),
    ),
    "Ruby inspect of an object": escaped(
        _c_string, lambda n, v, r: f'#<Settings:0x0000{pick(r, HEX, 12)} @host="{tag(r)}", @{n.snake}="{v}">'
    ),
    "Go %#v": escaped(
        _c_string,
        lambda n, v, r: f'{stamp(r)} main.Config{{Host:"{tag(r)}", Port:5432, {n.pascal}:"{v}", TLS:true}}',
    ),
    "Rust Debug": escaped(
        _c_string,
        lambda n, v, r: f'DEBUG {tag(r)}: Config {{ host: "{tag(r)}", {n.snake}: Some("{v}"), retries: 3 }}',
    ),
    ".NET appsettings": escaped(
        in_json, lambda n, v, r: f'  "{tag(r).capitalize()}": {{ "{n.pascal}": "{v}", "Enabled": true }},'
    ),
    "SQL UPDATE": escaped(
        _sql, lambda n, v, r: f"{tag(r)}=# UPDATE settings SET {n.snake} = '{v}', updated_at = now() WHERE id = 1;"  # noqa: S608 - text of a log, never run
    ),
    "SQL INSERT of a pair": escaped(
        _sql, lambda n, v, r: f"{tag(r)}=# INSERT INTO app_config (name, value) VALUES ('{n.snake}', '{v}');"  # noqa: S608 - text of a log, never run
    ),
    "XML attributes": escaped(_attribute, lambda n, v, _: f'    <add key="{n.pascal}" value="{v}" />'),
    "Nomad HCL": escaped(in_json, lambda n, v, _: f'        {n.upper} = "{v}"'),
    "fish trace": escaped(_fish, lambda n, v, _: f"-----> set -gx {n.upper} {v}"),
    "csh setenv": escaped(shlex.quote, lambda n, v, _: f"setenv {n.upper} {v}"),
    "strace": escaped(
        _c_string,
        lambda n, v, r: f'[pid {r.randrange(9999)}] execve("/usr/bin/node", ["node", "app.js"], ["HOME=/root", "{n.upper}={v}"]) = 0',
    ),
    "Elixir inspect": escaped(_c_string, lambda n, v, r: f'[debug] %{{host: "{tag(r)}", {n.snake}: "{v}", port: 4000}}'),
    "Data::Dumper": escaped(_c_string, lambda n, v, _: f"          '{n.snake}' => '{v}',"),
    "ARM parameters": escaped(in_json, lambda n, v, _: f'    "{n.camel}": {{ "value": "{v}" }},'),
    "DynamoDB item": escaped(in_json, lambda n, v, r: f'"id": {{"N": "{r.randrange(99)}"}}, "{n.snake}": {{"S": "{v}"}}}}'),
    "Erlang term": escaped(_c_string, lambda n, v, r: f'[{{host,"{tag(r)}"}},{{{n.snake},<<"{v}">>}},{{port,5672}}]'),
    "EDN": escaped(_c_string, lambda n, v, r: f'{{:host "{tag(r)}", :{n.kebab} "{v}", :port 5432}}'),
    "gdb print": escaped(
        _c_string, lambda n, v, r: f'$1 = {{port = 5432, {n.snake} = 0x55{pick(r, HEX, 10)} "{v}", tls = true}}'
    ),
    "Swift dump": escaped(_c_string, lambda n, v, _: f'  ▿ {n.camel}: Optional("{v}")'),
    "Windows registry": escaped(_c_string, lambda n, v, _: f'"{n.pascal}"="{v}"'),
    "C macro": escaped(_c_string, lambda n, v, _: f'#define {n.upper} "{v}"'),
    "Java constant": escaped(_c_string, lambda n, v, _: f'  public static final String {n.upper} = "{v}";'),
    "Hadoop XML": escaped(escape, lambda n, v, _: f"<property><name>{n.dotted}</name><value>{v}</value></property>"),
    "Postman environment": escaped(in_json, lambda n, v, _: f'{{"key":"{n.snake}","value":"{v}","enabled":true}},'),
    "supervisord": escaped(_c_string, lambda n, v, r: f'environment=HOME="/srv/{tag(r)}",{n.upper}="{v}",LANG="C"'),
    "helm --set-string": escaped(
        lambda v: shlex.quote(v.replace(",", "\\,")),
        lambda n, v, r: f"+ helm upgrade --install {tag(r)} ./chart --set-string config.{n.camel}={v} --wait",
    ),
}  # fmt: skip

_PLAIN: Final[dict[str, Context]] = {
    "systemctl show-environment": plain(lambda n, v, _: f"{n.upper}={_shell(v)}"),
    "Go header": plain(lambda n, v, r: f"{stamp(r)} sent map[Accept:[*/*] {n.header}:[{v}] User-Agent:[{tag(r)}/1]]"),
    "reg query": plain(lambda n, v, _: f"    {n.pascal}    REG_SZ    {v}"),
    "CMake cache": plain(lambda n, v, _: f"{n.upper}:STRING={v}"),
    "MSBuild": plain(lambda n, v, r: f'MSBuild.exe {tag(r)}.sln /t:Publish "/p:{n.pascal}={v}" /m'),
    "aws --output text": plain(lambda n, v, _: f"ENVIRONMENT\t{n.upper}\t{v}"),
    "phpinfo": plain(lambda n, v, _: f"$_SERVER['{n.upper}'] => {v}"),
    "php-fpm pool": plain(lambda n, v, _: f"env[{n.upper}] = {v}"),
    "nginx -T": plain(lambda n, v, _: f"        fastcgi_param  {n.upper:<28} '{v}';"),
    "bazel": plain(lambda n, v, r: f"bazel build //{tag(r)}:all --action_env={n.upper}='{v}' --jobs=4"),
    "gradle -i": plain(
        lambda n, v, r: (
            f"Starting process 'Gradle Test Executor {r.randrange(9)}'. Working directory: /builds/{tag(r)} Command:"
            f" /opt/java/bin/java -D{n.dotted}={v} -Xmx512m -cp /root/.gradle/caches"
        )
    ),
    "kubectl describe": plain(lambda n, v, _: f"      {n.upper + ':':<28}{v}"),
    "print_r": plain(lambda n, v, _: f"    [{n.snake}] => {v}"),
    "Go %+v": plain(lambda n, v, r: f"{stamp(r)} config: &{{Host:{tag(r)} Port:5432 {n.pascal}:{v} TLS:true}}"),
    "Java toString": plain(lambda n, v, r: f"AppConfig{{host='{tag(r)}', {n.camel}='{v}', port=5432}}"),
    "Java record": plain(lambda n, v, r: f"Bound AppConfig[host={tag(r)}, {n.camel}={v}, port=5432]"),
    "Python dataclass": plain(lambda n, v, r: f"Settings(host='{tag(r)}', {n.snake}='{v}', debug=False)"),
    ".NET debug view": plain(
        lambda n, v, r: f"{n.pascal}={v} (EnvironmentVariablesConfigurationProvider Prefix: '{tag(r).upper()}_')"
    ),
    "curl -v over HTTP/2": plain(lambda n, v, r: f"* [HTTP/2] [{r.randrange(9)}] [{n.header.lower()}: {v}]"),
    "INI with blanks": plain(lambda n, v, _: f"{n.kebab} = {v}"),
    "PowerShell": plain(lambda n, v, _: f"PS C:\\build> $env:{n.upper} = '{v}'"),
    "Get-ChildItem Env": plain(lambda n, v, _: f"{n.upper:<30} {v}"),
    "Windows set": plain(lambda n, v, r: f"C:\\agent\\_work\\{r.randrange(9)}>set {n.upper}={v}"),
    "setx": plain(lambda n, v, _: f'setx {n.upper} "{v}" /M'),
    "make": plain(lambda n, v, _: f"export {n.upper} := {v}"),
    "docker build": plain(lambda n, v, r: f'#{r.randrange(30)} [build {r.randrange(9)}/9] ARG {n.upper}="{v}"'),
    "heroku config": plain(lambda n, v, _: f"{n.upper + ':':<26} {v}"),
    "cat of environ": plain(lambda n, v, r: f"HOME=/home/{tag(r)}^@{n.upper}={v}^@LANG=C.UTF-8^@"),
    "psql table": plain(lambda n, v, r: f" {r.randrange(99):>3} | {n.snake:<24} | {v:<40} | t"),
    "JavaScript inspect": plain(lambda n, v, r: f"{{ host: '{tag(r)}', {n.camel}: '{v}', port: 5432 }}"),
    "var_dump": _below(str, '  ["{name.snake}"]=>', '  string({length}) "{value}"'),
    "plist": _below(escape, "\t<key>{name.pascal}</key>", "\t<string>{value}</string>"),
    "container's YAML": _below(as_yaml, "        - name: {name.upper}", "          value: {value}"),
    "terraform set block": _below(
        in_json, '      + set {{\n          + name  = "config.{name.camel}"', '          + value = "{value}"\n        }}'
    ),
    "az appsettings": _below(
        in_json, '  {{\n    "name": "{name.upper}",\n    "slotSetting": false,', '    "value": "{value}"\n  }},'
    ),
    "form data": _below(
        str, 'Content-Disposition: form-data; name="{name.snake}"\n', "{value}\n--------------------------{tag}"
    ),
    "etcdctl get": _below(str, "/config/{tag}/{name.snake}", "{value}"),
    "Rust Debug, pretty": _below(in_json, "    {name.snake}: Some(", '        "{value}",\n    ),'),
}  # fmt: skip

CONTEXTS: Final[dict[str, Context]] = _ESCAPED | _PLAIN
