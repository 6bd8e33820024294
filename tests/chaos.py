"""How often the tests kill a process: `make test` a few times each, `make chaos` many times as often."""

import os
from typing import Final

MANY: Final = int(os.environ.get("CURFEWD_CHAOS", "1"))
