"""Candidates for entangled pairs: `DELTA AIR` and `AIR FRANCE` run together in `DELTA AIR FRANCE`.

They come from the samples of all patterns (samples.py): a rule that finds another's sample, and two samples of
which the end of one is the beginning of the other, run together there. A candidate must be shorter than the two
rules' own shortest samples together, of samples that begin alike, and neither rule may find its part of it without
the text they share: else the two stand side by side. Each is read by the engine that serves, so what is returned is
found by both.

It is complete for what samples hold: every alternative of a pattern by itself, up to 48 strings a pattern, gaps at
their shortest or one space, an overlap of one whole word or of three characters. What is not sought: overlaps of one
or two characters within a word, and matches that share text only where a repeat runs on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

#: An overlap is a whole word, or at least so many characters.
LEAST = 3


class Candidate(NamedTuple):
    """Two rules, `one` before `other` by position, and the shortest text seen in which their matches share text."""

    one: int
    other: int
    text: str


class Sample(NamedTuple):
    """A short string of a rule, with the source of the pattern that it is of."""

    rule: int
    source: bytes
    text: str


def candidates(
    samples: Sequence[Sample],
    scan: Callable[[list[str]], list[frozenset[int]]],
    related: Callable[[int, int], bool],
) -> list[Candidate]:
    """The pairs, each once, with the shortest text seen, found by both; by positions of the rules.

    samples   of all rules that come into question
    scan      the rules that find each of some texts
    related   whether two rules are of no interest as a pair: one brand, one family
    """
    texts = list(dict.fromkeys(sample.text for sample in samples))
    found = dict(zip(texts, scan(texts), strict=True))
    rules = {sample.rule for sample in samples}
    best: dict[tuple[int, int], tuple[int, str]] = {}

    def note(one: int, other: int, text: str) -> None:
        pair = (min(one, other), max(one, other))
        best[pair] = min(best.get(pair, (len(text), text)), (len(text), text))

    real = [sample for sample in samples if sample.rule in found[sample.text]]
    least: dict[tuple[int, str], int] = {}  # by rule and beginning; and by rule
    for sample in real:
        for beginning in (_beginning(sample.text), ""):
            key = sample.rule, beginning
            least[key] = min(least.get(key, len(sample.text)), len(sample.text))
    for sample in real:
        room = least[sample.rule, _beginning(sample.text)]
        for other in found[sample.text] & rules:
            fits = len(sample.text) < room + least.get((other, ""), 0)
            if other != sample.rule and fits and not related(sample.rule, other):
                note(sample.rule, other, sample.text)
    joined: dict[tuple[int, int, str], tuple[str, str]] = {}
    for before, after, overlap in _overlaps(real):
        pair = (before.rule, after.rule)
        text = before.text + after.text[overlap:]
        room = least[before.rule, _beginning(before.text)] + least[after.rule, _beginning(after.text)]
        if len(text) < room and (min(pair), max(pair)) not in best and not related(*pair):
            joined[*pair, text] = before.text[:-overlap].rstrip(), after.text[overlap:].lstrip()
    asked = list(dict.fromkeys(text for (*_, text), bare in joined.items() for text in (text, *bare) if text))
    read = dict(zip(asked, scan(asked), strict=True)) | {"": frozenset()}
    for (one, other, text), (left, right) in joined.items():
        # Neither does without the text in the middle: what is left of it finds nothing by itself.
        if {one, other} <= read[text] and one not in read[left] and other not in read[right]:
            note(one, other, text)
    return [Candidate(*pair, text) for pair, (_, text) in sorted(best.items())]


def _overlaps(samples: Sequence[Sample]) -> Iterator[tuple[Sample, Sample, int]]:
    """(sample that stands before, sample that stands behind, how many characters they share)."""
    by_beginning: Mapping[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if not sample.source.startswith(b"^"):
            for size in range(1, len(sample.text)):
                if _worth(sample.text[:size], sample.text[size]):
                    by_beginning[sample.text[:size]].append(sample)
    for sample in samples:
        text = sample.text
        if sample.source.endswith(b"$"):
            continue
        for at in range(1, len(text)):
            inside = _word(text[at - 1]) and _word(text[at])
            for behind in by_beginning.get(text[at:], ()):
                size = len(text) - at
                if inside and behind.source.startswith(rb"\b"):
                    continue
                if sample.source.endswith(rb"\b") and _word(text[-1]) and _word(behind.text[size]):
                    continue
                yield sample, behind, size


def _beginning(text: str) -> str:
    """What samples that begin alike share: their first three letters or digits, whatever stands between."""
    return "".join(character for character in text[:8] if character.isalnum())[:3]


def _worth(overlap: str, following: str) -> bool:
    """Whether an overlap is long enough to be looked at."""
    whole = overlap.isalnum() and not _word(following)
    return len(overlap) >= LEAST or (whole and len(overlap) > 0)


def _word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")
