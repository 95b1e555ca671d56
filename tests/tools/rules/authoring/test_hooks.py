"""What users put before each commit and into CI: the commands there, run on a repository with a broken file."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[4]
README = (ROOT / "rules" / "README.md").read_text()

SOUND = """\
brand: netflix
owner: media
rules:
  - id: netflix.name
    match:
      - {words: NETFLIX}
    examples:
      - NETFLIX.COM 866-579-7172 CA
"""
BROKEN = SOUND.replace("netflix", "hulu").replace("NETFLIX.COM 866-579-7172 CA", "12:30").replace("NETFLIX", "HULU")


@pytest.fixture
def repository(tmp_path):
    """Two rule files under version control, one of them with a text that YAML reads as a number."""
    (tmp_path / "rules" / "streaming").mkdir(parents=True)
    (tmp_path / "rules" / "streaming" / "netflix.yaml").write_text(SOUND)
    (tmp_path / "rules" / "streaming" / "hulu.yaml").write_text(BROKEN)
    (tmp_path / "other.yaml").write_text("a:   b\n")
    for command in ("git init -q", "git add -A"):
        subprocess.run(shlex.split(command), cwd=tmp_path, check=True)
    return tmp_path


def run(repository, *command):
    """Run a command line in the repository, with the `tierbreak` of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    state = {"TIERBREAK_STATE": str(repository / ".state")}
    return subprocess.run(
        command, cwd=repository, env={**os.environ, "PATH": path, **state}, capture_output=True, text=True, check=False
    )


def hook(id, repository):
    """The command line that pre-commit makes of a hook, as README has it, for the files under version control."""
    (made,) = [each for each in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()) if each["id"] == id]
    config = yaml.safe_load(block(".pre-commit-config.yaml"))
    (used,) = [each for each in config["repos"][0]["hooks"] if each["id"] == id]
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=True)
    files = [name for name in listed.stdout.split() if re.search(made["files"], name)]
    assert len(files) == 2
    return [
        *shlex.split(made["entry"]),
        *used.get("args", made.get("args", [])),
        *(files if made.get("pass_filenames", True) else []),
    ]


def block(name):
    """The YAML block of README that begins with the name of a file."""
    (found,) = re.findall(rf"```yaml\n# {re.escape(name)}\n(.*?)```", README, re.DOTALL)
    return found


def test_the_check_hook_refuses_a_broken_file(repository):
    command = hook("tierbreak-rules-check", repository)
    ran = run(repository, *command)
    assert ran.returncode == 3, ran.stderr
    assert "rules/streaming/hulu.yaml:8:9: error[R008]: text is due, YAML reads int" in ran.stdout
    assert "netflix" not in ran.stdout
    (repository / "rules" / "streaming" / "hulu.yaml").write_text(BROKEN.replace("12:30", "HULU 12:30"))
    assert run(repository, *command).returncode == 0


def test_the_fmt_hook_lays_out_what_it_is_given(repository):
    hulu = repository / "rules" / "streaming" / "hulu.yaml"
    hulu.write_text(BROKEN.replace("hulu\n", "'hulu'   # the app\n", 1))
    command = hook("tierbreak-rules-fmt", repository)
    ran = run(repository, *command)
    assert (ran.returncode, ran.stdout) == (0, "1 of 2 files changed\n"), ran.stderr
    assert hulu.read_text() == BROKEN.replace("hulu\n", "hulu  # the app\n", 1)
    assert (repository / "other.yaml").read_text() == "a:   b\n"
    assert run(repository, *command).stdout == "0 of 2 files changed\n"


def test_the_workflow(repository):
    steps = yaml.safe_load(block(".github/workflows/rules.yml"))["jobs"]["rules"]["steps"]
    commands = [shlex.split(step["run"]) for step in steps if step.get("run", "").startswith("tierbreak")]
    assert len(commands) == 2
    layout, check = (run(repository, *command) for command in commands)
    assert (layout.returncode, layout.stdout) == (0, "0 of 2 files would change\n")
    assert check.returncode == 3
    (line,) = [line for line in check.stdout.splitlines() if line.startswith("::error")]
    assert "file=rules/streaming/hulu.yaml,line=8,col" in line.replace("endLine=8,", "")


def test_every_command_of_the_table_is_there():
    named = re.findall(r"^\| `tierbreak rules (\w+)", README, re.MULTILINE)
    assert {"new", "check", "fmt", "schema"} <= set(named)
    ran = run(ROOT, "tierbreak", "rules", "--help")
    assert all(re.search(rf"\b{name}\b", ran.stdout) for name in named), ran.stdout
