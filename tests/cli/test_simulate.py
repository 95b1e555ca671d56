"""`tierbreak simulate`: rows, and users with an experiment among them."""

import polars as pl
import pytest

from tierbreak.rollout.ramp import Ramp
from tierbreak.tools.compare.trial.exposures import read


@pytest.fixture
def small(tmp_path, rules, monkeypatch):
    """A rules folder, and its registry in place of the shipped one, of whose 5,000 brands the names take seconds."""
    monkeypatch.setattr("tierbreak.bundle.shipped", lambda: tmp_path)
    folder = tmp_path / "rules"
    folder.mkdir()
    lines = [f"{brand},{brand.title()},streaming,,,,,active,," for brand in ("hulu", "netflix", "spotify")]
    (folder / "brands.csv").write_text(
        "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n" + "\n".join(lines) + "\n"
    )
    for path in rules.iterdir():
        (folder / path.name).write_text(path.read_text())
    return folder


def test_without_users_nothing_is_added(run, small, tmp_path):
    path = tmp_path / "rows.csv"
    assert run("simulate", 50, "-o", path, "--rules", small).code == 0
    assert pl.read_csv(path).columns == ["descriptor", "amount", "source", "brand", "kind", "format"]


def test_users_and_their_exposures(run, small, tmp_path):
    rows, exposures = tmp_path / "rows.parquet", tmp_path / "exposures.csv"
    asked = ["simulate", 2_000, "-o", rows, "--rules", small, "--users", 300, "--exposures", exposures, "--seed", 3]
    code, _, err = run(*asked, "--effect", 0.1)
    assert code == 0
    assert f"{exposures}: 300 users, " in err
    assert "effect +0.1 on `retained`" in err
    made = pl.read_parquet(rows)
    assert made.columns[-2:] == ["user", "date"]
    found = read(exposures)
    assert (found.metrics, found.segments, found.expected, found.notices) == (("retained",), ("platform",), 0.5, ())
    assert set(made["user"]) <= set(found.rows["user"])
    before = rows.read_bytes(), exposures.read_bytes()
    run(*asked, "--effect", 0.1)
    assert (rows.read_bytes(), exposures.read_bytes()) == before


def test_a_schedule_gives_the_arms(run, small, tmp_path):
    schedule, exposures = tmp_path / "ramp.toml", tmp_path / "exposures.csv"
    schedule.write_text('name = "engine"\nsalt = "x"\n[[step]]\nfrom = 2027-01-01\nshare = 0.2\n')
    given = ["--users", 200, "--exposures", exposures, "--ramp", schedule]
    assert run("simulate", 100, "-o", tmp_path / "rows.csv", "--rules", small, *given).code == 0
    found, ramp = read(exposures), Ramp.read(schedule)
    assert all(ramp.arm(user, at=at) == arm for user, arm, at in found.rows.select("user", "arm", "at").iter_rows())
    assert str(found.rows["at"].dt.date().min()) == "2027-01-01"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--effect", 0.1], "say how many with --users N"),
        (["--exposures", "x.csv"], "say how many with --users N"),
        (["--users", 10, "--effect", 0.1], "say where to write them with --exposures FILE"),
        (["--users", 10, "--exposures", "x.csv", "--effect", 0.5], "leaves no room in 0..1"),
    ],
)
def test_options_that_do_not_go_together(run, small, given, says):
    code, out, err = run("simulate", 10, "--rules", small, *given)
    assert (code, out) == (2, "")
    assert says in err
