"""The list of slips does not rot: each can be put in, and what it makes is Python."""

from collections import Counter

from mutants.slip import PACKAGE, REPOSITORY, listed, wilson

SLIPS = listed()


def test_each_slip_can_be_put_in_and_makes_python():
    wrong = []
    for slip in SLIPS:
        text = (REPOSITORY / PACKAGE / slip.file).read_text(encoding="utf-8")
        try:
            changed = slip.applied(text)
            compile(changed, slip.file, "exec")
        except (ValueError, SyntaxError) as error:
            wrong.append(f"{slip.name}: {error}")
        if slip.old == slip.new or not slip.why:
            wrong.append(f"{slip.name}: changes nothing, or does not say what a user would see")
    assert wrong == []


def test_each_slip_has_a_name_of_its_own_and_tests_that_are_there():
    assert [name for name, count in Counter(slip.name for slip in SLIPS).items() if count > 1] == []
    assert [slip.name for slip in SLIPS for test in slip.tests if not (REPOSITORY / test).exists()] == []


def test_bounds_of_a_share():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert [round(bound, 4) for bound in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(bound, 4) for bound in wilson(0, 20)] == [0.0, 0.1611]
