"""What `spark-submit` runs: `spark-submit submit.py replay --config F PATH…` is `curfewd replay --engine spark …`."""

import sys
from importlib import import_module

if __name__ == "__main__":
    command, *rest = sys.argv[1:] or ["replay"]
    # The command line stands above all packages: none of them imports it.
    sys.exit(import_module("detector.cli").main([command, "--engine", "spark", *rest]))
