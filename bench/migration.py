"""One real comparison, recorded: what an old system against a new one comes to on some traffic.

    python -m bench.migration NAME OLD NEW TRAFFIC [--weight COLUMN] [--gold FILE] [--users FILE] [--report FILE]

Sides and files are those of `tierbreak compare`. The figures that a decision rests on go into migration.json of the
day's record under NAME, beside those of other comparisons of the day. Nothing is expected of them: they say what was
seen, of two systems that have these fingerprints.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import record
from bench.paired import peak_bytes
from bench.script import keep
from tierbreak.tools.compare.comparing import Question, compare
from tierbreak.tools.compare.document import plain
from tierbreak.tools.compare.report.page import page
from tierbreak.tools.compare.reporting import Report


def figures(made: Report) -> dict[str, Any]:
    """What a decision rests on, of every section that has it."""
    found = {section.id: section.figures for section in made.sections}
    out: dict[str, Any] = {
        "sides": {"old": made.pairs.old.fingerprint, "new": made.pairs.new.fingerprint},
        "rows": found["header"].rows,
        "keys": found["header"].distinct,
        "agreement": {one.unit: one.exact_share for one in found["agreement"].by},
        "outcomes": {one.outcome: one.share for one in found["agreement"].outcomes},
        "coverage": {one.side: one.share for one in found["agreement"].coverage},
    }
    if (right := found["correctness"]) is not None:
        exact = right.exact
        out["gold"] = {
            "rows": right.rows,
            **{name: getattr(exact, name) for name in ("precision", "coverage", "right")},
            "negative_flips": exact.negative.share,
            "positive_flips": exact.positive.share,
        }
    if (trial := found["experiment"]) is not None and trial.experiment is not None:
        out["experiment"] = {
            "users": trial.experiment.users,
            "srm_p": trial.experiment.srm_p,
            "metrics": {one.metric: one for one in trial.experiment.metrics},
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description="One real comparison, recorded.")
    for name in ("name", "old", "new", "traffic"):
        parser.add_argument(name)
    parser.add_argument("--weight")
    for name in ("gold", "users", "report", "out"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    load, start = os.getloadavg()[0], time.perf_counter()
    question = Question(
        given.old, given.new, given.traffic, columns={"weight": given.weight}, gold=given.gold, exposures=given.users
    )
    with tempfile.TemporaryDirectory() as folder:
        made = compare(question, Path(folder))
    if given.report:
        given.report.write_text(page(made.sections, heading=made.heading, opening=made.opening), encoding="utf-8")
    seen = {**figures(made), "seconds": round(time.perf_counter() - start, 1), "peak_bytes": peak_bytes(), "load": load}
    place = given.out or record.write({}, record.about({}, load)) / "migration.json"
    before = json.loads(place.read_text(encoding="utf-8"))["figures"] if place.is_file() else {}
    print(keep("migration", {**before, given.name: plain(seen)}, {}, load, ["scipy"], place))


if __name__ == "__main__":
    main()
