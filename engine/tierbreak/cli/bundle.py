"""`tierbreak bundle`: rules, registry, model and policy as one folder, to deploy as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierbreak.cli import options


def bundle(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write; it must not exist.")],
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
    model: options.ModelOption = None,
    no_model: options.NoModelOption = False,
) -> None:
    """Write what the engine decides with to one folder, with a manifest of fingerprints, and what is compiled of it.

    Everything passes its gate first. `Engine.load(OUT)`, or its tar, refuses a bundle of which a part has changed.
    """
    from tierbreak.packing import pack

    with options.load(
        rules=rules, overlay=overlay, model=model, no_model=no_model, cache=None, no_cache=True, settings={}
    ) as engine:
        pack(engine, out)
        print(f"{out}: {engine.fingerprint[:16]}")
