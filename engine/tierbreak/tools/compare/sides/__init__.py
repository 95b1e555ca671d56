"""The systems that can be compared, all asked in one way.

default               the shipped engine
DIR or TAR            a bundle that `tierbreak bundle` wrote
model:DIR             the shipped engine with another model; a folder that holds a model needs no `model:`
rules:DIR             the shipped engine with other rules; nor does a folder of rule files
overlay:DIR           the shipped engine with rules beside its own
list:FILE             an ordered list of patterns, first match wins; a file with a column of patterns needs no `list:`
decisions:FILE        decisions already made, one a row; any other file is taken for that
decisions:FILE#NAME   of a file with several: columns `NAME.brand` and so on, as a shadow's log has them
"""

from __future__ import annotations

from tierbreak.tools.compare.sides.opening import Asked, columns_of, open_side
from tierbreak.tools.compare.sides.side import SAID, Side

__all__ = ["SAID", "Asked", "Side", "columns_of", "open_side"]
