"""Follows a Dockerfile without Docker: its own steps, as they stand, below a folder instead of the root.

Enough of the language for ours: ARG, FROM … AS, ENV, WORKDIR, COPY, RUN; the rest is told and not done. `RUN` of an
image that is Python's runs with the Python given. Paths that the steps name are moved below the folder of their
stage.
"""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

# What a step may write to; /usr and /bin stay those of this machine.
MOVED = ("/opt/", "/src", "/var/lib/curfewd", "/var/cache/curfewd")


class Step(msgspec.Struct, frozen=True):
    """One instruction and what follows it, continued lines joined."""

    instruction: str
    rest: str


class Stage(msgspec.Struct):
    """What one FROM began: its root, its environment, and what it says of how it is to be run."""

    root: Path
    environment: dict[str, str] = {}
    folder: str = "/"
    said: dict[str, str] = {}

    def moved(self, text: str) -> str:
        """The same with its paths below the root."""
        names = "|".join(re.escape(name) for name in MOVED)
        return re.sub(rf"(?<![\w/.])(?={names})", str(self.root), text)


def steps(path: Path) -> Iterator[Step]:
    """The instructions in their order, without comments."""
    lines = [
        line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    for joined in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        instruction, _, rest = joined.strip().partition(" ")
        yield Step(instruction, rest.strip())


def sent(context: Path, ignore: Path) -> set[str]:
    """The files of the context that the ignore file lets pass, as names below it."""
    rules = [line for line in ignore.read_text().splitlines() if line and not line.startswith("#")]
    listed = subprocess.run(["git", "ls-files", "-z", "-co"], cwd=context, check=True, capture_output=True)
    return {name for name in listed.stdout.decode().split("\0") if name and _passes(name, rules)}


def _passes(name: str, rules: list[str]) -> bool:
    passes = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        parts = name.split("/")
        heads = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        tail = pattern.removeprefix("**/")
        held = (
            any(fnmatch.fnmatchcase(part, tail) for part in parts)
            if tail != pattern
            else (pattern == "*" or pattern in heads)
        )
        if held:
            passes = rule.startswith("!")
    return passes


def build(path: Path, context: Path, root: Path, python: Path, arguments: dict[str, str]) -> Stage:
    """Runs the steps; the last stage."""
    allowed = sent(context, path.with_name(f"{path.name}.dockerignore"))
    named: dict[str, Stage] = {}
    stage = Stage(root)
    values = dict(arguments)
    for step in steps(path):
        match step.instruction:
            case "ARG":
                name, _, default = step.rest.partition("=")
                values.setdefault(name, default)
            case "FROM":
                words = step.rest.split()
                stage = Stage(root / f"stage-{len(named)}", {}, "/", {})
                named[words[2] if len(words) > 1 else ""] = stage
                (stage.root / "bin").mkdir(parents=True)
                (stage.root / "bin" / "python").symlink_to(python)
            case "ENV":
                stage.environment |= dict(word.split("=", 1) for word in shlex.split(step.rest))
            case "WORKDIR":
                stage.folder = step.rest
                Path(stage.moved(step.rest)).mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(stage, step.rest, context, allowed, named)
            case "RUN":
                _run(stage, step.rest, values)
            case other:
                stage.said[other] = step.rest
    return stage


def _copy(stage: Stage, rest: str, context: Path, allowed: set[str], named: dict[str, Stage]) -> None:
    words = shlex.split(rest)
    options = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
    *sources, target = (word for word in words if not word.startswith("--"))
    into = Path(stage.moved(target)) if target.startswith("/") else Path(stage.moved(stage.folder)) / target
    for source in sources:
        if "from" in options:
            # Moved, as one of them is enough, and its scripts say where they were made: that stays true by the link.
            origin = Path(named[options["from"]].moved(source))
            into.parent.mkdir(parents=True, exist_ok=True)
            origin.rename(into)
            origin.symlink_to(into)
            continue
        files = [
            name for name in allowed if name == source.removeprefix("./") or name.startswith(f"{source}/")
        ]
        assert files, f"{source} is not sent to the build"
        for name in files:
            below = Path(name).relative_to(source) if name != source else Path(Path(name).name)
            copy = into / below
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(context / name, copy)


def _run(stage: Stage, command: str, arguments: dict[str, str]) -> None:
    path = f"{stage.root}/bin:{os.environ['PATH']}"
    environment = {
        **os.environ,
        **arguments,
        **{key: stage.moved(value) for key, value in stage.environment.items()},
        "PATH": path,
    }
    environment.pop("PIP_NO_CACHE_DIR", None)  # this machine may have the wheels already
    environment["PIP_NO_COMPILE"] = "1"  # half of an installation's time
    folder = stage.moved(stage.folder) if stage.folder != "/" else str(stage.root)
    done = subprocess.run(
        ["sh", "-ec", stage.moved(command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
