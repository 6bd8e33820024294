"""Scans files with the Kingfisher Python SDK; run by the peers' own interpreter, so it imports nothing of ours.

Usage: python kingfisher_sdk_run.py FILE... > hits.jsonl
"""

import json
import sys
from pathlib import Path

from kingfisher_sdk import Rules, Scanner  # type: ignore[import-not-found]  # only in the peers' environment

_CHUNK = 64 * 1024


def main(paths: list[str]) -> None:
    """One JSON object a finding: file, line (from 1), rule, secret."""
    scanner = Scanner(Rules())
    for path in paths:
        line = 1
        rest = Path(path).read_bytes()
        start = 0
        while start < len(rest):
            end = start + _CHUNK
            if end < len(rest):
                end = rest.rfind(b"\n", start, end) + 1 or end
            chunk = rest[start:end]
            for finding in scanner.scan(chunk):
                if finding.visible:
                    found = finding.to_dict(redact=False)
                    row = {
                        "file": path,
                        "line": line - 1 + int(found["location"]["line"]),
                        "rule": finding.rule_id,
                        "secret": finding.secret,
                    }
                    sys.stdout.write(json.dumps(row) + "\n")
            line += chunk.count(b"\n")
            start = end


if __name__ == "__main__":
    main(sys.argv[1:])
