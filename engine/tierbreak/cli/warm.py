"""`tierbreak warm`: do beforehand what a first start does, so that an image or a machine starts fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierbreak.cli import options


def warm(
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="DIR", help="A bundle in place of the shipped one, or its tar.")
    ] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
    model: options.ModelOption = None,
    no_model: options.NoModelOption = False,
) -> None:
    """Compile the rules, let every part pass its gate, load the model once, and say where what is kept lies.

    Set TIERBREAK_STATE to say where. It fails where the engine does not load, or what was compiled cannot be kept.
    """
    from tierbreak.cli.output import aligned
    from tierbreak.errors import SettingsError
    from tierbreak.settings import Settings

    folder = Settings.of().state / "databases"
    before = set(folder.glob("*.hsdb"))
    with options.load(
        bundle=bundle, rules=rules, overlay=overlay, model=model, no_model=no_model, cache=None, no_cache=True,
        settings={},
    ) as engine:  # fmt: skip
        if not engine.parts.rules.is_kept():
            raise SettingsError(
                f"{folder}: what was compiled is not kept there; found a folder that cannot be written, expected one "
                "that can; set TIERBREAK_STATE to a folder of this user"
            )
        added = set(folder.glob("*.hsdb")) - before
        answers = "left out" if engine.parts.model is None else f"loaded, {len(engine.parts.model.labels):,} labels"
        rows = [
            ("rules", f"{len(engine.parts.book.rules):,} checked, {'compiled now' if added else 'compiled before'}"),
            ("model", answers),
            ("kept in", f"{folder.parent}"),
            ("fingerprint", engine.fingerprint[:16]),
        ]
        print("\n".join(aligned(rows)))
        for notice in engine.notices:
            print(f"note: {notice}")
