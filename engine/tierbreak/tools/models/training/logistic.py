"""Logistic regression of one label against others, on features that are there or not. numpy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def logistic(x: Array, right: npt.NDArray[np.bool_], weight: Array, ridge: Array) -> Array:
    """The w that minimises sum(weight * log(1 + exp(-+ x w))) + sum(ridge w^2) / 2, by truncated Newton steps.

    x   float32 [n, d], 0 or 1; right bool [n], the sign of each row; weight float32 [n]; ridge float32 [d], above 0

    Source: Lin, Weng and Keerthi 2008, "Trust Region Newton Method for Large-Scale Logistic Regression", with a
    halved step in place of the trust region.

    >>> x = np.array([[1, 1], [0, 1]], dtype="float32")
    >>> logistic(x, np.array([True, False]), np.ones(2, "float32"), np.array([1, 0.01], "float32")).round(2)
    array([ 0.44, -0.22], dtype=float32)
    """
    sign = np.where(right, np.float32(1), np.float32(-1))
    w = np.zeros(x.shape[1], dtype=np.float32)
    z = np.zeros(len(x), dtype=np.float32)
    loss = _loss(sign * z, weight, w, ridge)
    for _ in range(8):
        chance = (1 / (1 + np.exp(np.clip(sign * z, -30, 30)))).astype(np.float32)
        slope: Array = ridge * w - x.T @ (weight * sign * chance)
        step = _conjugate(x, weight * chance * (1 - chance), ridge, -slope)
        moved = x @ step
        size = np.float32(1)
        while (new := _loss(sign * (z + size * moved), weight, w + size * step, ridge)) > loss and size > 1e-3:
            size /= 2
        w, z, before, loss = w + size * step, z + size * moved, loss, new
        if before - loss < 1e-3 * before:
            break
    return w


def _loss(margin: Array, weight: Array, w: Array, ridge: Array) -> float:
    return float(weight @ np.logaddexp(np.float32(0), -margin) + (ridge * w) @ w / 2)


def _conjugate(x: Array, curve: Array, ridge: Array, target: Array, steps: int = 8) -> Array:
    """(x' curve x + ridge)^-1 target, by a few conjugate gradients, each weight scaled by its curvature."""
    scale = 1 / (ridge + curve @ x)  # x is 0 or 1: its square is itself
    found = np.zeros_like(target)
    rest = target.copy()
    aim = scale * rest
    size = rest @ aim
    first = size
    for _ in range(steps):
        bent = x.T @ (curve * (x @ aim)) + ridge * aim
        far = size / (aim @ bent)
        found += far * aim
        rest -= far * bent
        better = scale * rest
        size, before = rest @ better, size
        if size < 0.01 * first:
            break
        aim = better + (size / before) * aim
    return found
