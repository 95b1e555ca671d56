"""`tierbreak rules mutate`: how much of each rule its examples hold in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options
from tierbreak.cli.output import aligned, cut, visible, width

if TYPE_CHECKING:
    from tierbreak.tools.rules.authoring.mutate import RuleScore


def mutate(
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="ID", help="This rule alone, in full; may be given again.")
    ] = None,
    format: Annotated[Literal["text", "json"], typer.Option(help="How to write the report; json has it all.")] = "text",
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Rules shown; json has them all.")] = 20,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Take each part of a rule away (a word edge, an alternative, an anchor, an `unless`, a guard) and see whether an
    example turns red.

    Where none does, a text that tells the rule from the rule without that part (with --rule, the shortest there is) is
    proposed as an example or a counterexample, as YAML to paste. What is proved to change nothing is not counted.
    Check each proposal: the text says what your rule does today, and only you know whether that is what it should do.
    """
    import json

    from tierbreak.cli.progress import counter
    from tierbreak.tools.rules.authoring import mutate as library

    with (
        options.load(
            rules=rules, overlay=overlay, model=None, no_model=True, cache=None, no_cache=True, settings={}
        ) as engine,
        counter("mutants judged", shown=not quiet) as advance,
    ):
        scores = library.mutate(engine, rule or (), advance=advance)
    if format == "json":
        print(json.dumps(library.overall(scores), ensure_ascii=False, indent=2))
        return
    print(_opening(scores))
    if rule:
        for score in scores:
            _in_full(score)
    else:
        _table(scores, top)


def _percent(score: float | None) -> str:
    return "-" if score is None else f"{100 * score:.1f} %"


def _opening(scores: Sequence[RuleScore]) -> str:
    from tierbreak.tools.rules.authoring.mutate import share

    killed, survived, equivalent = (
        sum(score.count(fate) for score in scores) for fate in ("killed", "survived", "equivalent")
    )
    rules = f"{len(scores):,} rule{'s' * (len(scores) != 1)}"
    said = f"{killed:,} mutants killed, {survived:,} survived, {equivalent:,} equivalent and not counted"
    return f"{rules}: mutation score {_percent(share(scores))} ({said})"


def _table(scores: Sequence[RuleScore], top: int) -> None:
    worst = sorted(scores, key=lambda each: (-each.count("survived"), each.rule.id))
    worst = [each for each in worst if each.count("survived")]
    if not worst:
        return
    print()
    lines = [("rule", "score", "killed", "survived", "proposed", "at")]
    lines += [
        (
            visible(cut(each.rule.id, 34)), _percent(each.score), str(each.count("killed")),
            str(each.count("survived")), str(sum(map(len, each.proposals.values()))), visible(str(each.rule.place)),
        )
        for each in worst[:top]
    ]  # fmt: skip
    for line in aligned(lines):
        print(line)
    if len(worst) > top:
        print(f"and {len(worst) - top:,} more rules; --top shows more")
    print("\n--rule ID shows a rule's mutants, and examples to paste")


def _in_full(score: RuleScore) -> None:
    print("\n" + visible(f"{score.rule.id}  {score.rule.place}  {_percent(score.score)}"))
    room = max(width(200), 60)
    for each in score.mutants:
        because = f"killed by {each.killer}" if each.fate == "killed" else each.fate
        print(visible(cut(f"  {because}: {each.says}", room)))
        if each.why:
            print(visible(cut(f"    nothing is proposed: {each.why}", room)))
    proposals = score.proposals
    if proposals:
        print("\n  # To paste, where it says what the rule should do:")
    for key in ("examples", "counterexamples"):
        if key in proposals:
            print(f"    {key}:")
            for item in proposals[key]:
                print(f"      - {item}")
