"""Does the rulebook do what its own examples say? Each is decided with the whole rulebook, arbitration included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from tierbreak.engine import Engine
from tierbreak.errors import Fault
from tierbreak.rulebook import DECIDES, EVERY, Example, Rule
from tierbreak.tables import GUARDED


def examples(engine: Engine) -> list[Fault]:
    """Every example that tier `rules` does not settle as its rule file says, the whole rulebook loaded.

    engine    loaded with `model=None`: rule tests never depend on the model

    An example must be settled for its rule's brand, a counterexample for the brand it expects, or, where it
    expects none, for nothing; a `todo` that is settled already is a fault too, because it is done. A deny
    rule's examples must have its brand denied, or at least not given.
    """
    asked = [
        (rule, kind, example)
        for rule in engine.parts.book.rules
        if rule.status in DECIDES
        for kind, example in _all(rule)
    ]
    if not asked:
        return []
    rows = pl.DataFrame([_row(example) for _, _, example in asked], schema={"descriptor": pl.String, **GUARDED})
    decided = engine.run(rows).rows
    registry = engine.parts.registry
    faults = []
    for (rule, kind, example), row in zip(asked, decided.iter_rows(named=True), strict=True):
        want = example.expect
        if want not in (None, EVERY):
            want = registry.ids[registry.redirect[registry.index(want)]]
        faults += list(_fault(rule, kind, example, want, row))
    return faults


def _all(rule: Rule) -> Iterator[tuple[str, Example]]:
    for kind in ("examples", "counterexamples", "todo"):
        for example in getattr(rule, kind):
            yield kind, example


def _row(example: Example) -> dict[str, Any]:
    return {"descriptor": example.descriptor, **{name: getattr(example, name) for name in GUARDED}}


def _fault(rule: Rule, kind: str, example: Example, want: str | None, row: dict[str, Any]) -> Iterator[Fault]:
    got, text = row["brand"], example.descriptor
    by = f" by {row['rule']}" if row["rule"] else ""
    said = f"{got}{by}" if got else f"nothing ({row['reason']}{by})"
    if rule.deny and kind == "examples":
        if got is not None and want in (got, EVERY):
            says = f"{rule.id}: denies {want}, and the answer is {said}"
            yield example.place.fault("R033", says, text, "another answer, or none", "widen `match`")
    elif kind == "todo":
        if got == want:
            says, expected = f"{rule.id}: todo is done", f"a gap, but {said} settles it"
            yield example.place.fault("R032", says, text, expected, "move it to `examples`")
    elif got != want:
        code, what = ("R030", "example") if kind == "examples" else ("R031", "counterexample")
        fix = "widen the pattern, or add `outranks` or `unless`" if want else "narrow the pattern, or add `unless`"
        says = f"{rule.id}: {what} is settled as {said}"
        yield example.place.fault(code, says, text, want or "no rule settles it", fix)
