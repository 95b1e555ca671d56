"""What an import did, as data, as text and as Markdown: every line that is not a plain rule, every difference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from tierbreak.tools.rules.importing.examples import Shown
from tierbreak.tools.rules.importing.importing import Imported, lines
from tierbreak.tools.rules.importing.names import HOW
from tierbreak.tools.rules.importing.plan import Entry
from tierbreak.tools.rules.importing.replay import WHYS, Replay
from tierbreak.tools.rules.importing.write import REFUSED

#: Of each list the text shows so many; JSON and Markdown hold all.
SHOWN = 6


def as_dict(imported: Imported, replays: Sequence[Replay] = ()) -> dict[str, Any]:
    """All of it, ready for JSON."""
    book, order = imported.book, imported.order
    named = Counter(one.how for one in imported.names)
    patterns = [pattern for entry in imported.kept for pattern in entry.became.match]
    return {
        "file": str(book.path),
        "columns": dict(book.columns),
        "notices": list(book.notices),
        "lines": len(book.rules) + len(book.faults),
        "rules": len(imported.kept),
        "brands": len({entry.brand for entry in imported.kept}),
        "patterns": dict(Counter(pattern.kind for pattern in patterns)),
        "refused": [
            {"code": one.code, "line": one.line, "column": one.column, "pattern": imported.pattern_at(one.line),
             "found": one.found, "message": one.says, "expected": one.expected, "fix": one.fix}
            for one in imported.faults
        ],
        "minds_case": [
            _line(imported, entry) for entry, _ in _by_line(imported)
            if "i" not in book.rules[entry.position].flags and re.search("[A-Za-z]", book.rules[entry.position].pattern)
        ],
        "redundant": [_line(imported, entry) for entry in imported.entries if entry.fate == "redundant"],
        "never_reached": [_line(imported, entry) for entry in imported.entries if entry.fate == "shadow"],
        "without_example": [
            _line(imported, entry) for entry, shown in _by_line(imported)
            if entry.fate == "active" and not shown.examples
        ],
        "look_around": [one for entry, _ in _by_line(imported) for one in _looks(imported, entry)],
        "names": {
            "by": dict(named),
            "proposed": [{"name": one.name, "id": one.id, "lines": list(one.lines), "near": list(one.near)}
                         for one in imported.names if one.how == "proposed"],
            "doubts": [{"name": one.name, "id": one.id, "how": one.how, "lines": list(one.lines), "doubt": one.doubt}
                       for one in sorted(imported.names, key=lambda one: -HOW.index(one.how)) if one.doubt],
        },
        "order": {
            "edges": dict(Counter(order.edges.values())),
            "texts": order.texts,
            "unseen": order.unseen,
            "generic": [
                {**_line(imported, imported.kept[at]), "brands": brands} for at, brands in order.generic.items()
            ],
        },
        "replays": [_replay(one) for one in replays],
    }  # fmt: skip


def _by_line(imported: Imported) -> list[tuple[Entry, Shown]]:
    return sorted(zip(imported.kept, imported.shown, strict=True), key=lambda pair: pair[0].line)


def _line(imported: Imported, entry: Entry) -> dict[str, Any]:
    rule = imported.book.rules[entry.position]
    out = {"line": entry.line, "rule": entry.id, "name": rule.name, "pattern": rule.pattern}
    return out | ({"because": list(entry.because)} if entry.because else {})


def _looks(imported: Imported, entry: Entry) -> Iterator[dict[str, Any]]:
    if entry.became.unless:
        match, unless = ([pattern.text for pattern in part] for part in (entry.became.match, entry.became.unless))
        yield _line(imported, entry) | {"became": "unless", "match": match, "unless": unless}
    for kept in entry.became.kept:
        yield _line(imported, entry) | {
            "became": "kept", "match": [kept.match] if kept.match else [],
            "unless": [kept.unless] if kept.unless else [], "separating": kept.separating or None, "why": kept.why,
        }  # fmt: skip


def _replay(one: Replay) -> dict[str, Any]:
    return {
        "traffic": one.name, "learned": one.learned, "distinct": one.distinct, "decided": one.decided, "same": one.same,
        "share": one.share, "rows": one.rows, "rows_decided": one.rows_decided, "rows_same": one.rows_same,
        "why": dict(Counter(one.differences["why"].to_list())),
        "differences": one.differences.to_dicts(), "beyond": one.beyond.to_dicts(),
    }  # fmt: skip


def as_text(imported: Imported, replays: Sequence[Replay] = ()) -> str:
    """What a person reads after an import: figures, then the first of each list."""
    data = as_dict(imported, replays)
    out = [f"{data['file']}: {data['lines']:,} lines", *_figures(data), ""]
    if imported.faults:
        out += [f"lines that no rule can stand for ({len(imported.faults):,})"]
        out += [line for one in imported.faults[:SHOWN] for line in str(one).split("\n")]
        more = len(imported.faults) - SHOWN
        out += [f"  and {more:,} more; {REFUSED} in the folder, --report FILE and --format json name all", ""][
            more <= 0 :
        ]
    for title, items in _lists(data):
        if items:
            out += [f"{title} ({len(items):,})", *(f"  {item}" for item in items[:SHOWN])]
            if len(items) > SHOWN:
                out.append(f"  and {len(items) - SHOWN:,} more; --report FILE and --format json name all")
            out.append("")
    for one in replays:
        out += _replay_text(one)
    return "\n".join(out).rstrip() + "\n"


def _figures(data: dict[str, Any]) -> list[str]:
    by, order = data["names"]["by"], data["order"]
    known = ", ".join(f"{by[how]:,} by {how}" for how in ("map", "id", "name", "alias", "normalised") if how in by)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(data["patterns"].items()))
    looks = Counter(one["became"] for one in data["look_around"])
    edges = ", ".join(
        f"{order['edges'][why]:,} {why}" for why in ("seen", "proved", "generic") if why in order["edges"]
    )
    out = [
        f"rules     {data['rules']:,} for {data['brands']:,} brands; lines refused {len(data['refused']):,}, "
        f"redundant {len(data['redundant']):,}, never reached {len(data['never_reached']):,}",
        f"patterns  {kinds}" + (f"; look-ahead: {looks['unless']} as `unless`, {looks['kept']} kept" if looks else ""),
        f"names     {known or 'none known'}; {by.get('proposed', 0):,} proposed, "
        f"{len(data['names']['doubts']):,} to look at",
        f"order     {sum(order['edges'].values()):,} edges" + (f": {edges}" if edges else ""),
    ]  # fmt: skip
    if order["unseen"] is not None:
        out.append(
            f"          in more traffic like this, {order['unseen']:.2%} of what the list decides will hold two rules "
            "never seen together"
        )
    for one in data["replays"]:
        how = "learned from" if one["learned"] else "held out"
        out.append(
            f"replay    {_share(one['same'], one['decided'])} of {one['decided']:,} distinct strings alike, "
            f"{_share(one['rows_same'], one['rows_decided'])} of rows: {one['traffic']} ({how})"
        )
    for how, learned in (("learned from", True), ("held out", False)):
        several = [one for one in data["replays"] if one["learned"] == learned]
        same, decided = (sum(one[part] for one in several) for part in ("same", "decided"))
        if len(several) > 1:
            out.append(f"          {_share(same, decided)} of {decided:,} in all that was {how}")
    return out


def _share(part: float, whole: float) -> str:
    """Never 100 % where one is missing.

    >>> _share(82542, 82545), _share(3, 3), _share(0, 0)
    ('99.996 %', '100 %', '100 %')
    """
    if part == whole:
        return "100 %"
    return f"{int(100_000 * part / whole) / 1000:.3f} %"


def _lists(data: dict[str, Any]) -> list[tuple[str, list[str]]]:
    names = data["names"]
    return [
        ("redundant lines: an earlier line of the same brand finds all that they find (proved); not written",
         [_because(one) for one in data["redundant"]]),
        ("lines that the list never comes to (proved); written with `status: shadow`",
         [_because(one) for one in data["never_reached"]]),
        ("rules without an example: no string is known that they decide",
         [_named(one) for one in data["without_example"]]),
        ("lines that mind case, which no rule does", [_named(one) for one in data["minds_case"]]),
        ("look-around", [_look(one) for one in data["look_around"]]),
        ("generic rules: their place is kept against all; a narrower pattern saves the edges",
         [f"{_named(one)}: meets {one['brands']} brands" for one in data["order"]["generic"]]),
        ("names to look at",
         [f"{one['name']} -> {one['id']} (by {one['how']}): {one['doubt']}" for one in names["doubts"]]),
        ("proposed brands: names that no brand of the registry has; --map corrects", [
            f"{one['name']} -> {one['id']}" + (f" (near: {', '.join(one['near'])})" if one["near"] else "")
            for one in names["proposed"]
        ]),
    ]  # fmt: skip


def _named(one: dict[str, Any]) -> str:
    return f"line {one['line']} {one['pattern']} ({one['name']})"


def _because(one: dict[str, Any]) -> str:
    return f"{_named(one)}: {lines(one['because'])} it all"


def _look(one: dict[str, Any]) -> str:
    rule = f"match: {one['match'][0]}, unless: {one['unless'][0]}" if one["unless"] else ""
    if one["became"] == "unless":
        return f"line {one['line']} {one['pattern']}: now {rule} (proved to be the same)"
    if one["separating"]:
        return f"line {one['line']} {one['pattern']}: kept; as {rule} it would lose {one['separating']!r}"
    return f"line {one['line']} {one['pattern']}: kept; {one['why']}"


def _replay_text(one: Replay) -> list[str]:
    out = []
    for title, table in ((f"differences on {one.name}", one.differences),
                         (f"decided on {one.name} by the rules alone", one.beyond)):  # fmt: skip
        if table.height:
            out += [f"{title} ({table.height:,} distinct string{'s' * (table.height > 1)})"]
            groups = causes(table)
            for cause in groups.head(SHOWN).iter_rows(named=True):
                out.append(f"  {cause['strings']:,} {cause['why']}: {cause['old'] or 'nothing'} -> "
                           f"{cause['new'] or 'nothing'}; {cause['says']}")  # fmt: skip
                out += [f"      {text}" for text in cause["descriptors"]]
            if groups.height > SHOWN:
                out.append(f"  and {groups.height - SHOWN:,} more causes; --report FILE and --format json name all")
            out.append("")
    return out


def causes(table: pl.DataFrame) -> pl.DataFrame:
    """Differences by cause, the most frequent first: why, old, new, says, strings, n, and up to three descriptors."""
    return (
        table.group_by("why", "old", "new", "says", maintain_order=True)
        .agg(
            strings=pl.len(), n=pl.col("n").sum(), descriptors=pl.col("descriptor").unique(maintain_order=True).head(3)
        )
        .sort("strings", descending=True, maintain_order=True)
    )


def as_markdown(imported: Imported, replays: Sequence[Replay] = ()) -> str:
    """All of it, to be read and kept."""
    data = as_dict(imported, replays)
    out = [f"# Import of {data['file']}", "", f"{data['lines']:,} lines.", "", "```", *_figures(data), "```", ""]
    refused = [
        f"line {one['line']}:{one['column']} {one['pattern'] or one['found']}: {one['message']}; {one['fix']}"
        for one in data["refused"]
    ]
    for title, items in (("lines that no rule can stand for", refused), *_lists(data)):
        if items:
            out += [
                f"## {title[0].upper()}{title[1:]} ({len(items):,})",
                "",
                *(f"- {_code(item)}" for item in items),
                "",
            ]
    for one in replays:
        out += [f"## Replay: {one.name}", ""]
        counts = Counter(one.differences["why"].to_list())
        said = ", ".join(f"{counts[why]:,} {why}" for why in WHYS if counts[why])
        out += [f"{one.same:,} of {one.decided:,} distinct strings alike ({_share(one.same, one.decided)}). "
                f"Differences: {said or 'none'}.", ""]  # fmt: skip
        for title, table in (("Differences", one.differences), ("Decided by the rules alone", one.beyond)):
            if table.height:
                out += [
                    f"### {title} ({table.height:,})",
                    "",
                    "| descriptor | rows | old | new | why |",
                    "|---|--:|---|---|---|",
                ]
                out += [
                    f"| {_cell(row['descriptor'])} | {row['n']:,.0f} | {row['old'] or '-'} | {row['new'] or '-'} | "
                    f"{row['why']}: {_cell(row['says'])} |" for row in table.iter_rows(named=True)
                ]  # fmt: skip
                out.append("")
    return "\n".join(out)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("`", "\\`").replace("<", "&lt;")


def _code(text: str) -> str:
    """Patterns are full of signs that Markdown reads: escaped, all of them."""
    return "".join("\\" + sign if sign in "\\`*_{}[]()#+!|<>~$" else sign for sign in text)
