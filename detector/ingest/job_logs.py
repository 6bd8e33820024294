"""How the members of the archive of a GitHub run are named: `0_build.txt` for a job, `build/3_Test.txt` for a step.

A slash or colon in a job's name is left out there, and of a long name the end (cli/cli, pkg/cmd/run/view).
"""

import re  # over names of bounded length
from typing import Final

from detector.ingest.formats.github_log import stream_of

_STEP: Final = re.compile(r"([^/]{1,256})/[0-9]{1,9}_([^/]{1,256})\.txt")
_JOB: Final = re.compile(r"-?[0-9]{1,19}_([^/]{1,256})\.txt")


def stream_of_member(name: str) -> str | None:
    """The job, and the step behind a slash, that a member of a run's archive is named for; None if it names none."""
    step = _STEP.fullmatch(name)
    if step is not None:
        return stream_of(step[1], step[2])
    job = _JOB.fullmatch(name)
    return None if job is None else stream_of(job[1], None)
