"""`curfewd receive`: settings, log and loop around the service."""

from detector.configuration.settings import Settings
from detector.kafka.security import check_security
from detector.receive.service import ReceiveService
from detector.receive.tls import ReloadedTls
from detector.service.command import run_process
from detector.values.errors import ConfigError


def run_receive(config: str, out: str | None) -> int:
    """Runs the service until a signal; the exit code.

    Raises:
        UsageError: the configuration is wrong, or a file cannot be used.
    """
    settings = _startable(config, out)
    return run_process(
        settings,
        lambda log, mask: ReceiveService(settings, out, lambda: _startable(config, out), log, mask).run(),
    )


def check_receive(config: str, out: str | None) -> tuple[str, ...]:
    """Warnings of a configuration with which the service would start.

    Raises:
        UsageError: with this one it would not.
    """
    settings = _settings(config)
    if settings.receive.tls is not None:
        ReloadedTls(settings.receive.tls)
    receive = settings.receive
    if out is not None:
        return receive.warnings
    if settings.kafka is None:
        return ("there is no [kafka] table, so it starts only with --out", *receive.warnings)
    check_security(settings.live().security)
    return (*settings.live().warnings, *receive.warnings, *receive.unread)


def _startable(config: str, out: str | None) -> Settings:
    settings = _settings(config)
    if out is None:
        settings.live()
    return settings


def _settings(config: str) -> Settings:
    settings = Settings.load(config)
    if not settings.receive.given:
        raise ConfigError(
            "there is no [receive] table in the configuration: it says who may send what", config
        )
    if settings.receive.unmet:
        raise settings.receive.unmet[0]
    return settings
