"""`tierbreak rules schema`: what an editor needs to complete, explain and underline a rule file."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    common: Annotated[bool, typer.Option("--common", help="That of common.yaml, in place of a rule file's.")] = False,
) -> None:
    """Print the JSON Schema (draft 2020-12) of a rule file.

    Keep it as schema.json (that of common.yaml as common.schema.json) at the root of your rules: `tierbreak rules fmt`
    then names it in the first line of every file, where editors with a YAML language server look for it.
    """
    from tierbreak.tools.rules.authoring import schema

    print(schema.text("common" if common else "rules"), end="")
