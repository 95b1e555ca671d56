"""The tierbreak engine: bank-statement descriptors into brands, every answer explained."""

from tierbreak.decisions import Decision, Explanation
from tierbreak.engine import DEFAULT, SHIPPED, Engine, Result
from tierbreak.errors import (
    BatchError,
    BundleError,
    CacheError,
    Fault,
    InputError,
    ModelError,
    RegistryError,
    RulebookError,
    SettingsError,
    TierbreakError,
)
from tierbreak.settings import Settings

__all__ = [
    "DEFAULT",
    "SHIPPED",
    "BatchError",
    "BundleError",
    "CacheError",
    "Decision",
    "Engine",
    "Explanation",
    "Fault",
    "InputError",
    "ModelError",
    "RegistryError",
    "Result",
    "RulebookError",
    "Settings",
    "SettingsError",
    "TierbreakError",
]
