"""Simulated traffic; definitions/simulate.toml says what is measured."""

from __future__ import annotations

from tierbreak.tools.models.simulate import Simulator
from tierbreak.tools.models.simulate.inputs import Inputs


def test_simulate(measure, size, fingerprints):
    inputs = Inputs.find()
    fingerprints |= {"registry": inputs.registry.fingerprint, "rulebook": inputs.book.fingerprint}
    simulator = Simulator.of(inputs.registry, inputs.book, inputs.lists)
    first = next(simulator.chunks(size.units, seed=11))

    def answer(chunks):
        rows = sum(chunk.height for chunk in chunks)
        none = sum(chunk["brand"].null_count() for chunk in chunks)
        return {"rows": rows, "same": chunks[0].equals(first), "bare": abs(none / rows - 0.35) < 0.01}

    measure(lambda: list(simulator.chunks(size.units, seed=11)), answer)
