"""`tierbreak cache`: what the cache holds, and making it forget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierbreak.cli.output import aligned

app = typer.Typer(help="Look into the cache, or clear it.", no_args_is_help=True)

_Root = Annotated[Path | None, typer.Option("--cache", metavar="DIR", help="Where the cache lies.")]


@app.command()
def stats(cache: _Root = None) -> None:
    """List the stores: one for each model that has answered."""
    from tierbreak.errors import CacheError
    from tierbreak.tiers.cache import CacheTier

    root = _root(cache)
    stores = CacheTier.stores(root)
    if not stores:
        print(f"no cache stores in {root}")
        return
    rows = [("store", "entries", "size", "last opened")]
    for store in stores:
        try:
            with CacheTier.open(root, store.evidence, read_only=True) as tier:
                entries = f"{tier.stats().entries:,}"
        except CacheError:
            entries = "cannot be opened"
        size = f"{store.bytes_on_disk / 2**20:,.1f} MiB"
        rows.append((store.fingerprint[:16], entries, size, f"{store.used:%Y-%m-%d %H:%M} UTC"))
    print(f"cache stores in {root}")
    print("\n".join(aligned(rows, indent="  ")))


@app.command()
def clear(cache: _Root = None) -> None:
    """Remove every store; what they held is asked of the model again."""
    from tierbreak.tiers.cache import CacheTier

    root = _root(cache)
    stores = CacheTier.stores(root)
    for store in stores:
        CacheTier.remove(store)
    size = sum(store.bytes_on_disk for store in stores) / 2**20
    print(f"removed {len(stores)} cache stores, {size:,.1f} MiB, from {root}")


def _root(cache: Path | None) -> Path:
    from tierbreak.settings import Settings

    return cache if cache is not None else Settings.of().state / "cache"
