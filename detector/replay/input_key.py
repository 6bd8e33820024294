"""The key that names ids which hold a secret, in a replay without a deployment key.

The service takes a random one and keeps it. A replay keeps nothing, and the same input has to give the same output. So
its key is a hash of the inputs: only somebody who has them could compute it, and the secret stands in them anyway.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from detector.ingest.sources import Source
from detector.values.errors import BadRecordError
from detector.values.secrets import DeploymentKey

_HEAD: Final = 1 << 16  # bytes of each input; of a longer one also its size counts
_LABEL: Final = b"curfewd/masked-id/v1"


def key_of_inputs(sources: Iterable[Source]) -> DeploymentKey:
    """The key for these inputs. Their names do not count: a folder that was moved keeps its ids."""
    digest = hashlib.sha256(_LABEL)
    for source in sources:
        head = hashlib.sha256()
        try:
            for chunk in source.raw(0, min(source.size, _HEAD)):
                head.update(chunk)
        except BadRecordError:  # a file that is gone: the replay itself tells of it
            pass
        digest.update(b"%d:" % source.size + head.digest())
    return DeploymentKey.of(digest.digest())
