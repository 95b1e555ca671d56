"""Every definition is run, and says what it must."""

from __future__ import annotations

import ast
from pathlib import Path

from bench import definition

HERE = Path(__file__).parent


def test_every_definition_has_its_test():
    tests = {
        node.name
        for path in HERE.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    lost = {name for name in definition.load() if "test_" + name.replace("-", "_") not in tests}
    assert not lost, f"definitions that no test runs: {sorted(lost)}"


def test_every_file_of_definitions_says_what_it_expects_and_where_it_is_unfair():
    for path in definition.FOLDER.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        for said in ("Predicted before the first run", "Bias."):
            assert said in text, f"{path.name} does not say {said!r}"
