"""What Helm makes of the chart. `python -m tests.deploy.charts` writes it to tests/helm, for machines without Helm.

A digest of the chart stands in what is written, so that a change of the chart without a new rendering shows.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy" / "helm" / "curfewd"
RENDERED: Final = ROOT / "tests" / "deploy" / "helm"
KUBERNETES: Final = "1.31"
# By the name of what is rendered, the values that differ from the chart's own.
VALUES: Final[dict[str, tuple[Path, ...]]] = {
    "defaults": (),
    "everything": (RENDERED / "everything.values.yaml",),
    "revoker": (RENDERED / "revoker.values.yaml",),
    "receiver": (RENDERED / "receiver.values.yaml",),
}


def helm() -> Path | None:
    """`make chart` builds it; or the machine's own."""
    built = ROOT / ".cache" / "helm" / "helm"
    found = str(built) if built.exists() else shutil.which("helm")
    return None if found is None else Path(found)


def digest(name: str) -> str:
    """Of all that a rendering is made of, but for the rules of Prometheus, which are tested where they are."""
    files = [
        path
        for path in sorted(CHART.rglob("*"))
        if path.is_file() and "rules" not in path.relative_to(CHART).parts
    ]
    taken = hashlib.sha256()
    for path in (*files, *VALUES[name]):
        taken.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return taken.hexdigest()


def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Runs Helm.

    Raises:
        FileNotFoundError: there is none.
    """
    program = helm()
    if program is None:
        raise FileNotFoundError("there is no Helm: `make chart` builds it")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def rendered(*options: str | Path) -> "subprocess.CompletedProcess[str]":
    """The chart as a release `curfewd` in a namespace `security`."""
    return command(
        *("template", "curfewd", CHART, "--namespace", "security", "--kube-version", f"{KUBERNETES}.0"),
        *options,
    )


def text(name: str) -> str:
    """What is kept of a rendering."""
    made = rendered(*(f"--values={path}" for path in VALUES[name]))
    made.check_returncode()
    return f"# Made by `make chart` of {digest(name)}: change the chart, not this.\n{made.stdout}"


if __name__ == "__main__":
    for each in VALUES:
        (RENDERED / f"{each}.yaml").write_text(text(each))
