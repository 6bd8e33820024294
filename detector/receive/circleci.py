"""CircleCI's outbound webhooks: `circleci-signature` over the body, named by its `id` (circleci.com/docs, "Webhooks").

CircleCI signs no time, so an old delivery can be sent again. It has the old id then.
"""

import re  # over a header of bounded length
from collections.abc import Callable, Sequence
from typing import Final

from detector.receive.delivery import Head, RefusalError
from detector.receive.proofs import signed_by_one
from detector.values.secrets import Secret

SIGNATURE: Final = "circleci-signature"
_FIRST: Final = re.compile(r"v1=([0-9a-f]{64})")  # of the versions, the only one that there is


def verifier(secrets: Sequence[Secret]) -> Callable[[Head, bytes], None]:
    """What checks the signature of a body."""

    def verify(head: Head, body: bytes) -> None:
        versions = head.headers.get(SIGNATURE, "").split(",")
        tags = [tag[1] for each in versions if (tag := _FIRST.fullmatch(each.strip()))]
        if len(tags) != 1 or not signed_by_one(tags[0], secrets, body):
            raise RefusalError(401, "proof", "circleci-signature is missing or wrong: is it the same secret?")

    return verify
