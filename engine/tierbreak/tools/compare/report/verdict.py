"""The part of a report on the verdict."""

from __future__ import annotations

from tierbreak.tools.compare.document import Block, Fold, Section, Table, Text, Tile, Tiles
from tierbreak.tools.compare.verdicts.gates import SHORT, STARTER
from tierbreak.tools.compare.verdicts.verdict import FAIL, PASS, UNKNOWN, Judged, Verdict

TITLE = "Verdict"

_TONES = {PASS: "good", FAIL: "bad", UNKNOWN: "warn"}
_ADVICE = {"go on": "Go on", "hold": "Hold", "go back": "Go back"}
_ADVICE_TONES = {"go on": "good", "hold": "warn", "go back": "bad"}


def section(found: Verdict | None) -> Section:
    """What `verdict` found, as blocks; None: no gates were given, and then there is no verdict."""
    if found is None:
        return Section("verdict", TITLE, (
            Text("No gates were given, so there is no verdict: the figures stand for themselves. A gate is a bound for "
                 "one figure, written down before the run, so that nobody chooses it by the result."),
            Text("Save lines such as these as gates.toml, change the bounds, keep the gates whose figures you can "
                 "measure, and run again with --gates gates.toml."),
            Fold("A file to start from", (_starter(), _names())),
        ))  # fmt: skip
    opening, *rest = found.words
    blocks: list[Block] = [
        Text(opening, _TONES[found.says]),
        *(Text(words, _ADVICE_TONES[found.advice]) for words in rest),
        Tiles(_tiles(found)),
        *([_table(found)] if found.gates else []),
    ]
    changes = [one for one in found.gates if one.says != PASS]
    if changes:
        blocks.append(_changes(changes))
    blocks.append(Text(
        f"Bounds are those of {found.file}, last changed {found.written:%Y-%m-%d %H:%M} UTC by its time, "
        f"fingerprint {found.fingerprint[:16]}.", "soft",
    ))  # fmt: skip
    blocks += [Text(notice, "warn") for notice in found.notices]
    return Section("verdict", TITLE, tuple(blocks), found)


def _tiles(found: Verdict) -> tuple[Tile, ...]:
    passed = sum(one.says == PASS for one in found.gates)
    tiles = [Tile("advice", _ADVICE[found.advice]), Tile("gates passed", f"{passed} of {len(found.gates)}")]
    if found.ahead is not None:
        tiles.append(Tile("share of users now", f"{100 * found.ahead.share:g} %"))
        if found.ahead.next is not None and found.ahead.start is not None:
            note = f"from {found.ahead.start:%Y-%m-%d}"
            tiles.append(Tile("next step of the ramp", f"{100 * found.ahead.next:g} %", note))
    return tuple(tiles)


def _table(found: Verdict) -> Table:
    columns = "gate", "verdict", "is", "must be", "why"
    rows = [(_name(one), one.says, one.shown, one.bound, one.why or "-") for one in found.gates]
    return Table(
        columns, tuple(rows), title="Gates", words=frozenset({0, 1, 3, 4}),
        tones=tuple(_TONES[one.says] for one in found.gates),
        note="A figure that cannot be said passes no gate.",
    )  # fmt: skip


def _name(one: Judged) -> str:
    measure = "" if one.measure == one.name else f" ({one.measure})"
    return one.name + measure + (", stops" if one.stop else "")


def _changes(judged: list[Judged]) -> Table:
    rows = [(one.name, one.change or one.needs, "; ".join(one.largest) or "-") for one in judged]
    return Table(
        ("gate", "what it takes", "largest contributions"), tuple(rows), title="What would change it",
        words=frozenset({0, 1, 2}),
    )  # fmt: skip


def _starter() -> Table:
    lines = tuple((line,) for line in STARTER.splitlines() if line)
    return Table(("gates.toml",), lines)


def _names() -> Table:
    rows = tuple((name, says, path) for name, (path, says) in SHORT.items())
    return Table(
        ("short name", "what it is", "path in the JSON of the report"), rows, title="Figures with a short name",
        note="Every other figure is named by its path.", words=frozenset({0, 1, 2}),
    )  # fmt: skip
