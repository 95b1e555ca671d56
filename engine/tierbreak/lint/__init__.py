"""Does the rulebook do what its own examples say? Each is decided with the whole rulebook, arbitration included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from tierbreak.engine import Engine
from tierbreak.errors import Fault
from tierbreak.rulebook import DECIDES, Example, Rule
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
        want = None if example.expect is None else registry.ids[registry.redirect[registry.index(example.expect)]]
        faults += list(_fault(rule, kind, example, want, row))
    return faults


def _all(rule: Rule) -> Iterator[tuple[str, Example]]:
    for kind in ("examples", "counterexamples", "todo"):
        for example in getattr(rule, kind):
            yield kind, example


def _row(example: Example) -> dict[str, Any]:
    return {"descriptor": example.descriptor, **{name: example.row.get(name) for name in GUARDED}}


def _fault(rule: Rule, kind: str, example: Example, want: str | None, row: dict[str, Any]) -> Iterator[Fault]:
    got = row["brand"]
    by = f" by {row['rule']}" if row["rule"] else ""
    said = f"{got}{by}" if got else f"nothing ({row['reason']}{by})"
    place: Sequence[Any] = example.place
    if rule.deny:
        if kind == "examples" and got == want:
            yield Fault(
                "R033",
                *place,
                f"{rule.id}: denies {want}, and it is given",
                example.descriptor,
                "no such brand",
                "widen `match`",
            )
    elif kind == "todo":
        if got == want:
            fix = "move it to `examples`"
            yield Fault(
                "R032", *place, f"{rule.id}: todo is done", example.descriptor, f"a gap, but {said} settles it", fix
            )
    elif got != want:
        what = "example" if kind == "examples" else "counterexample"
        code = "R030" if kind == "examples" else "R031"
        fix = "widen the pattern, or add `outranks` or `unless`" if want else "narrow the pattern, or add `unless`"
        yield Fault(
            code,
            *place,
            f"{rule.id}: {what} is settled as {said}",
            example.descriptor,
            want or "no rule settles it",
            fix,
        )
