"""`tierbreak rules watch`: what a person sees at each save."""

import pytest

from tierbreak import watch

RULE = "brand: lyft\nowner: x\nrules:\n- id: a\n  match: [{{words: {words}}}]\n  examples: [LYFT RIDE, LYFT 2]\n"


@pytest.fixture
def saves(monkeypatch):
    """saves(*steps): each is done between two checks; then Ctrl-C is pressed."""

    def saves(*steps):
        def changes(look, _stop):
            yield look()
            for step in steps:
                step()
                yield look()
            raise KeyboardInterrupt

        monkeypatch.setattr(watch, "changes", changes)

    return saves


def test_each_save_is_checked_and_what_is_new_is_shown(run, saves, tmp_path, monkeypatch):
    monkeypatch.setenv("TIERBREAK_STATE", str(tmp_path / "state"))
    folder = tmp_path / "rules"
    folder.mkdir()
    path = folder / "lyft.yaml"
    path.write_text(RULE.format(words="LYFT RIDE"))
    away = tmp_path / "away"
    saves(
        lambda: path.write_text(RULE.format(words="LYFT") + "  colour: red\n"),
        lambda: path.write_text(RULE.format(words="LYFT")),
        lambda: folder.rename(away),
        lambda: away.rename(folder),
    )
    ran = run("rules", "watch", "--rules", folder)
    assert ran.code == 130
    shown = [line for line in ran.out.splitlines() if "error[" in line]
    assert [line.partition("[")[2][:4] for line in shown] == ["R030", "R004"], "one example, then a key"
    said = [line.partition("  ")[2].partition(" (")[0] for line in ran.err.splitlines() if "rules for" in line]
    sound, broken = "1 rules for 1 brands, 2 examples: no fault", "0 rules for 0 brands, 0 examples: 1 error"
    assert said == ["1 rules for 1 brands, 2 examples: 1 error", f"{broken}, 1 gone", f"{sound}, 1 gone", sound]
    assert f"error: {folder}: no such folder" in ran.err
