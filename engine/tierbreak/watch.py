"""Rules that are edited while an engine serves: new ones are built beside the old and swapped in once they load."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

from tierbreak.bundle import REGISTRY
from tierbreak.errors import TierbreakError
from tierbreak.parts import Parts
from tierbreak.rulebook import files
from tierbreak.settings import Settings

log = logging.getLogger(__name__)

#: Seconds for which files must not change before they are read: editors and checkouts write in several steps.
REST = 0.1
#: Looks at files that never come to rest, before they are read all the same.
PATIENCE = 20
#: Looking at many files takes its time; at most one part in so many of all time is spent on it.
SHARE = 20

_Seen = TypeVar("_Seen")
#: When a file was changed last, its size, and its number on disk: a file that is replaced may be as old and as large.
Stamp = tuple[int, int, int]


def stamps(folders: Iterable[Path], others: Iterable[Path] = ()) -> dict[str, Stamp]:
    """A stamp for each rule file below `folders` and each of `others`; what is not there has none.

    >>> stamps([Path("no/such/folder")], [Path("no/such/file")])
    {}
    """
    out = {}
    for path in (*(path for folder in folders for path in files.walk(folder)[0]), *map(str, others)):
        try:
            found = os.stat(path)  # noqa: PTH116  # a Path for each of 20,000 files takes longer than the look
        except OSError:
            continue
        out[path] = (found.st_mtime_ns, found.st_size, found.st_ino)
    return out


def changes(look: Callable[[], _Seen], stop: threading.Event, *, every: float = 0.5) -> Iterator[_Seen]:
    """What `look` sees, at once and then whenever it sees something else, each time once it has come to rest.

    stop    ends it
    every   seconds between two looks; where looking takes long it is done less often
    """
    seen = None
    while not stop.is_set():
        start = time.perf_counter()
        now = look()
        took = time.perf_counter() - start
        if now != seen:
            seen = _at_rest(look, now, stop)
            if not stop.is_set():
                yield seen  # and look again: it may have changed while it was worked on
        else:
            stop.wait(max(every, SHARE * took))


def _at_rest(look: Callable[[], _Seen], now: _Seen, stop: threading.Event) -> _Seen:
    for _ in range(PATIENCE):
        stop.wait(REST)
        before, now = now, look()
        if now == before:
            break
    return now


class Watch:
    """Follows the rule files and the registry of an engine, in a thread. `stop` it, or use it in a `with`.

    reloads   how often other rules were taken over
    error     why the files as they are now do not serve; None where they do
    """

    def __init__(
        self,
        serving: Callable[[], Parts],
        swap: Callable[[Parts, Parts], bool],
        settings: Settings,
        *,
        every: float,
        on_change: Callable[[Exception | None], None] | None,
    ) -> None:
        """Begin to follow.

        serving     what serves now
        swap        (old, new) -> whether new serves now; it does not where old serves no more
        every       seconds between two looks at the files
        on_change   called with None once other rules serve, and with the error where files do not load
        """
        self.reloads = 0
        self.error: Exception | None = None
        self._serving, self._swap, self._settings, self._on_change = serving, swap, settings, on_change
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(every,), name="tierbreak-watch", daemon=True)
        self._thread.start()

    def _follow(self, every: float) -> None:
        for seen in changes(self._look, self._stop, every=every):
            old = self._serving()
            try:
                new = old.again(self._settings)
            except Exception as error:  # whatever it is, the old rules serve on
                if self._look() == seen:  # else files came or went while they were read: they are seen anew
                    self._failed(error)
                continue
            if self._stop.is_set() or not self._swap(old, new):
                continue
            mended, self.error = self.error is not None, None
            if new.fingerprints != old.fingerprints:
                self.reloads += 1
                log.info("rulebook %s serves", new.book.fingerprint[:16])
            elif not mended:
                continue
            self._tell(None)

    def _look(self) -> Any:
        # The bundle as well: after a reload of another one its files are followed.
        bundle = self._serving().bundle
        others = [*bundle.registries, *(folder / REGISTRY for folder in bundle.rules)]
        return bundle, stamps(bundle.rules, others)

    def _failed(self, error: Exception) -> None:
        self.error = error
        log.warning(
            "the rules on disk do not load, the old ones serve on: %s",
            error,
            exc_info=None if isinstance(error, TierbreakError) else error,
        )
        self._tell(error)

    def _tell(self, error: Exception | None) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(error)
        except Exception:
            log.exception("on_change failed; the files are followed on")

    def stop(self) -> None:
        """Follow no more; returns once nothing more is swapped in. Stopping twice does nothing."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
