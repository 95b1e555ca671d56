"""Labels without the file between: what tests of estimates start from."""

import numpy as np

from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.labelling.labels import Label, Labels
from tierbreak.tools.compare.pairs import OUTCOMES
from tools.compare import thirty

#: a is the head of b's family.
JOINT = Joint(tuple("abcd"), tuple("ABCD"), ("",) * 4, np.array([0, 0, 2, 3], np.int32), np.ones(4, bool))


def labelled(sample, joint, truth_of):
    """The labels of a sample, without the file between."""
    lines = [
        Label(
            at, unit.id, unit.stratum, OUTCOMES.index(unit.outcome), unit.rows, unit.probability,
            joint.position.get(unit.old.brand, -1), joint.position.get(unit.new.brand, -1), truth_of(unit), "",
        )
        for at, unit in enumerate(sample.units, start=2)
    ]  # fmt: skip
    return Labels("labels.tsv", "f" * 64, tuple(lines), joint.family, {}, ())


def truth_of(pairs):
    """The truth of each unit of the thirty rows."""
    position = {**pairs.joint.position, None: -1}
    return lambda unit: position[thirty.TRUTH[unit.descriptor]]
