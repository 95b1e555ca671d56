"""Brand by brand, in words and tables."""

from __future__ import annotations

import math

from tierbreak.tools.compare.document import Block, Fold, Section, Table, Text, Tile, Tiles, count, percent, spread
from tierbreak.tools.compare.measure.brands import FLAGGED, Brand, Brands
from tierbreak.tools.models.evaluation.figures import Share

#: Brands that are seen at once; the others unfold, with fewer columns, so that thousands stay a light page.
SHOWN = 50


def section(found: Brands) -> Section:
    """The section of every brand's gains and losses."""
    if not found.brands:
        return Section("brands", "Brand by brand", (Text("Neither side names a brand in any row.", "warn"),), found)
    blocks: list[Block] = [_tiles(found), Text(_opening(found))]
    if found.flagged:
        blocks.append(Text(_meaning(found), "warn" if found.losing else "plain"))
    if found.opposed:
        says = "flagged and go one way by keys and the other way by rows: a few frequent keys outweigh the others there"
        blocks.append(Text(f"Brands that are {says}: {found.opposed:,}. Look at their rows too.", "warn"))
    if not found.gold:
        blocks.append(
            Text(
                "There is no gold set to hold both sides against, so precision and found are not known for any brand.",
                "soft",
            )
        )
    if not found.has_money:
        blocks.append(Text("The traffic has no amounts that can be read, so there is no column for money.", "soft"))
    blocks.append(_full(found))
    if rest := found.brands[SHOWN:]:
        blocks.append(Fold(f"The other {len(rest):,} brands", (_short(rest, bool(found.gold)),)))
    if judged := _on_gold(found):
        blocks.append(judged)
    blocks.append(Fold("How these figures are made, and what they cannot say", (*map(Text, _LIMITS),)))
    return Section("brands", "Brand by brand", tuple(blocks), found)


_LIMITS = (
    "Gained: rows in which only the new side names the brand. Lost: rows in which only the old side does. A row that "
    "goes from one brand to another is lost by the one and gained by the other. A brand's traffic times the share of "
    "it that changed is gained plus lost: brands stand in that order.",
    "The test counts distinct keys, not rows: rows of one key are answered alike, so a key that was seen ten thousand "
    "times is still one case. A key is gained where only the new side names the brand in it, lost where only the old "
    "side does. p is the chance that a fair coin would split those keys as unevenly (exact, two-sided). q is p "
    "after Benjamini and Hochberg over all brands with such a key: of the flagged brands, at most 5 % are false on "
    "average.",
    "A brand with fewer than 6 such keys can never be flagged, however many rows they have: look at gained and lost "
    "too. Brands that trade keys with each other are not independent. A flag is a reason to look, not a proof that "
    "a side is wrong: it says that a change has a direction, not which side is right.",
    "Precision and found are counted on the gold set, in distinct keys, so they can differ from figures by rows: a key "
    "is right only where all its rows are. The intervals are Wilson's, 95 %; with one key they say almost nothing.",
)


def _tiles(found: Brands) -> Tiles:
    gains = found.flagged - found.losing
    return Tiles(
        (
            Tile("Brands", count(len(found.brands)), "named by a side, or in the gold set" if found.gold else "named"),
            Tile("Changed", count(found.changed), "gain or lose at least one row"),
            Tile("Flagged", count(found.flagged), f"more than chance, of {found.tested:,} tested"),
            Tile("Flagged, losing", count(found.losing), f"lose more keys than they gain; {gains:,} gain more"),
        )
    )


def _opening(found: Brands) -> str:
    if not found.changed:
        return f"All {len(found.brands):,} brands are named in the same rows by both sides."
    top = found.brands[0]
    return (
        f"{found.changed:,} of {len(found.brands):,} brands gain or lose rows. The largest change is {top.name}'s: "
        f"{count(top.gained)} gained, {count(top.lost)} lost. "
        + (
            f"{found.flagged:,} change more than chance flips would (q below {FLAGGED:g})."
            if found.flagged
            else f"None changes in one direction more than chance flips would (q below {FLAGGED:g})."
        )
    )


def _meaning(found: Brands) -> str:
    if not found.losing:
        return "Every flagged brand gains more keys than it loses: check that its precision holds."
    return (
        "A large loss that is flagged means that the new side has stopped naming the brand, and not by chance. Either "
        "it misses what the old side found: then the share found falls, and the brand should be mended before more "
        "traffic moves. Or it gives fewer wrong answers: then precision rises, the share found holds, and the loss is "
        "wanted. "
        "Without gold rows for the brand the figures cannot tell which: read its disagreements before deciding."
    )


def _full(found: Brands) -> Table:
    gold, money = bool(found.gold), found.has_money
    columns = ["Brand", "Old rows", "New rows", "Gained", "Lost", "Net", *(["Net money"] if money else [])]
    columns += ["Keys", "q", *(["Precision, %", "Found, %"] if gold else [])]
    rows = []
    for brand in found.brands[:SHOWN]:
        cells = [_name(brand), *map(count, (brand.old, brand.new, brand.gained, brand.lost)), signed(brand.net)]
        cells += [signed(round(brand.money))] if money else []
        cells += [f"+{brand.keys_gained:,} / -{brand.keys_lost:,}", _q(brand)]
        cells += [_both(brand.precision), _both(brand.found)] if gold else []
        rows.append(tuple(cells))
    notes = [
        f"Keys: distinct ones gained and lost. {_FLAG} marks q below {FLAGGED:g}.",
        *([_MONEY_NOTE] if money else []),
        *([_GOLD_NOTE] if gold else []),
    ]
    tones = tuple(_tone(brand) for brand in found.brands[:SHOWN])
    return Table(tuple(columns), tuple(rows), title="Brands by traffic x change", note=" ".join(notes), tones=tones)


_FLAG = "*"
_MONEY_NOTE = "Net money: of the rows gained less of those lost; a row whose amount cannot be read counts 0."
_GOLD_NOTE = (
    "Precision: of the gold set's distinct keys in which a side names the brand, those it names rightly. Found "
    "(recall): of those whose true brand it is, those it names rightly. The old side's, then the new side's; '-' where "
    "the gold set has none."
)


def _on_gold(found: Brands) -> Fold | None:
    """Precision and found of every brand that the gold set has, with intervals; None where it has none."""
    judged = [brand for brand in found.brands if any(share.whole for share in (*brand.precision, *brand.found))]
    if not judged:
        return None
    rows = tuple((_name(brand), *map(_share, (*brand.precision, *brand.found))) for brand in judged)
    columns = ("Brand", "Precision, old", "Precision, new", "Found, old", "Found, new")
    table = Table(columns, rows, note="Share of distinct keys, its 95 % interval (Wilson), and how many.", shown=SHOWN)
    return Fold(f"Precision and found with their intervals, {len(rows):,} brands", (table,))


def _short(brands: tuple[Brand, ...], gold: bool) -> Table:
    columns = ("Brand", "Old rows", "New rows", "Gained", "Lost", "q", *(("Precision, %", "Found, %") if gold else ()))
    rows = tuple(
        (
            _name(brand), *map(count, (brand.old, brand.new, brand.gained, brand.lost)), _q(brand),
            *((_both(brand.precision), _both(brand.found)) if gold else ()),
        )
        for brand in brands
    )  # fmt: skip
    return Table(columns, rows, tones=tuple(_tone(brand) for brand in brands))


def signed(value: float) -> str:
    """
    >>> signed(3), signed(-1200), signed(0)
    ('+3', '-1,200', '0')
    """
    return f"+{count(value)}" if value > 0 else count(value)


def _name(brand: Brand) -> str:
    return brand.name if brand.known else f"{brand.name} (in no registry)"


def _q(brand: Brand) -> str:
    if math.isnan(brand.q):
        return "-"
    shown = "<0.0001" if brand.q < 0.0001 else f"{brand.q:.4f}"
    return f"{shown} {_FLAG}" if brand.flagged else shown


def _tone(brand: Brand) -> str:
    """A flagged brand that loses keys or rows stands out. One that gains does not: it may gain wrong answers."""
    return "warn" if brand.flagged and (brand.keys_lost > brand.keys_gained or brand.net < 0) else ""


def _share(share: Share) -> str:
    if math.isnan(share.value):
        return "-"
    return f"{percent(share.value)} ({spread(share.low, share.high)}), n {share.whole:,.0f}"


def _both(shares: tuple[Share, Share]) -> str:
    return arrow(shares[0].value, shares[1].value).replace(" %", "")


def arrow(old: float, new: float, digits: int = 0) -> str:
    """A share on the old side, and on the new.

    >>> arrow(0.651, 0.8581, 1), arrow(math.nan, 1.0), arrow(math.nan, math.nan)
    ('65.1 → 85.8 %', '- → 100 %', '-')
    """
    if math.isnan(old) and math.isnan(new):
        return "-"
    first = percent(old, digits).removesuffix(" %") if not math.isnan(new) else percent(old, digits)
    return f"{first} → {percent(new, digits)}"
