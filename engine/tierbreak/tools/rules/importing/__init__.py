"""An ordered list of patterns, first match wins: what it decides, and the same as a rulebook.

    book = OrderedBook.read("legacy.tsv")
    book.decide(descriptors)                                  # line and name of each
    result = imported(book, registry, traffic=[descriptors])  # names, patterns, edges, examples
    result.files(registry, "mobility")                        # the overlay folder

Each line means `re.search(pattern, descriptor, flags)` over the descriptor as it came.
"""

from __future__ import annotations

from tierbreak.tools.rules.importing.importing import Imported, imported
from tierbreak.tools.rules.importing.names import Named, read_map
from tierbreak.tools.rules.importing.order import UNSEEN
from tierbreak.tools.rules.importing.ordered import DECIDED, OrderedBook
from tierbreak.tools.rules.importing.replay import DIFFERENCE, Replay, replay
from tierbreak.tools.rules.importing.report import as_dict, as_markdown, as_text

__all__ = [
    "DECIDED", "DIFFERENCE", "UNSEEN",
    "Imported", "Named", "OrderedBook", "Replay", "as_dict", "as_markdown", "as_text", "imported", "read_map", "replay",
]  # fmt: skip
