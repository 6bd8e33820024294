"""`python -m tests.broker fetch`: the jars, once. `python -m tests.broker run [NODES]`: a cluster until Ctrl-C."""

import signal
import sys
import tempfile
from pathlib import Path

from tests.broker.cluster import BrokerError, Cluster, jars


def main(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["fetch"]:
            jars()
            return 0
        if arguments[:1] == ["run"]:
            nodes = int(arguments[1]) if arguments[1:] else 1
            folder = tempfile.TemporaryDirectory(prefix="curfewd-kafka-")
            with folder as name, Cluster(Path(name), nodes) as cluster:
                sys.stdout.write(f"{cluster.bootstrap}\n")
                sys.stdout.flush()
                signal.sigwait({signal.SIGINT, signal.SIGTERM})
            return 0
    except (BrokerError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.exit(main(sys.argv[1:]))
