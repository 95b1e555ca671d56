"""Tier `model`; definitions/model.toml says what is measured."""

from __future__ import annotations

import json

from bench.model import SHIPPED, calibration_keys, wrong
from tierbreak.tiers.model import ModelTier


def test_model(measure, size, fingerprints):
    labels = json.loads((SHIPPED / "labels.json").read_text(encoding="utf-8"))
    tier = ModelTier.load(SHIPPED, registry_ids=labels, threads=2)
    fingerprints["model"] = tier.fingerprint
    keys = calibration_keys(SHIPPED)[: size.units]
    same = wrong(tier, keys) is None
    measure(lambda: tier.judge(keys), lambda found: {"rows": len(found), "same": same})
