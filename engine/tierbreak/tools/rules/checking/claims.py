"""What is proved of rules: an `unless` that cannot matter, a rule that can never win or is superfluous."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tierbreak.engine import Engine
from tierbreak.errors import Fault
from tierbreak.rulebook import Place, Rule
from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.checking.codes import fault
from tierbreak.tools.rules.checking.subject import Subject
from tierbreak.tools.rules.proofs.language import Sources
from tierbreak.tools.rules.proofs.prove import prove
from tierbreak.tools.rules.proofs.questions import Answers, Kept, Question


def idle_unless(subject: Subject, answers: Answers) -> Iterator[Fault]:
    """R045: a pattern of `unless` that matches no text that the rule's `match` matches."""
    asked = [
        (rule, pattern)
        for rule in subject.rules
        for pattern in rule.unless
        if not _seen_together(answers, rule, pattern.expression)
    ]
    match = {rule.id: Sources(Sources.of(rule).match) for rule, _ in asked}
    questions = [Question((match[rule.id], Sources((pattern.expression.source,)))) for rule, pattern in asked]
    for (rule, pattern), shared in zip(asked, answers.ask(questions), strict=True):
        if shared.empty:
            says = f"no text that `{rule.id}` matches is found by this `unless` (proved)"
            fix = "drop it, or mend the pattern"
            yield fault("R045", pattern.place, says, pattern.text, "an exception to what the rule matches", fix)


def _seen_together(answers: Answers, rule: Rule, unless: Expression) -> bool:
    """Whether a short string of the rule and one of an `unless`, side by side, are found by both: most are."""
    first = rule.match[0].expression
    what = b"side by side %d %b%b" % (len(first.source), first.source, unless.source)
    return bool(answers.recall(what, lambda: [_side_by_side(answers, first, unless)])[0])


def _side_by_side(answers: Answers, first: Expression, unless: Expression) -> bool:
    matching, excluding = ExactPattern(first), ExactPattern(unless)
    if matching.refused() or excluding.refused():  # a fault of its own
        return True
    for one, other in product(answers.samples(first.source)[:2], answers.samples(unless.source)[:2]):
        for text in (f"{one} {other}".encode(), f"{other} {one}".encode()):
            if matching.matches(text) and excluding.matches(text):
                return True
    return False


def check(subject: Subject, engine: Engine, known: dict[str, Kept]) -> Iterator[Fault]:
    """R060 and R061, for the rules that decide.

    known   answers of earlier runs, by content; new ones are put in
    """
    rules = {rule.id: rule for rule in subject.rules}

    def place(rule_id: str) -> Place:
        return subject.sources.find(rules[rule_id].place, rule_id)

    proofs = prove(engine.parts, known=known)
    deny = {rule.id for rule in subject.rules if rule.deny}
    gone = set()
    for claim in proofs.claims:
        # A deny rule loses nothing to another one: it is redundant or it is not.
        beside = claim.rule in deny and claim.how == ("deny",)
        if claim.verdict == "never-wins" and not beside:
            gone.add(claim.rule)
            fix = "give it what only its brand's texts hold, add `outranks`, or retire it"
            says = f"rule `{claim.rule}` {claim.says()}"
            yield fault("R060", place(claim.rule), says, claim.rule, "a rule that wins some text", fix)
    for double in proofs.redundant:
        # Of two that find the same one is to go, not both.
        if double.harmless and double.rule not in gone and not gone.intersection(double.by):
            gone.add(double.rule)
            says = f"rule `{double.rule}` is {double.says()}"
            fix = "drop it, or narrow the rules beside it"
            yield fault("R061", place(double.rule), says, double.rule, "a rule that finds a text of its own", fix)
