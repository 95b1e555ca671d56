"""Questions about languages and their answers, kept by content: the same question is searched once.

A question is made of the sources of patterns and nothing else, so its answer never changes. After an edit only
questions that nobody has asked are searched; nothing has to be thrown away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tierbreak.tools.rules.proofs.language import RuleLanguage, Sources, shortest_of_rules
from tierbreak.tools.rules.proofs.samples import samples
from tierbreak.tools.rules.proofs.search import Search
from tierbreak.tools.rules.proofs.syntax import Unprovable

#: An answer as JSON keeps it: the text, or true where it is proved that there is none, or else why nothing is known.
Kept = list[object]


class Question(NamedTuple):
    """Which is the shortest text that all of `found_by` and none of `missed_by` find?"""

    found_by: tuple[Sources, ...]
    missed_by: tuple[Sources, ...] = ()


class Answers:
    """Answers questions, from what is known where it is.

    known     what was answered before, and where new answers are put
    states    the budget of each search
    """

    def __init__(self, known: MutableMapping[str, Kept], *, states: int) -> None:
        self.known, self.states = known, states

    def ask(self, questions: Sequence[Question]) -> list[Search]:
        """The answers, in the order of the questions. What has no automaton is answered "unknown"."""
        out = []
        for question in questions:
            key = self._key(question)
            if key not in self.known:
                self.known[key] = _keep(_search(question, self.states))
            text, empty, why = self.known[key]
            out.append(Search(text if isinstance(text, str) else None, bool(empty), str(why)))
        return out

    def samples(self, source: bytes) -> tuple[str, ...]:
        """Short strings of a pattern; see samples.py."""
        return tuple(map(str, self.recall(b"samples " + source, lambda: list(samples(source)))))

    def recall(self, what: bytes, find: Callable[[], Kept]) -> Kept:
        """What `find` finds, or found before: it must follow from `what`, which says how, and of which patterns."""
        key = hashlib.blake2b(what, digest_size=12, key=code()).hexdigest()
        if key not in self.known:
            self.known[key] = find()
        return self.known[key]

    def _key(self, question: Question) -> str:
        found_by, missed_by = (sorted(set(languages)) for languages in question)
        what = repr((found_by, missed_by, self.states)).encode()
        return hashlib.blake2b(what, digest_size=12, key=code()).hexdigest()


def _search(question: Question, states: int) -> Search:
    try:
        found_by, missed_by = ([RuleLanguage.from_sources(each) for each in side] for side in question)
    except Unprovable as error:
        return Search(None, why=error.why)
    return shortest_of_rules(found_by, missed_by, states=states)


def _keep(answer: Search) -> Kept:
    return [answer.text, answer.empty, answer.why]


@cache
def code() -> bytes:
    """A hash of this room's code: what an older version of it answered is not taken for an answer."""
    own = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.blake2b(b"".join(path.read_bytes() for path in own), digest_size=16).digest()
