"""Exposures from files: what is found, and that whatever is wrong is said."""

import datetime as dt

import polars as pl
import pytest

from tierbreak import InputError, Ramp
from tierbreak.rollout.ramp import Step
from tierbreak.tools.compare.trial.exposures import read

CSV = """user,arm,at,share,retained,before_retained,country
u1,old,2026-10-01T08:00:00Z,0.5,1,0.5,UK
u2,new,2026-10-01 09:30:00,0.5,0,0.25,US
u3,new,2026-10-02,0.5,1,,UK
u4,old,2026-10-03T01:00:00+02:00,0.5,NaN,1,
"""


def write(folder, text, name="exposures.csv"):
    path = folder / name
    path.write_text(text)
    return path


def refuse(path, *says, **told):
    with pytest.raises(InputError) as error:
        read(path, **told)
    for part in (str(path), *says):
        assert part in str(error.value)


def test_a_file_by_usual_names(tmp_path):
    """Four users, two an arm; NaN and blank are no value; the times are UTC whatever they were written in."""
    found = read(write(tmp_path, CSV))
    assert found.rows["user"].to_list() == ["u1", "u2", "u3", "u4"]
    assert found.rows["arm"].to_list() == ["old", "new", "new", "old"]
    assert found.rows["at"].to_list() == [
        dt.datetime(2026, 10, 1, 8, tzinfo=dt.UTC), dt.datetime(2026, 10, 1, 9, 30, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 2, tzinfo=dt.UTC), dt.datetime(2026, 10, 2, 23, tzinfo=dt.UTC),
    ]  # fmt: skip
    assert found.rows["retained"].to_list() == [1.0, 0.0, 1.0, None]
    assert found.rows["before_retained"].to_list() == [0.5, 0.25, None, 1.0]
    assert (found.metrics, found.segments, found.expected) == (("retained",), ("country",), 0.5)
    assert found.notices == ()


def as_tsv(folder):
    return write(folder, CSV.replace(",", "\t"), "exposures.tsv")


def as_lines(folder):
    path = folder / "exposures.jsonl"
    pl.read_csv(CSV.encode()).write_ndjson(path)
    return path


def as_parquet(folder):
    path = folder / "exposures.parquet"
    frame = pl.DataFrame({
        "user": ["u1", "u2", "u3", "u4"], "arm": ["old", "new", "new", "old"],
        "at": [dt.datetime(2026, 10, 1, 8), dt.datetime(2026, 10, 1, 9, 30), dt.datetime(2026, 10, 2),
               dt.datetime(2026, 10, 2, 23)],
        "share": [0.5] * 4, "retained": [1.0, 0.0, 1.0, float("nan")], "before_retained": [0.5, 0.25, None, 1.0],
        "country": ["UK", "US", "UK", None],
    })  # fmt: skip
    frame.write_parquet(path)
    return path


@pytest.mark.parametrize("make", [as_tsv, as_lines, as_parquet])
def test_every_format_says_the_same(tmp_path, make):
    want, got = read(write(tmp_path, CSV)), read(make(tmp_path))
    assert got.rows.equals(want.rows)
    assert got.rows["country"].to_list() == ["UK", "US", "UK", None]
    assert (got.metrics, got.segments, got.expected) == (want.metrics, want.segments, want.expected)


def test_the_log_that_a_ramp_writes(tmp_path):
    """Asked twice, a user has two lines; the time orders them, and neither the ramp's fingerprint nor the share is a
    metric."""
    log, day = tmp_path / "log.jsonl", dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    ramp = Ramp("engine", "2026-11", (Step(day, 0.25),))
    arms = {user: ramp.expose(user, log, at=day + dt.timedelta(hours=at)) for at, user in enumerate("abcdefgha")}
    found = read(log)
    assert found.rows.height == 9
    assert dict(found.rows.select("user", "arm").iter_rows()) == arms
    assert (found.metrics, found.segments, found.expected) == ((), (), 0.25)


def test_other_names_and_words(tmp_path):
    path = write(tmp_path, "Customer ID;Variant;Kept\n1;Control;yes\n2;treatment;no\n")
    found = read(path)
    assert found.rows.rows() == [("1", "old", 1.0), ("2", "new", 0.0)]
    assert found.notices == ("arms: 'Control' is read as old, 'treatment' is read as new",)
    path = write(tmp_path, "who,which,kept\nx,red,1\ny,blue,0\n")
    told = read(path, told={"user": "who", "arm": "which"}, arms={"red": "old", "blue": "new"})
    assert told.rows["arm"].to_list() == ["old", "new"]


def test_unknown_arms_are_named(tmp_path):
    path = write(tmp_path, "user,arm\na,old\nb,nwe\nc,nwe\nd,\n")
    refuse(path, "'nwe' (2 rows)", "'' (1 rows)", "say which word is old")


def test_one_arm_is_nothing_to_compare(tmp_path):
    refuse(write(tmp_path, "user,arm\na,new\nb,new\na,new\n"), "all 2 users are in the new arm")


def test_columns_that_are_not_there(tmp_path):
    refuse(write(tmp_path, "person,side\na,old\n"), "no column looks like the user", "no column looks like the arm")
    path = write(tmp_path, CSV)
    refuse(path, "no column 'retaind' for a metric", metrics=["retaind"])
    refuse(path, "no column 'usr' for the user; nearest: 'user'", told={"user": "usr"})


def test_an_empty_file(tmp_path):
    refuse(write(tmp_path, "user,arm\n"), "no row")


def test_duplicate_rows_count_once(tmp_path):
    found = read(write(tmp_path, "user,arm,kept\na,old,1\na,old,1\nb,new,0\n"))
    assert found.rows.height == 2
    assert found.notices == ("1 rows say what another says already; they count once",)


def test_a_user_with_two_values_of_a_metric(tmp_path):
    refuse(
        write(tmp_path, "user,arm,at,spend\na,old,2026-10-01,1.5\na,old,2026-10-02,2\nb,new,2026-10-01,3\n"),
        "'spend': 1 users have more than one value; user 'a' has 1.5 and 2.0", "one value a user",
    )  # fmt: skip


def test_a_value_on_one_row_of_a_user_holds_for_all(tmp_path):
    found = read(write(tmp_path, "user,arm,at,spend\na,old,2026-10-01,\na,old,2026-10-02,2\nb,new,2026-10-01,3\n"))
    assert found.rows["spend"].to_list() == [2.0, 2.0, 3.0]


def test_a_user_in_both_arms_needs_a_time(tmp_path):
    refuse(write(tmp_path, "user,arm\na,old\na,new\nb,new\n"), "1 users are in both arms", "user 'a'")
    same = "user,arm,at\na,old,2026-10-01\na,new,2026-10-01\nb,new,2026-10-01\n"
    refuse(write(tmp_path, same), "1 users are in both arms")
    found = read(write(tmp_path, same.replace("new,2026-10-01\nb", "new,2026-10-02\nb")))
    assert found.rows.height == 3


def test_what_is_no_number_is_no_metric(tmp_path):
    """One cell of 60 says `lots`: left out and said; asked for by name, it is an error."""
    rows = "".join(f"u{at},{('old', 'new')[at % 2]},{'lots' if at == 7 else at}\n" for at in range(60))
    path = write(tmp_path, "user,arm,spend\n" + rows)
    found = read(path)
    assert found.metrics == ()
    assert "'spend' is neither metric nor segment" in found.notices[0]
    assert "'lots'" in found.notices[0]
    refuse(path, "metric 'spend': 1 cells hold no number, such as 'lots'", metrics=["spend"])


def test_an_id_is_no_metric(tmp_path):
    found = read(write(tmp_path, "user,arm,session_id,paid\na,old,17,1\nb,new,18,0\n"))
    assert found.metrics == ("paid",)
    assert found.notices == ("column 'session_id' is taken for an id, and no metric",)


def test_a_metric_of_nothing_but_nan_is_left_out(tmp_path):
    found = read(write(tmp_path, "user,arm,spend\na,old,NaN\nb,new,nan\n"))
    assert found.metrics == ()
    assert found.notices == ("column 'spend' is neither metric nor segment and is left out: no value",)


def test_nobodys_rows_unread_times_and_strange_shares(tmp_path):
    found = read(write(tmp_path, "user,arm,at\na,old,soon\nb,new,2026-10-01\n,new,2026-10-01\n"))
    assert found.rows.height == 2
    assert found.notices[0] == "at: 1 times cannot be read, such as 'soon'; they count as the last"
    assert found.notices[1] == "1 rows name no user and are left out"
    refuse(write(tmp_path, "user,arm,share\na,old,50\nb,new,0.5\n"), "a share lies in 0..1, got '50' (1 rows)")


def test_a_share_that_grew_is_said(tmp_path):
    """First exposures: a at 0.1, b and c at 0.5: (0.1 + 0.5 + 0.5) / 3 of the users were meant to be new."""
    rows = "a,old,2026-10-01,0.1\na,new,2026-11-01,0.5\nb,old,2026-11-01,0.5\nc,new,2026-11-02,0.5\n"
    found = read(write(tmp_path, "user,arm,at,share\n" + rows))
    assert found.expected == pytest.approx(1.1 / 3)
    assert "0.1 for some users and 0.5 for others" in found.notices[0]


def test_broken_rows_are_said(tmp_path):
    found = read(write(tmp_path, "user,arm,kept\na,old,1\nb,new,0\nc,new,0,9,9\n"))
    assert found.rows.height == 2
    assert found.notices[0].startswith("1 rows could not be read and are left out; the first: line 4")
