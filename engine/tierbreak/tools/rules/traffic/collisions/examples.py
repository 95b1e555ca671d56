"""Every example of the rulebook, to see which a changed rule would cost."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from tierbreak.core.tables import GUARDED
from tierbreak.parts import Parts
from tierbreak.rulebook import DECIDES, EVERY, Example
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.collisions.answers import answers
from tierbreak.tools.rules.traffic.collisions.trial import Change, Scene

#: What an example wants in place of a brand: that no rule wins; that nobody is named by a rule.
_NO_RULE, _NOBODY = -1, -2


class Examples:
    """All examples and counterexamples of the rules that decide, and which rules find them."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._parts, self._settings = parts, settings
        asked = [
            (rule, kind == "examples", example)
            for rule in parts.book.rules
            if rule.status in DECIDES
            for kind in ("examples", "counterexamples")
            for example in getattr(rule, kind)
        ]
        self._want = np.array([self._wanted(example) for _, _, example in asked], dtype=np.int64)
        self._denied = np.array([rule.deny and own for rule, own, _ in asked], dtype=bool)
        rows = [
            {"descriptor": example.descriptor, **{name: getattr(example, name) for name in GUARDED}}
            for _, _, example in asked
        ]
        self._rows = pl.DataFrame(rows, schema={"descriptor": pl.String, **GUARDED})
        scene = Scene.of(parts, self._rows, settings) if asked else None
        self._found = scene.matches if scene else None
        self._of_row = scene.texts.of_row if scene else np.empty(0, dtype=np.int64)
        self._scene = lru_cache(maxsize=64)(self._of_rule)

    def hold(self, change: Change, rule: int) -> bool:
        """Whether every example that rule finds, and that comes out right today, still does under a change.

        rule   index of the one rule that the change narrows, or of one at an end of each of its edges
        """
        here = self._scene(rule)
        if here is None:
            return True
        at, scene = here
        return bool((self._right(at, scene.after(change)) | ~self._right(at, scene)).all())

    def _wanted(self, example: Example) -> int:
        if example.expect is None:
            return _NO_RULE
        if example.expect == EVERY:
            return _NOBODY
        registry = self._parts.registry
        return int(registry.redirect[registry.index(example.expect)])

    def _of_rule(self, rule: int) -> tuple[np.ndarray, Scene] | None:
        """The examples that a rule finds: their places, and the scene of them."""
        if self._found is None:
            return None
        texts = self._found.text[self._found.rule == rule]
        at = np.flatnonzero(np.isin(self._of_row, texts))
        return (at, Scene.of(self._parts, self._rows[at], self._settings)) if len(at) else None

    def _right(self, at: np.ndarray, scene: Scene) -> np.ndarray:
        """bool: which of the examples `at` come out as they should. A deny rule's must not get its brand."""
        got, want = answers(scene).brand, self._want[at]
        denied = np.where(want == _NOBODY, got < 0, got != want)
        return np.where(self._denied[at], denied, got == want)
