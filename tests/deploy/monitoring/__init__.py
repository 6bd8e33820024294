"""A real Prometheus and Alertmanager on loopback, with the configurations of deploy/prometheus."""

from tests.deploy.monitoring.stack import Monitoring

__all__ = ["Monitoring"]
