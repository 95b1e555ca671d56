"""What each rule is good for, on real rows: volume, neighbours, precision, what would decide without it, and advice.

ask_model(engine.parts, traffic, engine.settings, 10_000)      # if the cache knows too little
stats = measure(engine.parts, traffic, engine.settings, gold=gold)
advise(stats)["uber.trip"].action
"""

from __future__ import annotations

from tierbreak.tools.rules.traffic.stats.advice import ACTIONS, Advice, Limits, advise
from tierbreak.tools.rules.traffic.stats.asking import ask_model
from tierbreak.tools.rules.traffic.stats.figures import RuleFigures, Share, Stats, wilson
from tierbreak.tools.rules.traffic.stats.reading import measure

__all__ = ["ACTIONS", "Advice", "Limits", "RuleFigures", "Share", "Stats", "advise", "ask_model", "measure", "wilson"]
