"""`tierbreak rules new`: the first rule file of a brand."""

from __future__ import annotations

from typing import Annotated

import typer

from tierbreak.cli import options


def new(
    brand: Annotated[str, typer.Argument(metavar="BRAND", help="An id of brands.csv, such as uber-eats.")],
    owner: Annotated[
        str | None, typer.Option(metavar="TEAM", help="Who answers for it. [default: who does in its sector]")
    ] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Write a rule file for BRAND from what the registry knows, as a draft.

    Its names become patterns, brands with similar names counterexamples; examples are invented in layouts that banks
    use, until real ones stand there. It goes to --overlay where one is given, and a file that exists is never touched.
    """
    from tierbreak.tools.rules.authoring.new import home, scaffold

    folder = home(rules, overlay)
    with options.load(
        rules=rules, overlay=overlay, model=None, no_model=True, cache=None, no_cache=True, settings={}
    ) as engine:
        made = scaffold(brand, engine, folder, owner)
    made.write()
    print(f"wrote {made.path}")
    if made.beside:
        print(f"These rules decide for {brand} already: {', '.join(made.beside)}")
    print(
        "Next:\n"
        "  1. Put real descriptors in place of the invented examples, and take out what this brand never writes.\n"
        f"  2. Set `status: active` (or `shadow`: on record, never deciding) in rule {made.rule}.\n"
        "  3. Run `tierbreak rules check`, and `tierbreak explain` on a descriptor of your own."
    )
