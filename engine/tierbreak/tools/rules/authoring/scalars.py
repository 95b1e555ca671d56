"""How a text is written in a rule file: bare where YAML leaves it alone, else in single quotes, else in double quotes.

Two editions of YAML are in use: PyYAML reads 1.1, editors read 1.2. A text that either of them takes for a number, a
truth value or a date is quoted, and so is one that a bracket around it or one more space would turn into something
else (`DES:PAYMENT`, `GAP #12`, `OLLIE, INC`): it then stays what it is wherever it is moved.
"""

from __future__ import annotations

import re

import yaml

#: Keys whose texts are always quoted: a regex is one sign away from needing it.
REGEX_KEYS = frozenset({"regex", "fragments"})
#: Keys whose texts are prose: quoted only where YAML needs it there.
PROSE_KEYS = frozenset({"note"})

_TEXT = "tag:yaml.org,2002:str"
#: What a bare text may not begin with; `-`, `?` and `:` may, before anything but a space.
_BEGINS = re.compile(r"[,\[\]{}#&*!|>'\"%@`]|[-?:](?: |$)|---|\.\.\.")
_NEVER = re.compile(r": | #|:$")
_CAREFUL = re.compile(r"[,\[\]{}?:#]")
#: Numbers of YAML 1.2 that YAML 1.1 reads as text.
_NUMBER = re.compile(r"[-+]?(?:0o[0-7]+|0x[0-9a-fA-F]+|(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)")
_RESOLVER = yaml.resolver.Resolver()


def text(value: str, key: str = "") -> str:
    r"""`value` as it is written behind `key`, on one line.

    >>> print(text("UBER *TRIP HELP.UBER.COM"), text("NO"), text("12:30"), text("MACY'S #12"))
    UBER *TRIP HELP.UBER.COM 'NO' '12:30' 'MACY''S #12'
    >>> print(text("UBER", "regex"), text("split out, in 2019", "note"), text("A\tB"))
    'UBER' split out, in 2019 "A\tB"
    """
    if not _is_single_line(value):
        return _double_quoted(value)
    if key not in REGEX_KEYS and is_bare(value, prose=key in PROSE_KEYS):
        return value
    return "'" + value.replace("'", "''") + "'"


def is_bare(value: str, *, prose: bool = False) -> bool:
    """Whether a text needs no quotes; `prose`: in a block, where brackets and commas are nothing special."""
    if not value or not _is_single_line(value) or value != value.strip():
        return False
    if _BEGINS.match(value) or _NEVER.search(value):
        return False
    if not prose and _CAREFUL.search(value):
        return False
    return not _NUMBER.fullmatch(value) and _read_as(value) == _TEXT


def _read_as(value: str) -> str:
    """The tag that YAML 1.1 gives a bare text."""
    return str(_RESOLVER.resolve(yaml.ScalarNode, value, (True, False)))  # type: ignore[no-untyped-call]


def _is_single_line(value: str) -> bool:
    return value.isprintable() and "\ufeff" not in value


def _double_quoted(value: str) -> str:
    """With escapes for whatever does not print."""
    names = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
    return '"' + "".join(names.get(sign) or _escaped(sign) for sign in value) + '"'


def _escaped(sign: str) -> str:
    if sign.isprintable() and sign != "\ufeff":
        return sign
    point = ord(sign)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
