r"""Logs of GitHub's jobs as people get them: what `gh run view --log` prints, and how members of a run's logs are named.

`gh run view --log` and `--log-failed` print each line of a log as `<job>\t<step>\t<time> <text>`. The step is
`UNKNOWN STEP` where GitHub has no log of it alone. A byte order mark stands before the first time of a step (cli/cli,
pkg/cmd/run/view). A run's archive has `0_build.txt` for a job and `build/3_Test.txt` for a step of it.
"""

import re  # over names of bounded length
from typing import Final

_STEP: Final = re.compile(r"([^/]{1,256})/[0-9]{1,9}_([^/]{1,256})\.txt")
_JOB: Final = re.compile(r"-?[0-9]{1,19}_([^/]{1,256})\.txt")


def stream_of_member(name: str) -> str | None:
    """The job, and the step behind a slash, that a member of a run's archive is named for; None if it is no such name."""
    step = _STEP.fullmatch(name)
    if step is not None:
        return f"{step[1]}/{step[2]}"
    job = _JOB.fullmatch(name)
    return None if job is None else job[1]
