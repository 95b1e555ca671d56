"""What rules do on real rows: a traffic file read once, rows that no rulebook can tell apart counted together.

traffic = Traffic.read("june.parquet", [book])
for part in replays(engine.parts, traffic, engine.settings):
    part.settled, part.n, part.money
"""

from __future__ import annotations

from tierbreak.tools.rules.traffic.masking import masked
from tierbreak.tools.rules.traffic.read import TRAFFIC, Traffic
from tierbreak.tools.rules.traffic.replay import Replayed, recalled, replays

__all__ = ["TRAFFIC", "Replayed", "Traffic", "masked", "recalled", "replays"]
