"""What the README shows is run: its Python line by line, its commands in a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tierbreak import Engine, Settings
from tierbreak.cli import app
from tierbreak.duckdb import register

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONSOLE = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README, flags=re.DOTALL)


def test_python_blocks_are_true():
    scope = {}
    shown = 0
    for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL):
        for line in block.splitlines():
            code, arrow, expected = line.partition("# -> ")
            if arrow:
                shown += 1
                assert repr(eval(code, scope)) == expected, line
            else:
                exec(line, scope)
    assert shown == 5
    scope["engine"].close()


@pytest.mark.parametrize(("command", "shown"), CONSOLE, ids=[command[:40] for command, _ in CONSOLE])
def test_console_blocks_are_true(command, shown):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "200"}
    run = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    got = run.stdout.replace(f"{ROOT}/", "")
    whole, cut, _ = shown.partition("…")
    assert got.startswith(whole) if cut else got == shown


def test_the_first_table_is_true(state):
    """What the shipped rules and model say of each descriptor: its brand's name, then the tier or the reason."""
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| ", README.partition("## Start")[0], flags=re.MULTILINE)
    with Engine.load(cache=None, settings=Settings(state=state)) as engine:
        decisions = engine.classify_many([descriptor for descriptor, _, _ in rows])
    said = [(decision.brand_name or "none", decision.tier or decision.reason) for decision in decisions]
    assert said == [(brand, by) for _, brand, by in rows]
    assert len(rows) == 10


def test_the_sql_block_is_a_query_that_works(shipped_rules):
    duckdb = pytest.importorskip("duckdb", reason="the extra `duckdb` is not installed")
    pytest.importorskip("pyarrow", reason="the extra `duckdb` is not installed")
    (query,) = re.findall(r"```sql\n(.*?)```", README, flags=re.DOTALL)
    with duckdb.connect() as connection:
        register(connection, shipped_rules)
        connection.execute("CREATE TABLE statement AS FROM (VALUES ('LYFT'), ('LYFT RIDE'), (NULL)) rows(descriptor)")
        assert set(connection.sql(query).fetchall()) == {("lyft", None, 2), (None, "blank", 1)}


def test_what_the_readme_links_to_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_yaml_block_is_a_rule_that_works(tmp_path, state):
    (block,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert yaml.safe_load(block)["brand"] == "netflix"
    (tmp_path / "mine.yaml").write_text(block)
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state)) as engine:
        assert engine.classify_one("nflx  household 77").rule == "mine.netflix"


def test_every_command_has_help_and_is_named():
    names = [command.callback.__name__ for command in app.registered_commands]
    names += [f"{group.name} {command.name or command.callback.__name__}" for group in app.registered_groups
              for command in group.typer_instance.registered_commands]  # fmt: skip
    assert len(names) >= 7
    missing = [name for name in names if name not in README]
    assert not missing, f"commands that the README does not name: {missing}"
