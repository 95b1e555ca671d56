"""The house rules that a machine can hold: arrows go one way, heavy libraries have one home, nothing grows too long."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tierbreak
from tierbreak import errors

ENGINE = Path(tierbreak.__file__).parent
MODULES = sorted(path.relative_to(ENGINE).as_posix() for path in ENGINE.rglob("*.py"))

#: Each heavy library, and where alone it may be imported: a folder or a file, or two of them.
HOMES = {
    "hyperscan": "tiers/rules/database.py",
    "re2": "tiers/rules/exact.py",
    "lmdb": "tiers/cache/environment.py",
    "onnxruntime": ("tiers/model/", "training/"),
    "tokenizers": ("tiers/model/", "training/"),
    "torch": ("tiers/model/twin/", "training/"),
    "transformers": "training/",
    "onnx": "training/",
    "safetensors": ("tiers/model/twin/", "training/"),
    "yaml": ("rulebook/reader.py", "authoring/"),
    "typer": "cli/",
    "rich": "cli/",
}

#: What a layer may import of this package, by the start of the module's path; itself is always allowed.
ARROWS = {
    "errors": set(),
    "tables": {"errors"},
    "settings": {"errors"},
    "normalise": {"tables", "errors"},
    "brandfile": {"errors"},
    "brands": {"brandfile", "tables", "errors"},
    "asked": set(),
    "page": set(),
    "svg": {"page"},
    "calibration": {"tables", "errors"},
    "arbitration": {"tables", "errors"},
    "rulebook": {"normalise", "tables", "errors"},
    "cases": {"arbitration", "rulebook", "tables", "errors"},
    "bundle": {"errors"},
    "tiers/rules": {"rulebook", "brands", "tables", "errors"},
    "tiers/cache": {"tables", "errors"},
    "tiers/model": {"calibration", "tables", "errors"},
    "tiers/__init__": set(),
    "decisions": {"arbitration", "brands", "calibration", "cases", "rulebook", "steps", "tables", "errors"},
    "parts": {
        "arbitration", "brands", "bundle", "calibration", "cases", "decisions", "normalise", "rulebook", "settings",
        "tables", "errors", "tiers",
    },
    "steps": {"arbitration", "calibration", "cases", "normalise", "parts", "settings", "tables", "errors"},
    "watch": {"bundle", "parts", "rulebook", "settings", "errors"},
    "engine": {
        "arbitration", "asked", "bundle", "decisions", "parts", "settings", "steps", "tables", "watch", "errors",
    },
    "summary": {"arbitration", "tables", "errors"},
    "files": {"tables", "errors"},
    "traffic": {
        "arbitration", "brands", "bundle", "cases", "engine", "files", "normalise", "page", "parts", "proofs",
        "rulebook", "settings", "steps", "tables", "tiers", "errors",
    },
    "authoring": {
        "arbitration", "brands", "bundle", "engine", "normalise", "proofs", "rulebook", "simulate", "steps", "tables",
        "tiers", "errors",
    },
    "compare": {
        "brands", "bundle", "decisions", "engine", "evaluation", "files", "legacy", "normalise", "page", "parts",
        "settings", "svg", "tables", "traffic", "errors",
    },
    "legacy": {
        "arbitration", "authoring", "brandfile", "brands", "engine", "files", "normalise", "proofs", "rulebook",
        "tables", "tiers", "traffic", "errors",
    },
    "proofs": {"arbitration", "normalise", "parts", "rulebook", "settings", "steps", "tables", "errors"},
    "lint": {
        "brands", "bundle", "engine", "files", "normalise", "parts", "proofs", "rulebook", "settings", "tables",
        "tiers", "errors",
    },
    "evaluation": {
        "brandfile", "brands", "bundle", "calibration", "engine", "normalise", "page", "svg", "tables", "tiers",
        "errors",
    },
    "mining": {
        "arbitration", "authoring", "brands", "bundle", "normalise", "parts", "proofs", "rulebook", "settings", "steps",
        "tables", "tiers", "traffic", "errors",
    },
    "simulate": {"brandfile", "brands", "bundle", "normalise", "rulebook", "tables", "errors"},
    "training": {
        "brandfile", "brands", "bundle", "calibration", "normalise", "rulebook", "simulate", "tables", "tiers",
        "errors",
    },
}  # fmt: skip


def imports(path):
    """Every module that a file imports, anywhere in it, with what it takes from the package itself."""
    for node in ast.walk(ast.parse((ENGINE / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "tierbreak":
                yield from (f"tierbreak.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", MODULES)
def test_heavy_libraries_stay_at_home(path):
    used = {name.partition(".")[0] for name in imports(path)}
    strays = {library for library in used & set(HOMES) if not path.startswith(HOMES[library])}
    assert not strays, f"{path} imports {sorted(strays)}; only {[HOMES[library] for library in sorted(strays)]} may"


@pytest.mark.parametrize("path", [path for path in MODULES if not path.startswith(("cli/", "__init__"))])
def test_arrows_go_one_way(path):
    layer = next((layer for layer in sorted(ARROWS, key=len, reverse=True) if path.startswith(layer)), None)
    assert layer, f"{path} has no room in this house: add it to ARROWS and to CONTRIBUTING.md"
    taken = {
        name.removeprefix("tierbreak.").replace(".", "/") for name in imports(path) if name.startswith("tierbreak.")
    }
    strays = {
        name
        for name in taken
        if not name.startswith(layer) and not any(name == may or name.startswith(f"{may}/") for may in ARROWS[layer])
    }
    assert not strays, f"{path} imports {sorted(strays)}; {layer} may import {sorted(ARROWS[layer])}"


@pytest.mark.parametrize("path", MODULES)
def test_no_file_is_too_long(path):
    lines = len((ENGINE / path).read_text().splitlines())
    assert lines <= 400, f"{path} has {lines} lines: two rooms in one"


def test_the_public_list_is_sorted_and_complete():
    assert list(tierbreak.__all__) == sorted(tierbreak.__all__, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(tierbreak, name) for name in tierbreak.__all__)


def test_every_error_is_in_the_drawing():
    def below(kind):
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    for kind in below(errors.TierbreakError):
        drawn = [line for line in errors.__doc__.splitlines() if line.split()[:1] == [kind.__name__]]
        assert drawn, f"{kind.__name__} is not drawn in the docstring of errors.py"
        if kind is not errors.TierbreakError:
            assert drawn[0].split()[1:3] == [str(kind.exit_code), str(kind.http_status)], kind.__name__


def test_importing_and_classifying_need_no_torch():
    code = (
        "import sys, tierbreak\n"
        "engine = tierbreak.Engine.load(cache=None)\n"
        "engine.classify_one('SQ *NOBODY KNOWS THIS')\n"
        "print(sorted({'torch', 'transformers', 'onnx'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]", run.stdout
