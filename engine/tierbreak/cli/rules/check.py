"""`tierbreak rules check`: does the rulebook load, and does every example come out as its file says?"""

from __future__ import annotations

from tierbreak.cli import options


def check(rules: options.RulesOption = None, overlay: options.OverlayOption = None) -> None:
    """Load every rule and decide every example with the whole rulebook, arbitration included.

    Prints each fault with its place, what was found, what was expected and what to do; exit code 3 if there is one.
    """
    from tierbreak.cli.output import say
    from tierbreak.errors import RulebookError
    from tierbreak.lint import examples

    with options.load(
        rules=rules, overlay=overlay, model=None, no_model=True, cache=None, no_cache=True, settings={}
    ) as engine:
        faults = examples(engine)
        for notice in engine.notices:
            say(f"notice: {notice}")
        if faults:
            raise RulebookError(f"{len(faults)} examples do not come out as their rule files say", faults)
        book = engine.parts.book.rules
        count = sum(len(rule.examples) + len(rule.counterexamples) for rule in book)
        brands = len({rule.brand for rule in book})
        print(f"{len(book)} rules for {brands} brands, {count} examples: no fault")
