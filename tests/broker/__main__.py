"""A broker to try things on.

`python -m tests.broker fetch`: the jars, once. `python -m tests.broker run [NODES]`: a cluster until Ctrl-C.
`python -m tests.broker send ADDRESS TOPIC`: each line of standard input as a record.
"""

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.broker.cluster import BrokerError, Cluster, jars


async def send(address: str, topic: str) -> int:
    """Sends each line of standard input. Returns how many."""
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        sent = [await producer.send(topic, line.rstrip(b"\n")) for line in sys.stdin.buffer]
        await asyncio.gather(*sent)
    return len(sent)


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
        if arguments[:1] == ["send"] and len(arguments) == 3:
            sys.stdout.write(f"{asyncio.run(send(*arguments[1:]))} records sent\n")
            return 0
    except (BrokerError, KafkaError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.exit(main(sys.argv[1:]))
