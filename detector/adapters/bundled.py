"""The sources and carriers that come with the program, as `names` lists them."""

from importlib import import_module
from typing import Final

from detector.adapters import names
from detector.adapters.adapter import Adapter, Carrier


def _module(name: str) -> str:
    return f"detector.adapters.{name.replace('-', '_')}"


ADAPTERS: Final[tuple[Adapter, ...]] = tuple(import_module(_module(name)).ADAPTER for name in names.SOURCES)
CARRIERS: Final[tuple[Carrier, ...]] = tuple(
    carrier for name in names.CARRIERS for carrier in import_module(_module(name)).CARRIERS
)
