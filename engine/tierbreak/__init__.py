"""The tierbreak engine: bank-statement descriptors into brands, every answer explained."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

    from tierbreak.core.decisions import Decision, Explanation
    from tierbreak.engine import DEFAULT, SHIPPED, Engine, Result
    from tierbreak.errors import (
        BatchError,
        BundleError,
        CacheError,
        EngineError,
        Fault,
        InputError,
        ModelError,
        RegistryError,
        RulebookError,
        SettingsError,
        TierbreakError,
    )
    from tierbreak.rollout.ramp import Ramp
    from tierbreak.rollout.shadow import Shadow
    from tierbreak.settings import Settings

__all__ = [
    "DEFAULT",
    "SHIPPED",
    "BatchError",
    "BundleError",
    "CacheError",
    "Decision",
    "Engine",
    "EngineError",
    "Explanation",
    "Fault",
    "InputError",
    "ModelError",
    "Ramp",
    "RegistryError",
    "Result",
    "RulebookError",
    "Settings",
    "SettingsError",
    "Shadow",
    "TierbreakError",
]

#: Where each public name that is not an error lives. Loaded when first asked for: `tierbreak --help` needs no polars.
_HOMES = {
    "DEFAULT": "engine",
    "SHIPPED": "engine",
    "Decision": "core.decisions",
    "Engine": "engine",
    "Explanation": "core.decisions",
    "Ramp": "rollout.ramp",
    "Result": "engine",
    "Settings": "settings",
    "Shadow": "rollout.shadow",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("tierbreak")
    if name not in __all__:
        raise AttributeError(f"module 'tierbreak' has no attribute {name!r}")
    value = getattr(import_module(f"tierbreak.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
