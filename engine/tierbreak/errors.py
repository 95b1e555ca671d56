"""Every error this package raises on purpose, and the fault that most of them list.

    TierbreakError                exit  http   whose fault
      SettingsError                 2    400    an option or a setting is wrong
      BundleError                   3    503    a bundle folder is incomplete or does not fit together
        RegistryError               3    503    brands.csv is wrong
        RulebookError               3    503    a rule file is wrong
        ModelError                  5    503    a model file is missing, broken, or fails its load gate
      BatchError                    4    422    the caller's rows are wrong
        InputError                  4    422    an input or output file cannot be read or written as asked
      CacheError                    6    503    the cache store cannot be opened or is not ours
      EngineError                   6    503    an engine is closed, or was loaded before a fork

Exit codes and HTTP statuses are read from the class by the one handler that the command line and
the service each have; 1 is left to Python, so that a traceback is never mistaken for one of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

#: How grave a fault is, gravest first. An error keeps a rulebook from doing what it says; a warning is a trap or
#: work for nothing; a note is what could be said better.
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one place of one file.

    code      stable for ever: people search for it (`R012` rulebook, `B003` registry, `M002` model)
    path      the file; `line` and `column` are 1-based; 0 where the fault is of the file as a whole
    says      what is wrong, in the reader's words
    found     the exact text found there, underlined in the message; empty where nothing is there
    expected  what the engine can take, or why it cannot take this
    fix       what to write instead
    severity  error, warning or note; only an error can keep an engine from loading

    >>> print(Fault("R001", Path("rules/uber.yaml"), 0, 0, "file is empty", "", "a mapping with `brand`", "delete it"))
    rules/uber.yaml: error[R001]: file is empty
      = expected: a mapping with `brand`
      = fix: delete it
    """

    code: str
    path: Path
    line: int
    column: int
    says: str
    found: str
    expected: str
    fix: str
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else str(self.path)
        out = [f"{place}: {self.severity}[{self.code}]: {self.says}"]
        gutter = "  "
        if self.line and (source := self._source()) is not None:
            number = str(self.line)
            gutter = " " * (len(number) + 1)
            mark = "^" * max(1, min(len(self.found), len(source) - self.column + 1))
            out += [f"{gutter}|", f"{number} | {source}", f"{gutter}| {' ' * (self.column - 1)}{mark}"]
        elif self.found:
            out.append(f"{gutter}= found: {self.found}")
        out.append(f"{gutter}= expected: {self.expected}")
        out.append(f"{gutter}= fix: {self.fix}")
        return "\n".join(out)

    def _source(self) -> str | None:
        """The source line, or None where the file cannot be read any more: a fault must still print."""
        try:
            found = self.path.stat()
            lines = _lines(self.path, found.st_mtime_ns, found.st_size)
        except OSError:
            return None
        return lines[self.line - 1] if 0 < self.line <= len(lines) else None


@lru_cache(maxsize=4)  # a file may have thousands of faults
def _lines(path: Path, _changed: int, _size: int) -> list[str]:
    return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()


class TierbreakError(Exception):
    """The root: `except tierbreak.TierbreakError` catches all that this package raises on purpose."""

    exit_code: int = 1
    http_status: int = 500


class SettingsError(TierbreakError):
    """An option or a setting is wrong."""

    exit_code, http_status = 2, 400


class BundleError(TierbreakError):
    """A bundle is incomplete or its parts do not fit together; `faults` lists every one found."""

    exit_code, http_status = 3, 503

    def __init__(self, message: str = "", faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        parts = [str(fault) for fault in self.faults]
        if message:
            parts.append(message)
        super().__init__("\n".join(parts))


class RegistryError(BundleError):
    """brands.csv is wrong."""


class RulebookError(BundleError):
    """A rule file is wrong."""


class ModelError(BundleError):
    """A model file is missing, broken, or fails its load gate."""

    exit_code, http_status = 5, 503


class BatchError(TierbreakError):
    """The caller's rows are wrong."""

    exit_code, http_status = 4, 422


class InputError(BatchError):
    """An input or output file cannot be read or written as asked."""


class CacheError(TierbreakError):
    """The cache store cannot be opened or is not ours."""

    exit_code, http_status = 6, 503


class EngineError(TierbreakError):
    """An engine is asked that cannot answer: it is closed, or its process was forked after it was loaded."""

    exit_code, http_status = 6, 503
