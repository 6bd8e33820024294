"""The image: its Dockerfile is linted, its own steps run without Docker, then used by somebody who may do nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.built_kernels import JIT_ONLY
from detector.configuration.service_settings import ServiceSettings
from tests.deploy.dockerfile import Stage, build, sent, steps

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
USER = 10001
READ_ONLY = 0o555


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_but_what_the_image_is_made_of_is_sent_to_the_build() -> None:
    names = sent(ROOT, DOCKERFILE.with_name("Dockerfile.dockerignore"))
    assert {"requirements.lock", "detector/cli.py", "patterns/github.toml"} & names
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        *("requirements.lock", "requirements-build.lock", "pyproject.toml", "README.md", "LICENSE"),
        *("patterns", "detector", "deploy", "core"),
    }
    assert not any(name.endswith((".pyc", ".key", ".abi3.so")) for name in names)


def test_it_is_nobody_in_particular_and_stops_in_good_order() -> None:
    last = list(steps(DOCKERFILE))
    said = {step.instruction: step.rest for step in last}
    assert said["USER"] == f"{USER}:{USER}"
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(said["ENTRYPOINT"]) == ["/opt/curfewd/bin/curfewd"]
    assert f"http://{ServiceSettings().probes}/healthz" in said["HEALTHCHECK"]
    # Each base image is an argument, so that a digest can be given.
    assert {step.rest.split()[0] for step in last if step.instruction == "FROM"} == {
        "${PYTHON_IMAGE}",
        "${BUILD_IMAGE}",
    }


def test_it_has_the_libraries_of_every_target_of_the_revoker() -> None:
    """What is installed is in the lock, and the lock has what the extra `revoke` brings."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "revoke"
    ]
    wanted = {re.match(r"[a-z0-9-]+", each)[0] for each in extras}  # type: ignore[index]  # a name is there
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert wanted
    assert wanted <= locked
    installs = [step.rest for step in steps(DOCKERFILE) if step.instruction == "RUN"]
    assert any(
        "/opt/curfewd/bin/python -m pip install" in rest and "-r requirements.lock" in rest
        for rest in installs
    )


def others_can_use(python: Path) -> bool:
    """Whether another user may run it: nothing on the way is closed to others."""
    resolved = python.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in resolved.parents)


@pytest.fixture(scope="module")
def image() -> Iterator[Stage]:
    """The last stage, built. Not below pytest's own folder, which is closed to other users."""
    candidates = [
        Path(sys.executable),
        Path(sys.base_prefix, "bin", "python3.11"),
        Path("/usr/bin/python3.11"),
    ]
    usable = [path for path in candidates if path.exists() and (os.geteuid() != 0 or others_can_use(path))]
    python = usable[0] if usable else Path(sys.executable)
    with tempfile.TemporaryDirectory(prefix="curfewd-image-") as name:
        root = Path(name)
        root.chmod(0o755)
        # The loops that `make test` has compiled are in the checkout: the same step would compile them again.
        yield build(DOCKERFILE, ROOT, root, python, {"VERSION": "1", "KERNELS": ""})


def as_user(
    image: Stage,
    *arguments: str,
    folder: Path,
    given: str = "",
    program: str | None = None,
    jit: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Runs the entry point, or another program, with the image's environment, as its user where we may become that."""
    environment = {key: image.moved(value) for key, value in image.environment.items()}
    if jit:
        environment[JIT_ONLY] = "1"
    command = [image.moved(program or json.loads(image.said["ENTRYPOINT"])[0]), *arguments]
    if os.geteuid() == 0 and others_can_use(image.root / "bin" / "python"):
        command = [
            "setpriv",
            f"--reuid={USER}",
            f"--regid={USER}",
            "--clear-groups",
            "--no-new-privs",
            *command,
        ]
    return subprocess.run(
        command, cwd=folder, env=environment, input=given, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_its_steps_make_an_installation_that_works_for_nobody_on_a_read_only_root(image: Stage) -> None:
    volumes = [Path(image.moved(name)) for name in json.loads(image.said["VOLUME"])]
    for volume in volumes:
        assert volume.stat().st_mode & 0o777 == 0o700
        if os.geteuid() == 0:
            os.chown(volume, USER, USER)  # what COPY --chown does
    installed = Path(image.moved("/opt/curfewd"))
    for path in (installed, *installed.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & READ_ONLY)
    before = set(installed.rglob("*"))
    work = volumes[0]
    shutil.copytree(ROOT / "examples" / "incident", image.root / "incident")
    assert not (installed / "bin" / "pip").exists()

    version = as_user(image, "--version", folder=work)
    assert (version.returncode, version.stdout[:8], version.stderr) == (0, "curfewd ", "")
    config = str(image.root / "incident" / "curfewd.toml")
    assert as_user(image, "check", "--config", config, folder=work).returncode == 0
    logs = "".join(path.read_text() for path in sorted((image.root / "incident" / "logs").rglob("*.log")))
    told = as_user(image, "redact", folder=work, given=logs)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("‹http-basic-authorization:") == 1
    # What a start makes is kept, and what numba compiles, and only where they may be.
    assert any((volumes[1] / "curfewd").iterdir())
    code = "import numpy; from detector.scan.kernels import count_bits; print(count_bits(numpy.uint64(7)))"
    counted = as_user(image, "-c", code, folder=work, program="/opt/curfewd/bin/python", jit=True)
    assert (counted.returncode, counted.stdout) == (0, "3\n"), counted.stderr
    assert any((volumes[1] / "numba").rglob("*.nbc"))
    assert set(installed.rglob("*")) == before
