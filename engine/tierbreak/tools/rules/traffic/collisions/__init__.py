"""What really collides in traffic, by cause, ranked by rows and money, with repairs that have been tried.

report = collisions(engine, Traffic.read("june.parquet", [engine.parts.book], ranges=True))
for cause in report.causes:
    cause.volume.rows, cause.leader.rule, [repair.says for repair in cause.repairs]
"""

from __future__ import annotations

from tierbreak.tools.rules.traffic.collisions.collide import TOP, collisions
from tierbreak.tools.rules.traffic.collisions.report import Report

__all__ = ["TOP", "Report", "collisions"]
