"""A real Apache Kafka on loopback: one KRaft node or several, started, stopped, killed and paused by pid."""

from tests.broker.cluster import BrokerError, Cluster, Node, shared

__all__ = ["BrokerError", "Cluster", "Node", "shared"]
