"""A ramp as an OpenFeature provider (extra `openfeature`): the flag is the ramp's name, the user the targeting key.

from openfeature import api
api.set_provider(RampProvider(Ramp.read("ramp.toml"), log="exposures.jsonl"))
api.get_client().get_boolean_value("engine", False, EvaluationContext(targeting_key=user))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, TargetingKeyMissingError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from tierbreak.rollout.ramp import Arm, Ramp


class RampProvider(AbstractProvider):
    """Answers for the flag that is called as the ramp: as a boolean whether the new arm has the user, as text the arm.

    log   exposure log to which every answer is added; None keeps none
    """

    def __init__(self, ramp: Ramp, *, log: Path | str | None = None) -> None:
        super().__init__()
        self._ramp, self._log = ramp, log

    def get_metadata(self) -> Metadata:
        return Metadata(name="tierbreak-ramp")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        arm = self._arm(flag_key, evaluation_context)
        return FlagResolutionDetails(value=arm == "new", variant=arm, reason=Reason.SPLIT)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        arm = self._arm(flag_key, evaluation_context)
        return FlagResolutionDetails(value=arm, variant=arm, reason=Reason.SPLIT)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        raise TypeMismatchError("a ramp is asked for a boolean or a text")

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        raise TypeMismatchError("a ramp is asked for a boolean or a text")

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[Any] | Mapping[str, Any],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Any]:
        raise TypeMismatchError("a ramp is asked for a boolean or a text")

    def _arm(self, flag_key: str, context: EvaluationContext | None) -> Arm:
        if flag_key != self._ramp.name:
            raise FlagNotFoundError(f"the ramp is called {self._ramp.name!r}")
        user = context.targeting_key if context else None
        if not user:
            raise TargetingKeyMissingError("the targeting key must be the user's id")
        return self._ramp.expose(user, self._log) if self._log else self._ramp.arm(user)
