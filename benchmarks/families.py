"""The families of secrets that are planted: how each vendor documents its format, and how a pipeline names it.

`reference` says which document of the vendor the format was read from. A family whose value is
recognisable only beside its name (an AWS secret key, a Datadog key) is `named`: it is planted only in
contexts that name it. No value opens anything.
"""

import random
import string
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from benchmarks import formats
from benchmarks.formats import BASE32, BASE62, BASE64URL, BECH32, DIGITS, HEX, LOWER, UPPER, b64, pick

Shape = Literal["token", "named", "pair", "url", "pem"]
Maker = Callable[[random.Random], str]


class Family(msgspec.Struct, frozen=True):
    """One family: `make` gives the text to plant.

    In a `url` the secret is the password within it; in a `pair` it is the second of two lines, the first being
    the id that belongs to it.
    """

    name: str
    variable: str
    make: Maker
    reference: str
    shape: Shape = "token"


def _of(prefix: str, alphabet: str, length: int, suffix: str = "") -> Maker:
    return lambda rng: prefix + pick(rng, alphabet, length) + suffix


def _github_fine_grained(rng: random.Random) -> str:
    return f"github_pat_11{pick(rng, UPPER, 8)}0{pick(rng, BASE62, 11)}_{pick(rng, BASE62, 59)}"


def _gitlab_routable(rng: random.Random) -> str:
    return formats.gitlab_routable("glpat-", rng, "01" if rng.random() < 0.7 else "")


def _gitlab_job_token(rng: random.Random) -> str:
    return f"glcbt-{in_hex(rng, 2)}_{pick(rng, BASE64URL, 20)}"


def in_hex(rng: random.Random, length: int) -> str:
    """`length` random hex digits."""
    return pick(rng, HEX, length)


def _aws_secret(rng: random.Random) -> str:
    while True:
        value = b64(rng.randbytes(30))
        if "+" in value or "/" in value:
            return value


def _aws_pair(rng: random.Random) -> str:
    return f"AKIA{pick(rng, BASE32, 16)}\n{_aws_secret(rng)}"


def _aws_session(rng: random.Random) -> str:
    return "IQoJb3JpZ2luX2Vj" + b64(rng.randbytes(rng.choice((480, 510, 540))))


def _azure_storage(rng: random.Random) -> str:
    account = pick(rng, string.ascii_lowercase, 10)
    return (
        f"DefaultEndpointsProtocol=https;AccountName={account};AccountKey={b64(rng.randbytes(64))};"
        "EndpointSuffix=core.windows.net"
    )


def _azure_client_secret(rng: random.Random) -> str:
    return f"{pick(rng, BASE62, 3)}8Q~{pick(rng, BASE62 + '-_.~', 34)}"


def _openai_project(rng: random.Random) -> str:
    return f"sk-proj-{pick(rng, BASE64URL, 74)}T3BlbkFJ{pick(rng, BASE64URL, 74)}"


def _slack_bot(rng: random.Random) -> str:
    return f"xoxb-{pick(rng, '123456789', 12)}-{pick(rng, '123456789', 13)}-{pick(rng, BASE62, 24)}"


def _slack_app(rng: random.Random) -> str:
    return f"xapp-1-A0{pick(rng, UPPER, 9)}-{pick(rng, '123456789', 13)}-{in_hex(rng, 64)}"


def _slack_webhook(rng: random.Random) -> str:
    return f"https://hooks.slack.com/services/T0{pick(rng, UPPER, 8)}/B0{pick(rng, UPPER, 9)}/{pick(rng, BASE62, 24)}"


def _sendgrid(rng: random.Random) -> str:
    return f"SG.{pick(rng, BASE64URL, 22)}.{pick(rng, BASE64URL, 43)}"


def _telegram(rng: random.Random) -> str:
    return f"{rng.randrange(10**9, 8 * 10**9)}:AA{pick(rng, BASE64URL, 33)}"


def _atlassian(rng: random.Random) -> str:
    return f"ATATT3xFfGF0{pick(rng, BASE64URL, 171)}={pick(rng, HEX.upper(), 8)}"


def _postman(rng: random.Random) -> str:
    return f"PMAK-{in_hex(rng, 24)}-{in_hex(rng, 34)}"


def _airtable(rng: random.Random) -> str:
    return f"pat{pick(rng, BASE62, 14)}.{in_hex(rng, 64)}"


def _langsmith(rng: random.Random) -> str:
    return f"lsv2_pt_{in_hex(rng, 32)}_{in_hex(rng, 10)}"


def _langfuse(rng: random.Random) -> str:
    return f"sk-lf-{formats.uuid4(rng)}"


def _terraform_cloud(rng: random.Random) -> str:
    return f"{pick(rng, BASE62, 14)}.atlasv1.{pick(rng, BASE62, 67)}"


def _azure_devops(rng: random.Random) -> str:
    return f"{pick(rng, BASE62, 76)}AZDO{pick(rng, BASE62, 4)}"


def _url(scheme: str, user: str, host: str, tail: str) -> Maker:
    def make(rng: random.Random) -> str:
        password = pick(rng, BASE62, 10) + rng.choice("-_.~") + pick(rng, BASE62, rng.randrange(8, 16))
        return f"{scheme}://{user}:{password}@{host}{tail}"

    return make


def secret_of(family: Family, text: str) -> str:
    """The part of a made `text` that must stay secret."""
    if family.shape == "url":
        return text.split("://", 1)[1].split("@", 1)[0].split(":", 1)[1]
    return text.split("\n")[1] if family.shape == "pair" else text


_SOURCES: Final = {
    "github": "GitHub docs, About authentication to GitHub: token formats",
    "gitlab": "GitLab docs, GitLab token overview: token prefixes",
    "aws": "AWS IAM user guide, IAM identifiers and access keys",
    "slack": "Slack docs, Token types",
    "vault": "Vault docs, Tokens: token prefixes",
}

FAMILIES: Final[tuple[Family, ...]] = (
    Family("github-pat", "GITHUB_TOKEN", lambda r: formats.crc_base62("ghp_", r), _SOURCES["github"]),
    Family("github-oauth", "GITHUB_TOKEN", lambda r: formats.crc_base62("gho_", r), _SOURCES["github"]),
    Family("github-app-user", "GH_TOKEN", lambda r: formats.crc_base62("ghu_", r), _SOURCES["github"]),
    Family("github-app-server", "GITHUB_TOKEN", lambda r: formats.crc_base62("ghs_", r), _SOURCES["github"]),
    Family("github-fine-grained", "GH_TOKEN", _github_fine_grained, _SOURCES["github"]),
    Family("gitlab-pat", "GITLAB_TOKEN", _of("glpat-", BASE64URL, 20), _SOURCES["gitlab"]),
    Family("gitlab-pat-routable", "GITLAB_TOKEN", _gitlab_routable, "GitLab handbook, Cells: Routable Tokens"),
    Family("gitlab-job-token", "CI_JOB_TOKEN", _gitlab_job_token, _SOURCES["gitlab"]),
    Family("gitlab-deploy-token", "CI_DEPLOY_PASSWORD", _of("gldt-", BASE64URL, 20), _SOURCES["gitlab"]),
    Family("gitlab-runner-token", "RUNNER_TOKEN", _of("glrt-", BASE64URL, 20), _SOURCES["gitlab"]),
    Family("gitlab-trigger-token", "TRIGGER_TOKEN", _of("glptt-", HEX, 40), _SOURCES["gitlab"]),
    Family("aws-key-pair", "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY", _aws_pair, _SOURCES["aws"], "pair"),
    Family("aws-secret-key", "AWS_SECRET_ACCESS_KEY", _aws_secret, _SOURCES["aws"], "named"),
    Family("aws-session-token", "AWS_SESSION_TOKEN", _aws_session, "AWS STS API reference, Credentials", "named"),
    Family("gcp-api-key", "GOOGLE_API_KEY", _of("AIzaSy", BASE64URL, 33), "Google Cloud docs, API keys"),
    Family("gcp-access-token", "GOOGLE_OAUTH_ACCESS_TOKEN", _of("ya29.a0", BASE64URL, 210), "Google docs, OAuth 2.0"),
    Family("azure-storage", "AZURE_STORAGE_CONNECTION_STRING", _azure_storage, "Azure docs, Connection strings"),
    Family("azure-client-secret", "AZURE_CLIENT_SECRET", _azure_client_secret, "Microsoft Purview, Entra client secret"),
    Family("azure-devops-pat", "AZURE_DEVOPS_EXT_PAT", _azure_devops, "Azure DevOps docs, PAT format changes 2024"),
    Family("kubernetes-token", "KUBE_TOKEN", formats.kubernetes_jwt, "Kubernetes docs, bound service account tokens"),
    Family("github-oidc", "ACTIONS_ID_TOKEN", formats.oidc_jwt, "GitHub docs, OpenID Connect reference"),
    Family("vault-service", "VAULT_TOKEN", _of("hvs.CAESI", BASE64URL, 86), _SOURCES["vault"]),
    Family("vault-batch", "VAULT_TOKEN", _of("hvb.AAAAAQ", BASE64URL, 150), _SOURCES["vault"]),
    Family("slack-bot", "SLACK_BOT_TOKEN", _slack_bot, _SOURCES["slack"]),
    Family("slack-app", "SLACK_APP_TOKEN", _slack_app, _SOURCES["slack"]),
    Family("slack-webhook", "SLACK_WEBHOOK_URL", _slack_webhook, "Slack docs, Incoming webhooks"),
    Family("npm", "NPM_TOKEN", lambda r: formats.crc_base62("npm_", r), "GitHub changelog 2021-09-23, npm token format"),
    Family("pypi", "TWINE_PASSWORD", formats.pypi_macaroon, "PyPI help, API tokens; pypitoken docs"),
    Family("rubygems", "GEM_HOST_API_KEY", _of("rubygems_", HEX, 48), "RubyGems guides, API key scopes"),
    Family("cargo", "CARGO_REGISTRY_TOKEN", _of("cio", BASE62, 32), "Cargo registry source, token prefix"),
    Family("docker-pat", "DOCKER_PASSWORD", _of("dckr_pat_", BASE64URL, 27), "Docker docs, Access tokens"),
    Family("terraform-cloud", "TF_TOKEN_app_terraform_io", _terraform_cloud, "HCP Terraform docs, API tokens"),
    Family("anthropic", "ANTHROPIC_API_KEY", _of("sk-ant-api03-", BASE64URL, 93, "AA"), "Anthropic docs, API keys"),
    Family("openai", "OPENAI_API_KEY", _openai_project, "OpenAI docs, project keys"),
    Family("huggingface", "HF_TOKEN", _of("hf_", string.ascii_letters, 34), "Hugging Face docs, user access tokens"),
    Family("groq", "GROQ_API_KEY", _of("gsk_", BASE62, 52), "Groq docs, API keys"),
    Family("replicate", "REPLICATE_API_TOKEN", _of("r8_", BASE62, 37), "Replicate docs, API tokens"),
    Family("perplexity", "PERPLEXITY_API_KEY", _of("pplx-", BASE62, 48), "Perplexity docs, API keys"),
    Family("xai", "XAI_API_KEY", _of("xai-", BASE62, 80), "xAI docs, API keys"),
    Family("langsmith", "LANGSMITH_API_KEY", _langsmith, "LangSmith docs, API keys"),
    Family("langfuse", "LANGFUSE_SECRET_KEY", _langfuse, "Langfuse docs, API keys"),
    Family("stripe", "STRIPE_SECRET_KEY", _of("sk_live_51", BASE62, 97), "Stripe docs, API keys"),
    Family("sendgrid", "SENDGRID_API_KEY", _sendgrid, "SendGrid docs, API keys"),
    Family("twilio-auth-token", "TWILIO_AUTH_TOKEN", _of("", HEX, 32), "Twilio docs, Auth tokens", "named"),
    Family("datadog", "DD_API_KEY", _of("", HEX, 32), "Datadog docs, API and application keys", "named"),
    Family("newrelic", "NEW_RELIC_API_KEY", _of("NRAK-", UPPER, 27), "New Relic docs, API keys"),
    Family("grafana", "GRAFANA_TOKEN", formats.grafana_service_account, "Grafana source, apikeygenprefixed"),
    Family("sentry", "SENTRY_AUTH_TOKEN", _of("sntryu_", HEX, 64), "Sentry docs, user auth tokens"),
    Family("digitalocean", "DIGITALOCEAN_TOKEN", _of("dop_v1_", HEX, 64), "DigitalOcean docs, token prefixes"),
    Family("databricks", "DATABRICKS_TOKEN", _of("dapi", HEX, 32), "Databricks docs, personal access tokens"),
    Family("shopify", "SHOPIFY_ACCESS_TOKEN", _of("shpat_", HEX, 32), "Shopify changelog, token prefixes"),
    Family("postman", "POSTMAN_API_KEY", _postman, "Postman docs, API keys"),
    Family("airtable", "AIRTABLE_TOKEN", _airtable, "Airtable docs, personal access tokens"),
    Family("linear", "LINEAR_API_KEY", _of("lin_api_", BASE62, 40), "Linear docs, API keys"),
    Family("notion", "NOTION_TOKEN", lambda r: f"ntn_{pick(r, DIGITS, 11)}{pick(r, BASE62, 35)}", "Notion changelog 2024-09-25, ntn_ prefix"),
    Family("atlassian", "JIRA_API_TOKEN", _atlassian, "Atlassian docs, API tokens"),
    Family("doppler", "DOPPLER_TOKEN", _of("dp.st.prd.", BASE62, 43), "Doppler docs, service tokens"),
    Family("pulumi", "PULUMI_ACCESS_TOKEN", _of("pul-", HEX, 40), "Pulumi docs, access tokens"),
    Family("supabase", "SUPABASE_ACCESS_TOKEN", _of("sbp_", HEX, 40), "Supabase docs, access tokens"),
    Family("planetscale", "PLANETSCALE_TOKEN", _of("pscale_tkn_", BASE64URL, 43), "PlanetScale docs, service tokens"),
    Family("telegram", "TELEGRAM_BOT_TOKEN", _telegram, "Telegram docs, Bots: authorizing your bot"),
    Family("age", "SOPS_AGE_KEY", _of("AGE-SECRET-KEY-1", BECH32, 58), "age specification, X25519 recipients"),
    Family("tailscale", "TS_AUTHKEY", lambda r: f"tskey-auth-k{pick(r, BASE62, 10)}CNTRL-{pick(r, BASE62, 32)}", "Tailscale docs, Key prefixes"),
    Family("buildkite", "BUILDKITE_API_TOKEN", _of("bkua_", HEX, 40), "Buildkite docs, Token security"),
    Family("artifactory", "ARTIFACTORY_API_KEY", _of("AKCp8", BASE62, 68), "JFrog docs, API keys"),
    Family("postgres-url", "DATABASE_URL", _url("postgres", "svc_deploy", "db.prod.internal:5432", "/orders?sslmode=require"), "PostgreSQL docs, connection URIs", "url"),
    Family("mongodb-url", "MONGODB_URI", _url("mongodb+srv", "reporting", "cluster0.x7k2m.mongodb.net", "/app?retryWrites=true"), "MongoDB docs, connection strings", "url"),
    Family("redis-url", "REDIS_URL", _url("redis", "", "cache.prod.internal:6379", "/0"), "Redis URI scheme registration", "url"),
    Family("amqp-url", "BROKER_URL", _url("amqp", "worker", "mq.prod.internal:5672", "/jobs"), "RabbitMQ docs, URI specification", "url"),
    Family("basic-auth-url", "PIP_INDEX_URL", _url("https", "ci-bot", "artifacts.prod.internal", "/simple/"), "RFC 3986, userinfo", "url"),
    Family("rsa-key", "SSH_PRIVATE_KEY", formats.rsa_key, "RFC 7468; RFC 8017", "pem"),
    Family("pkcs8-key", "SIGNING_KEY", formats.pkcs8_key, "RFC 7468; RFC 8410", "pem"),
    Family("ec-key", "TLS_KEY", formats.ec_key, "RFC 7468; RFC 5915", "pem"),
    Family("openssh-key", "DEPLOY_KEY", formats.openssh_key, "OpenSSH PROTOCOL.key", "pem"),
)  # fmt: skip

BY_NAME: Final = {family.name: family for family in FAMILIES}


def _registered_makers() -> tuple[Maker, ...]:
    return (
        _of("", BASE62, 40),
        _of("", HEX, 64),
        lambda r: formats.b64url(r.randbytes(32)),
        _of("", LOWER, 32),
        lambda r: f"tsk_{pick(r, BASE62, 28)}",
        formats.uuid4,
    )


_REGISTERED: Final = _registered_makers()


def registered_secret(rng: random.Random) -> str:
    """An opaque credential of a task, of a form that no pattern knows: only its fingerprint tells it."""
    return rng.choice(_REGISTERED)(rng)
