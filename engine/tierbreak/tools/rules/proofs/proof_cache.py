"""Answers to questions, kept in one JSON file: a function of patterns alone, so they stay true after any edit.

JSON and not pickle: what lies in a cache folder is data, and must not be able to run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from tierbreak.files import atomic
from tierbreak.tools.rules.proofs.questions import Kept

log = logging.getLogger(__name__)

FILE = "answers.json"
#: Answers that the file may hold: a book of 4,000 rules has some 6,000, one of 20,000 has 30,000. Beyond it the oldest
#: go: every run reads all of them, and one after an edit writes them.
MOST = 60_000


@contextmanager
def answers(folder: Path) -> Iterator[dict[str, Kept]]:
    """What was answered before, for `prove(known=...)`; what is new in it is kept when the block ends.

    folder   such as `settings.state / "proofs"`; one that cannot be read or written costs time and nothing else
    """
    known = _load(folder / FILE)
    before = len(known)
    yield known
    if len(known) > before:
        _store(folder, known)


def _load(path: Path) -> dict[str, Kept]:
    try:
        known = json.loads(path.read_bytes())
        if isinstance(known, dict) and all(isinstance(answer, list) for answer in known.values()):
            return known
        log.warning("kept answers in %s are set aside: not what was written there", path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.warning("kept answers in %s are set aside: %s", path, error)
    return {}


def _store(folder: Path, known: dict[str, Kept]) -> None:
    """Write the answers, whole or not at all."""
    newest = dict(islice(known.items(), max(0, len(known) - MOST), None))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not `dump`: it encodes piece by piece in Python, at more than twice the cost.
        atomic.write(folder / FILE, json.dumps(newest, ensure_ascii=False, separators=(",", ":")))
    except OSError as error:
        log.warning("answers are not kept: %s", error)
