"""The columns of a record that was read in the compiled pass (`detector.ingest.formats.flat_kernel`)."""

from typing import Final

TEXT: Final = 0  # where its text begins; -1 if it was not taken: then no other column counts
TIMED: Final = 1  # whether it states a time; `AS_NUMBER` if that is a number
SECONDS: Final = 2  # of a number, where it begins
NANOS: Final = 3  # of a number, where it ends
TASK: Final = 4  # where its task stands
TASK_SIZE: Final = 5  # 0 if it names none
STREAM: Final = 6
STREAM_SIZE: Final = 7
KEY: Final = 8  # a number that all records of its stream have, and few others
GOES_ON: Final = 9  # whether its text may go on in the next record of its stream
KIND: Final = 10
TIME_NAME: Final = (
    11  # the number of the field that the time is from, among `TIME_NAMES`; -1 if it is from none
)
STRICT: Final = 12  # whether a time that cannot be read is an error
CHANNEL: Final = 13  # whether others may be parts of a line with it
POD: Final = 14  # whether a pod is its task
REST: Final = 15  # where what is said beside its text begins
REST_END: Final = 16  # the same as `REST` if nothing is
WIDTH: Final = 17

AS_NUMBER: Final = 2  # of `TIMED`

# What a record is.
PLAIN_JSON: Final = 0  # JSON of `message`, `time`, `task_id` and `stream` alone
ANY_JSON: Final = 1  # of other fields as well
DOCKER_JSON: Final = 2
TEXT_LINE: Final = 3
CRI_LINE: Final = 4
BLANK_LINE: Final = 5  # it has no text, and `TEXT` is -1
KINDS: Final = 6
