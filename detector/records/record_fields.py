"""The columns of records: what each of the eight numbers of a row says. `core/src/kafka/columns.rs` has the same."""

from typing import Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Columns = npt.NDArray[np.int64]

OFFSET: Final = 0
TIMESTAMP: Final = 1
KEY: Final = 2  # where it begins, also if it is null
KEY_SIZE: Final = 3  # -1 if it is null
VALUE: Final = 4
VALUE_SIZE: Final = 5
HEADERS: Final = 6  # where the first begins
HEADER_COUNT: Final = 7
WIDTH: Final = 8
PLACES: Final = [KEY, VALUE, HEADERS]  # the columns that are positions
