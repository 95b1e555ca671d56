"""`tierbreak model`: does a model pass its gate, and a brand more without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierbreak.cli import options
from tierbreak.cli.output import aligned, visible

if TYPE_CHECKING:
    from tierbreak.registry import Registry

app = typer.Typer(help="Check a model, or add a brand to one.", no_args_is_help=True)

_Folder = typer.Option("--model", metavar="DIR", help="The model to start from, by default the shipped one.")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A model's folder.")],
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Let a model pass its load gate, weights included, and say what was found.

    Exit code 5, with every fault, where it does not pass.
    """
    from tierbreak.tiers.model import ModelTier
    from tierbreak.tiers.model.folder import WEIGHTS, Folder, sealed

    registry = _registry(rules, overlay)
    tier = ModelTier.load(folder, registry_ids=registry.ids)
    sealed(folder, WEIGHTS)
    content = Folder.read(folder, registry.ids)
    at = [registry.index(label) for label in tier.labels]
    moved = sum(int(registry.redirect[index]) != index for index in at)
    masked = sum(not registry.live[registry.redirect[index]] for index in at)
    silent = sum(not string.known for string in content.golden)
    policy = tier.policy
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / 1e6
    rows = [
        ("labels", f"{len(tier.labels):,}, of which {moved:,} redirected and {masked:,} masked by the registry"),
        ("golden strings", f"{len(content.golden)} as at export, {silent} of them unanswered"),
        ("policy", f"temperature {policy.temperature}, null score {policy.null_score}, threshold {policy.threshold}"),
        ("size", f"{size:,.1f} MB"),
        ("fingerprint", tier.fingerprint[:16]),
    ]
    print(visible(f"{folder}: passes its gate"))
    print("\n".join(aligned(rows, indent="  ")))


@app.command("add-brand")
def add_brand(
    id: Annotated[str, typer.Argument(metavar="ID", help="A brand of the registry that the model does not know.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write; it must not exist.")],
    model: Annotated[Path | None, _Folder] = None,
    example: Annotated[
        list[str] | None, typer.Option("--example", metavar="DESCRIPTOR", help="A descriptor of the brand; repeatable.")
    ] = None,
    examples: Annotated[
        Path | None, typer.Option("--examples", metavar="FILE", help="Descriptors of the brand, one a line.")
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            metavar="FILE",
            help="Descriptors whose answers must stay, by default the model's own: one a line, or TSV with the columns "
            "`descriptor` and `brand`.",
        ),
    ] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:  # fmt: skip
    """Add a brand to a model without training it; needs the extra `train`.

    The brand's names in the registry and the examples are embedded; other brands' scores stay as they are. Where the
    new brand would change 0.1 % or more of the held-out answers nothing is written: exit code 5.
    """
    from tierbreak.cli.output import argument_text
    from tierbreak.errors import SettingsError

    try:
        from tierbreak.tools.models.training.growth import add_brand as add
        from tierbreak.tools.models.training.growth import read_descriptors
    except ModuleNotFoundError as error:
        raise SettingsError(f"no module {error.name}: install the extra with pip install 'tierbreak[train]'") from None

    folder = model or _shipped()
    given = [argument_text(text) for text in example or ()]
    if examples is not None:
        given += read_descriptors(examples)["descriptor"].to_list()
    kept = read_descriptors(held_out) if held_out is not None else None
    report = add(folder, out, _registry(rules, overlay), id, given, kept)
    print(visible(str(out)) + ": " + "\n".join(map(visible, str(report).split("\n"))))


def _shipped() -> Path:
    from tierbreak.bundle import Bundle

    folder = Bundle.find().model
    assert folder is not None, "the shipped bundle has a model"
    return folder


def _registry(rules: Path | None, overlay: Path | None) -> Registry:
    from tierbreak.bundle import SHIPPED, Bundle
    from tierbreak.registry import Registry

    return Registry.load(*Bundle.find(rules=rules or SHIPPED, overlay=overlay, model=None).registries)
