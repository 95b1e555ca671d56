"""`tierbreak rules prove`: what can be proved of every rule, and the pairs of rules that share text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options

if TYPE_CHECKING:
    from tierbreak.tools.rules.proofs import Claim, Proofs, Redundant

_MEANS = {
    "separate": "with a text of their own: the shortest that no rule of another brand finds",
    "wins": "that win, though rules of other brands find all that they find",
    "never-wins": "that can never win (proved)",
    "unknown": "of which nothing could be proved",
}


def prove(
    rules_asked: Annotated[
        list[str] | None, typer.Argument(metavar="RULE", help="Ids of rules; all of them when none is given.")
    ] = None,
    format: Annotated[
        Literal["text", "json"], typer.Option("--format", help="How to write it; json has every claim.")
    ] = "text",
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Entangled pairs shown as text.")] = 20,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Say of every rule that decides whether it can win at all, and show the shortest text that only it finds.

    Also which rules others of their brand make redundant, and which rules of different brands are entangled: the
    shortest text that both find is shorter than their two shortest together, as DELTA AIR FRANCE is.
    """
    from tierbreak.cli.output import say, visible
    from tierbreak.tools.rules.proofs import proof_cache
    from tierbreak.tools.rules.proofs import prove as prove_rules

    with options.load(
        rules=rules, overlay=overlay, model=None, no_model=True, cache=None, no_cache=True, settings={}
    ) as engine:
        for notice in engine.notices:
            say(f"notice: {notice}")
        with proof_cache.answers(engine.settings.state / "proofs") as known:
            proofs = prove_rules(engine.parts, rules_asked or (), known=known)
            if format == "json":
                print(json.dumps(proofs.to_dict(), ensure_ascii=False, indent=2))
            else:
                for line in _each(proofs) if rules_asked else _all(proofs, top):
                    print(visible(line))


def _each(proofs: Proofs) -> Iterator[str]:
    """Everything about the rules that were asked for."""
    if not proofs.claims:
        yield "no rule that was asked for decides: drafts and shadows never win"
    for claim in proofs.claims:
        yield f"{claim.place}: {claim.rule}"
        yield f"  {claim.says()}"
        yield from (f"  {each.says()}" for each in proofs.redundant if each.rule == claim.rule)
        yield from (f"  {pair.says()}" for pair in proofs.entangled if claim.rule in pair.rules)


def _all(proofs: Proofs, top: int) -> Iterator[str]:
    """Counts, then all that calls for a person."""
    from tierbreak.cli.output import aligned

    pairs = proofs.entangled
    whole = [pair for pair in pairs if pair.whole and pair.contested]
    rows = [(str(count), _MEANS[verdict]) for verdict, count in reversed(proofs.by_verdict().items())]
    rows.append((str(len(proofs.redundant)), "redundant in their brand (proved)"))
    rows.append(
        (str(len(pairs)), f"entangled pairs of different brands; {len(whole)} share whole words and are contested")
    )
    yield f"{len(proofs.claims)} rules decide"
    yield from aligned([(count.rjust(6), means) for count, means in rows])
    for verdict in ("never-wins", "unknown", "wins"):
        yield from _listed(_MEANS[verdict], [claim for claim in proofs.claims if claim.verdict == verdict])
    yield from _listed("redundant", proofs.redundant)
    if whole:
        yield ""
        left = len(whole) - top
        more = f", the first {top}; --format json or --top {len(whole)} for {left} more" if left > 0 else ""
        yield f"entangled, contested, sharing whole words{more}:"
        yield from (f"  {pair.says()}" for pair in whole[:top])


def _listed(title: str, claims: Sequence[Claim | Redundant]) -> Iterator[str]:
    if claims:
        yield ""
        yield f"{title}:"
        yield from (f"  {claim.place}: {claim.rule} {claim.says()}" for claim in claims)
