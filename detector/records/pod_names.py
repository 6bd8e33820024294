"""How a pod is named as a task, by whatever tells of it: an audit log, a log shipper, a path.

It needs namespace and name, and of some pods the uid. A pod whose name its controller generated never comes again, so
the name will do, which even logs without uids have. A StatefulSet's or a bare pod comes again under its name; as one
task its second life would be work after its own end.
"""

import re  # over the ends of names, of bounded length
from typing import Final

# What controllers append (`k8s.io/apimachinery/pkg/util/rand`: no vowels, no 0, 1, 3); a Job's pod may have an index,
# or the minute of its CronJob, before it.
_GENERATED = re.compile(r".*-(?:[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]{1,12}-[a-z0-9]{5})", re.DOTALL)
_TAIL: Final = 20


def pod_task(namespace: str, name: str, uid: str | None) -> str | None:
    """The task id of a pod; None where the uid is needed and not known."""
    if _GENERATED.fullmatch(name[-_TAIL:]):
        return f"k8s/{namespace}/{name}"
    return f"k8s/{namespace}/{name}/{uid}" if uid else None


def service_account_group(namespace: str, name: str) -> str:
    """The group of the pods that run as a service account.

    It does not name the cluster: neither a token's subject nor the log of a provider that takes it does.
    """
    return f"kubernetes:{namespace}/{name}"
