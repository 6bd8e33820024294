"""The task that a pod is: one name for what the API server's audit, shippers and paths of log files tell of it."""


def pod_task(namespace: str, name: str, uid: str | None = None) -> str:  # noqa: ARG001 - of pods whose names come again
    """The task id of a pod."""
    return f"k8s/{namespace}/{name}"
