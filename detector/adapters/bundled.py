"""The bundled sources and carriers, in the order of `names`."""

from importlib import import_module
from typing import Final

from detector.adapters.adapter import Adapter, Carrier
from detector.adapters.names import CARRIER_MODULES, SOURCE_MODULES

ADAPTERS: Final[tuple[Adapter, ...]] = tuple(
    import_module(f"detector.adapters.{module}").ADAPTER for module in SOURCE_MODULES.values()
)
CARRIERS: Final[tuple[Carrier, ...]] = tuple(
    carrier for module in CARRIER_MODULES for carrier in import_module(f"detector.adapters.{module}").CARRIERS
)
