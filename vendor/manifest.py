"""Writes what `detector/pages/d3.min.js` is made of: packages, versions, integrities, licences, and its own hash."""

import hashlib
import json
from pathlib import Path

HERE = Path(__file__).parent
PAGES = HERE.parent / "detector" / "pages"


def main() -> None:
    """Reads the lock file and what npm installed; writes d3.json and d3.LICENSE.txt."""
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    used = {
        path.removeprefix("node_modules/"): one
        for path, one in packages.items()
        if path and not one.get("dev")
    }
    bundler = packages["node_modules/esbuild"]["version"]
    licences: dict[str, list[str]] = {}
    for name in sorted(used):
        text = (HERE / "node_modules" / name / "LICENSE").read_text().strip()
        licences.setdefault(text, []).append(f"{name} {used[name]['version']}")
    manifest = {
        "file": "d3.min.js",
        "sha256": hashlib.sha256((PAGES / "d3.min.js").read_bytes()).hexdigest(),
        "bundler": f"esbuild {bundler}",
        "packages": {
            name: {key: used[name][key] for key in ("version", "license", "integrity")}
            for name in sorted(used)
        },
    }
    (PAGES / "d3.json").write_text(json.dumps(manifest, indent=2) + "\n")
    parts = [f"{', '.join(names)}\n\n{text}\n" for text, names in licences.items()]
    (PAGES / "d3.LICENSE.txt").write_text("\n----\n\n".join(parts))


if __name__ == "__main__":
    main()
