"""What the layout promises: imports go one way and in no circle, heavy libraries have one home, no file is too long."""

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
    "onnxruntime": "tiers/model/runtime.py",
    "tokenizers": ("tiers/model/", "tools/models/training/"),
    "torch": ("tiers/model/torch_backend/", "tools/models/training/"),
    "transformers": "tools/models/training/",
    "onnx": "tools/models/training/",
    "safetensors": ("tiers/model/torch_backend/", "tools/models/training/"),
    "yaml": ("rulebook/", "tools/rules/authoring/"),
    "scipy": "tools/",
    "typer": "cli/",
    "rich": "cli/",
    "duckdb": "duckdb.py",
    "pyarrow": "duckdb.py",
}

#: What the modules of a layer may import of this package, besides their own folder: the first row that fits a path
#: holds. A tier never imports another one; nothing that serves imports a tool.
LAYERS = (
    ("errors.py", ()),
    ("core/", ("errors",)),
    ("registry/", ("core", "files/atomic", "errors")),
    ("rulebook/", ("core", "files/atomic", "errors")),
    ("files/", ("core", "errors")),
    ("tiers/rules/", ("rulebook", "core", "files/atomic", "errors")),
    ("tiers/", ("core", "files/atomic", "errors")),
    ("rollout/", ("engine", "parts", "bundle", "core", "files", "settings", "errors")),
    ("tools/", (
        "engine", "pipeline", "parts", "bundle", "settings", "tiers", "registry", "rulebook", "rollout", "core",
        "files", "errors",
    )),
    ("cli/", ("",)),
    ("__main__.py", ("cli",)),
    ("bundle.py", ("files/archive", "files/atomic", "errors")),
    ("duckdb.py", ("engine", "core", "errors")),
    ("packing.py", ("engine", "parts", "bundle", "tiers", "files/atomic", "errors")),
    ("__init__.py", ("engine", "rollout", "core", "settings", "errors")),
    ("", (
        "bundle", "parts", "pipeline", "recent_keys", "serving", "settings", "single", "stats", "watch", "tiers",
        "registry", "rulebook", "core", "files/atomic", "errors",
    )),
)  # fmt: skip


def layer_of(path):
    """The row that holds for a module, and the folder that is its own."""
    own, may = next((start, may) for start, may in LAYERS if path.startswith(start))
    return own.rstrip("/"), may


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


def imports_of_names(path):
    """Every module of this package that a file imports, those it takes from a package by name included."""
    for node in ast.walk(ast.parse((ENGINE / path).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tierbreak"):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [
                name
                for name in inner
                if (ENGINE / (name.removeprefix("tierbreak.").replace(".", "/") + ".py")).exists()
                or (ENGINE / name.removeprefix("tierbreak.").replace(".", "/") / "__init__.py").exists()
            ]
            yield from modules
            if len(modules) < len(inner):
                yield node.module


def taken(path):
    """The modules of this package that a file imports, as paths without `.py`."""
    named = {
        name.removeprefix("tierbreak.").replace(".", "/")
        for name in imports_of_names(path)
        if name.startswith("tierbreak.")
    }
    return {name for name in named if name not in tierbreak.__all__}


@pytest.mark.parametrize("path", MODULES)
def test_arrows_go_one_way(path):
    own, may = layer_of(path)
    own = own if "/" in path else path.removesuffix(".py")
    allowed = (own, *may)
    strays = {
        name for name in taken(path) if not any(f"{name}/".startswith(f"{each}/" if each else "") for each in allowed)
    }
    assert not strays, f"{path} imports {sorted(strays)}; it may import {sorted(allowed)}"


def test_no_imports_in_a_circle():
    """Of modules, those for type checkers and inside functions included; a package may name its own modules."""
    modules = {path.removesuffix(".py").removesuffix("/__init__"): path for path in MODULES}
    edges = {
        name: {
            other
            for each in imports_of_names(path)
            if (other := each.removeprefix("tierbreak.").replace(".", "/")) in modules and other != name
        }
        for name, path in modules.items()
    }
    left = dict(edges)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    on_circle = {name: sorted(others & left.keys()) for name, others in left.items()}
    assert not on_circle, f"modules that import each other in a circle, or lead into one: {on_circle}"


@pytest.mark.parametrize("path", MODULES)
def test_no_file_is_too_long(path):
    lines = len((ENGINE / path).read_text().splitlines())
    assert lines <= 400, f"{path} has {lines} lines: two modules in one"


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
