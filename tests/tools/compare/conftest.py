"""The thirty rows as files, and as the table that comes of them."""

import pytest

from tools.compare import thirty


@pytest.fixture
def october(tmp_path):
    """The thirty rows as a person has them: the traffic, and each side's decisions in an order of its own."""
    return thirty.files(tmp_path)


@pytest.fixture
def pairs(tmp_path):
    """The thirty rows as a Pairs."""
    return thirty.pairs(tmp_path / "pairs")
