"""A gold set of the thirty rows: one row a descriptor, 18 in all, with what both sides say of it."""

import numpy as np

from tools.compare import thirty


def table(folder):
    """The first row of each descriptor, in their order; its truth; its weight: how often it stands in the thirty."""
    rows = thirty.pairs(folder).scan().collect().sort("row")
    first = rows.unique("descriptor", keep="first", maintain_order=True)
    often = dict(rows["descriptor"].value_counts().iter_rows())
    place = thirty.joint().position
    truth = [-1 if (id := thirty.TRUTH[text]) is None else place[id] for text in first["descriptor"]]
    return first, np.array(truth, np.int32), np.array([float(often[text]) for text in first["descriptor"]])


def arguments(folder, *, swap=False, keep=None):
    """What `correctness` is asked with; `swap`: the new side as the old one; `keep`: bool [18]."""
    first, truth, weight = table(folder)
    keep = np.ones(len(truth), bool) if keep is None else np.asarray(keep)
    first, truth, weight = first.filter(keep), truth[keep], weight[keep]
    old, new = ("new", "old") if swap else ("old", "new")
    named = {"old": first[f"{old}_brand"].to_numpy(), "new": first[f"{new}_brand"].to_numpy()}
    beside = {
        f"{side}_{what}": first[f"{source}_{what}"].fill_null(np.nan if what == "confidence" else -1).to_numpy()
        for side, source in (("old", old), ("new", new))
        for what in ("confidence", "tier")
    }
    beside["descriptor"] = first["descriptor"]
    key = first["key"].to_numpy().astype(np.int64)
    return (truth, key, weight, named["old"], named["new"], thirty.joint()), beside
