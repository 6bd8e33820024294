"""A store that cannot have memory or threads says so: RocksDB itself would end the process."""

import subprocess
import sys
from pathlib import Path

import pytest

OPENS = """
import resource, sys
from pathlib import Path
from detector.service.judge.store import Store
from detector.values.shortage import lacking

(used,) = (int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData"))
most = used + (int(sys.argv[2]) << 20)
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
try:
    store = Store(Path(sys.argv[1]))
    for number in range(200):
        store.write([(b"key %d" % number, bytes(100_000))])
    store.close()
except Exception as error:
    assert lacking(error), error
    print("lacking")
else:
    print("enough")
"""


@pytest.mark.parametrize("megabytes", [4, 20, 36, 52, 66, 70, 75, 80, 300])
def test_a_store_with_little_room_says_so_and_ends_nothing(tmp_path: Path, megabytes: int) -> None:
    command = [sys.executable, "-c", OPENS, str(tmp_path / "store"), str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in (("lacking\n", "enough\n") if megabytes < 300 else ("enough\n",))
