"""Tells hatchling that a wheel with compiled loops is for this machine and Python."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelsHook(BuildHookInterface[Any]):
    """A wheel without compiled loops is for any machine."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Sets the tag before the wheel is built."""
        del version
        if any(Path(self.root, "detector", "kernels").glob("*.so")):
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
