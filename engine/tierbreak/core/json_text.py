"""JSON from files that people and tools write: whatever is wrong with it is a ValueError."""

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """What `json.loads` makes of it.

    Raises ValueError where it is no JSON, is nested deeper than the parser goes, or holds half a surrogate pair, which
    nothing could write or print later.

    >>> parse('{"a": [1, null]}')
    {'a': [1, None]}
    >>> parse("[" * 100_000)
    Traceback (most recent call last):
    ValueError: brackets are nested too deep
    """
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("brackets are nested too deep") from None
    return value
