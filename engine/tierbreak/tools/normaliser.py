"""What each step of the normaliser is worth on given descriptors."""

from __future__ import annotations

import polars as pl

from tierbreak.core.normalise import checked, normalise
from tierbreak.core.normaliser_steps import STEPS


def stats(descriptors: pl.Series, *, off: frozenset[str] = frozenset()) -> pl.DataFrame:
    """How many distinct texts each step saves on these descriptors, in the order in which steps run.

    returns   one row a step that is on: step, of, distinct_before, distinct_after, saved. A step of `folded` counts
              folded texts, a step of `key` keys; steps are added one after the other.

    >>> stats(pl.Series(["WAL-MART #0397", "Wal-Mart #12"])).filter(pl.col("saved") > 0).rows()
    [('store', 'key', 2, 1, 1)]
    """
    gone = checked(off)
    running = [step for step in STEPS if step.name not in gone]
    names = frozenset(step.name for step in STEPS)
    rows = []
    before = {"folded": descriptors.n_unique()}
    done: set[str] = set()
    for step in running:
        done.add(step.name)
        after = normalise(descriptors, off=names - done)[step.of].n_unique()
        start = before.get(step.of, before["folded"])
        rows.append((step.name, step.of, start, after, start - after))
        before[step.of] = after
    schema = {"step": pl.String, "of": pl.String, "distinct_before": pl.Int64, "distinct_after": pl.Int64,
              "saved": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
