"""Rules mined from traffic, where the model is sure, steady, and does the work of a rule that nobody has written.

    traffic -> what no rule finds and the model knows -> words that one brand's texts share and no other's
            -> proofs against the whole book -> files for a person to review

Nothing is edited here: what comes out is text, and its rules are `shadow` or `draft`.
"""

from __future__ import annotations

from tierbreak.tools.rules.mining.evidence import Mined, ask_model, mine
from tierbreak.tools.rules.mining.suggest import Limits, Suggested, Suggestion, suggest
from tierbreak.tools.rules.mining.write import patch, write

__all__ = ["Limits", "Mined", "Suggested", "Suggestion", "ask_model", "mine", "patch", "suggest", "write"]
