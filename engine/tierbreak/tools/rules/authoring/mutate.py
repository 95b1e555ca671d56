"""How much of a rule its examples hold in place: each part is taken away, and the examples should turn red.

    rule -> mutants -> does an example turn red? -> killed
                    -> is there a text that tells the two apart? none, proved -> equivalent, not counted
                    -> such a text is proposed as an example or a counterexample -> survived

A mutant is killed where an example or counterexample that is green today turns red, as `rules check` says it: an
example that no pattern of its own rule matches any more, or any text that the rulebook now settles otherwise,
arbitration included. A rule's own examples are asked first, then those of the whole book.

What is proved is proved of texts: guards and dates aside, within a budget of states, so a mutant that no
example notices and of which nothing can be proved counts as survived and says why nothing is proposed. For rules
that are named the shortest text is searched; for a whole book a short one is guessed first, which is much cheaper.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tierbreak.core.nearest import nearest
from tierbreak.engine import Engine
from tierbreak.errors import SettingsError
from tierbreak.rulebook import DECIDES, Rule
from tierbreak.rulebook.files import contents, fold, listed, read_fragments
from tierbreak.tiers.rules.exact import ExactScanner
from tierbreak.tools.rules.authoring import scalars
from tierbreak.tools.rules.authoring.mutants import Mutant, mutants
from tierbreak.tools.rules.authoring.retrial import Asked, Retrial, finds, found
from tierbreak.tools.rules.proofs import proof_cache
from tierbreak.tools.rules.proofs.conditions import Row, cells, holds
from tierbreak.tools.rules.proofs.language import Sources
from tierbreak.tools.rules.proofs.questions import Answers, Question
from tierbreak.tools.rules.proofs.search import Search

Fate = Literal["killed", "survived", "equivalent"]

#: States that the search for one text may visit.
STATES = 5_000
#: Short strings of a changed pattern that are tried before any search.
SAMPLES = 40
#: Patterns that are read over all examples together.
GROUP = 256


@dataclass(frozen=True)
class Judged:
    """A mutant and what became of it.

    killer     the descriptor of an example that turned red
    key        `examples` or `counterexamples`: where `proposal` belongs
    proposal   one item of that list, as YAML: with it the mutant is killed
    why        of a mutant that survived, why nothing is proposed
    """

    kind: str
    says: str
    fate: Fate
    killer: str | None = None
    key: str = ""
    proposal: str = ""
    why: str = ""


@dataclass(frozen=True)
class RuleScore:
    """A rule's mutants."""

    rule: Rule
    mutants: tuple[Judged, ...]

    def count(self, fate: Fate) -> int:
        """Mutants of one fate."""
        return sum(each.fate == fate for each in self.mutants)

    @property
    def score(self) -> float | None:
        """Killed among those that can be told from the rule; None where there is none."""
        return share([self])

    @property
    def proposals(self) -> dict[str, list[str]]:
        """Items by the key they belong under, none twice."""
        out: dict[str, list[str]] = {}
        for each in self.mutants:
            if each.proposal and each.proposal not in out.setdefault(each.key, []):
                out[each.key].append(each.proposal)
        return out


def share(scores: Sequence[RuleScore]) -> float | None:
    """The mutation score of rules together: killed / (killed + survived)."""
    killed = sum(each.count("killed") for each in scores)
    counted = killed + sum(each.count("survived") for each in scores)
    return killed / counted if counted else None


def mutate(
    engine: Engine, only: Collection[str] = (), *, advance: Callable[[int], None] = lambda done: None
) -> list[RuleScore]:
    """The mutation score of every rule that decides, in the order of their ids.

    engine    the rules in force, loaded with `model=None`
    only      ids of rules; empty is all of them. Whatever is asked, the whole book takes part
    advance   told how many mutants were judged

    What is proved is kept in the settings' `state`. Raises SettingsError where `only` names no rule that decides.
    """
    book = engine.parts.book
    _check(book.rules, only)
    files, _ = contents(path for folder in engine.parts.bundle.rules for path in listed(folder)[0])
    fragments, _ = read_fragments(files)
    retrial = Retrial(engine)
    tried = [
        _Tried(at, mutant)
        for at, rule in enumerate(book.rules)
        if rule.status in DECIDES and (not only or rule.id in only)
        for mutant in mutants(rule, fragments)
    ]
    _kill(retrial, tried, _own(retrial, tried))
    advance(sum(each.killer is not None for each in tried))
    _kill(retrial, tried, _of_book(retrial, [each for each in tried if each.killer is None]))
    left = [each for each in tried if each.killer is None]
    _separate(retrial, engine, left, shortest=bool(only))
    advance(len(left))
    judged = defaultdict(list)
    for each in tried:
        judged[each.at].append(each.judged())
    return [RuleScore(book.rules[at], tuple(own)) for at, own in sorted(judged.items())]


def _check(rules: Sequence[Rule], only: Collection[str]) -> None:
    status = {rule.id: rule.status for rule in rules}
    for rule_id in only:
        if rule_id not in status:
            near = nearest(rule_id, status)
            hint = f"did you mean {' or '.join(near)}?" if near else "give the id of a rule"
            raise SettingsError(f"no rule is called `{rule_id}`; {hint}")
        if status[rule_id] not in DECIDES:
            raise SettingsError(f"rule `{rule_id}` is {status[rule_id]}: it decides nothing that an example could hold")


@dataclass
class _Tried:
    """A mutant of the rule at a position of the book, and what is known of it so far."""

    at: int
    mutant: Mutant
    killer: str | None = None
    equivalent: bool = False
    key: str = ""
    proposal: str = ""
    why: str = ""

    def judged(self) -> Judged:
        fate: Fate = "killed" if self.killer is not None else "equivalent" if self.equivalent else "survived"
        mutant = self.mutant
        return Judged(mutant.kind, mutant.says, fate, self.killer, self.key, self.proposal, self.why)


def _own(retrial: Retrial, tried: Sequence[_Tried]) -> Iterator[tuple[_Tried, Asked]]:
    for each in tried:
        for asked in retrial.of_rule[each.at]:
            yield each, asked


def _of_book(retrial: Retrial, tried: Sequence[_Tried]) -> Iterator[tuple[_Tried, Asked]]:
    """Mutants with the examples of other rules that they may see otherwise than the rule does."""
    widened = []
    for each in tried:
        if each.mutant.changed is not None:
            widened.append(each)
        else:
            for asked in retrial.matched[each.at]:
                yield each, asked
    texts = [text.encode() for text in retrial.texts]
    for start in range(0, len(widened), GROUP):
        group = widened[start : start + GROUP]
        where, what = ExactScanner([each.mutant.changed for each in group if each.mutant.changed]).scan(texts)
        for text, number in zip(where.tolist(), what.tolist(), strict=True):
            for asked in retrial.of_text[text]:
                yield group[number], asked


def _kill(retrial: Retrial, tried: Sequence[_Tried], pairs: Iterator[tuple[_Tried, Asked]]) -> None:
    """Note the first example that turns red, of the pairs given."""
    rules = retrial.rules
    flipped = []
    for each, asked in pairs:
        if not asked.green:
            continue
        text, before, after = asked.text.encode(), rules[each.at], each.mutant.rule
        if finds(before, text, asked.row) != finds(after, text, asked.row) or (
            asked.rule == each.at and not found(after.match, text)
        ):
            flipped.append((each, asked))
    brands = retrial.settle([(asked.text, asked.row, each.at, each.mutant.rule) for each, asked in flipped])
    for (each, asked), brand in zip(flipped, brands, strict=True):
        own = each.mutant.rule if asked.rule == each.at else rules[asked.rule]
        if each.killer is None and retrial.red(asked, brand, own):
            each.killer = asked.example.descriptor


def _separate(retrial: Retrial, engine: Engine, left: Sequence[_Tried], *, shortest: bool) -> None:
    """Find what is equivalent, and propose texts for what is not."""
    apart: list[tuple[_Tried, str, Row]] = []
    with proof_cache.answers(engine.settings.state / "proofs") as known:
        answers = Answers(known, states=STATES)
        for each in left:
            rule, mutant = retrial.rules[each.at], each.mutant
            row, some = _row(rule, mutant)
            if not some:
                each.equivalent = mutant.kind == "guard"
                each.why = "" if each.equivalent else "its guard lets no row pass that could be tried"
                continue
            answer = _text(answers, rule, mutant, row, shortest=shortest)
            each.equivalent, each.why = answer.empty, answer.why
            if answer.text is not None:
                apart.append((each, answer.text, row))
    today = retrial.settle([(text, row, -1, None) for _, text, row in apart])
    then = retrial.settle([(text, row, each.at, each.mutant.rule) for each, text, row in apart])
    for (each, text, row), now, later in zip(apart, today, then, strict=True):
        _propose(retrial, each, text, row, now, later)


def _row(rule: Rule, mutant: Mutant) -> tuple[Row, bool]:
    """A row on which the two can differ: one where both stand, or, of a guard, where the mutant alone does."""
    want = {1} if mutant.kind == "guard" else {0, 1}
    both = [rule, mutant.rule]
    for row, held in cells(both):
        if held == want:
            other = row._replace(amount=1.0)  # a statement has no row of 0.00
            same = row.amount == 0 and {at for at, one in enumerate(both) if holds(one, other)} == want
            return other if same else row, True
    return Row(), False


def _text(answers: Answers, rule: Rule, mutant: Mutant, row: Row, *, shortest: bool) -> Search:
    own, other = Sources.of(rule), Sources.of(mutant.rule)
    if mutant.kind == "guard":
        return answers.ask([Question((own,))])[0]
    if not shortest and (text := _guessed(answers, rule, mutant, row)):
        return Search(text)
    return answers.ask([Question((other,), (own,)) if mutant.wider else Question((own,), (other,))])[0]


def _guessed(answers: Answers, rule: Rule, mutant: Mutant, row: Row) -> str | None:
    """A short text on which the two differ: a sample of what was changed, with a digit beside it, or with a sample of
    the rule's own beside it. Found at a hundredth of the cost of a search; None where none of these will do."""
    own, other = (Sources.of(one) for one in (rule, mutant.rule))
    changed = {*own.match, *own.unless} ^ {*other.match, *other.unless}
    samples = [text for source in sorted(changed) for text in answers.samples(source)[:SAMPLES]]
    beside = [text for source in own.match for text in answers.samples(source)[:1]][:3]
    near = [form for text in samples for form in (text, f"0{text}", f"{text}0")]
    if own.unless != other.unless:
        near += [form for text in near for more in beside for form in (f"{more} {text}", f"{text} {more}")]
    for text in sorted(set(near), key=lambda text: (len(text), text)):
        encoded = text.encode()
        if fold(text) == text and finds(rule, encoded, row) != finds(mutant.rule, encoded, row):
            return text
    return None


def _propose(retrial: Retrial, each: _Tried, text: str, row: Row, now: int, later: int) -> None:
    rule, encoded = retrial.rules[each.at], text.encode()
    brand = retrial.ids[now] if now >= 0 else None
    if finds(rule, encoded, row) == finds(each.mutant.rule, encoded, row):
        each.why = f"`{text}` should tell the two apart, and the exact engine sees no difference"
        return
    if each.mutant.wider:
        if now == later:
            each.why = f"the book decides `{text}` the same way either way: {brand or 'no brand'}"
            return
        each.key, each.proposal = "counterexamples", _item(rule, text, row, brand or "none")
    elif now != retrial.brand[each.at] and not rule.deny:
        each.why = f"`{text}` is its own alone, and the book decides it as {brand or 'no brand'}"
    else:
        each.key, each.proposal = "examples", _item(rule, text, row, None)


def _item(rule: Rule, text: str, row: Row, expect: str | None) -> str:
    """One item of a list of examples, as YAML."""
    dated = rule.valid != (None, None)
    given: dict[str, Any] = {
        name: value for name, value in row._asdict().items() if value is not None and (name != "date" or dated)
    }
    if not given and expect is None:
        return scalars.text(text)
    parts = [f"descriptor: {scalars.text(text)}"]
    for name, value in given.items():
        parts.append(f"{name}: {_written(value)}")
    parts += [f"expect: {scalars.text(expect)}"] if expect else []
    return "{" + ", ".join(parts) + "}"


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}" if "e" not in f"{value:g}" else f"{value:f}"
    return scalars.text(value) if isinstance(value, str) else str(value)


def overall(scores: Sequence[RuleScore]) -> dict[str, Any]:
    """Counts and scores for a machine: of all, of each kind, and of each rule with its mutants."""
    kinds: Mapping[str, list[Judged]] = defaultdict(list)
    for score in scores:
        for each in score.mutants:
            kinds[each.kind].append(each)
    return {
        "score": share(scores),
        **{fate: sum(score.count(fate) for score in scores) for fate in ("killed", "survived", "equivalent")},
        "kinds": {
            kind: {fate: sum(each.fate == fate for each in own) for fate in ("killed", "survived", "equivalent")}
            for kind, own in sorted(kinds.items())
        },
        "rules": [
            {
                "rule": score.rule.id, "brand": score.rule.brand, "place": str(score.rule.place), "score": score.score,
                "proposals": score.proposals,
                "mutants": [
                    {"kind": each.kind, "says": each.says, "fate": each.fate, "killer": each.killer, "key": each.key,
                     "proposal": each.proposal, "why": each.why}
                    for each in score.mutants
                ],
            }
            for score in scores
        ],
    }  # fmt: skip
