"""`tierbreak rules watch`: check the rulebook at every save."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from tierbreak.cli import options

if TYPE_CHECKING:
    from collections.abc import Collection

    from tierbreak.errors import Fault


def watch(rules: options.RulesOption = None, overlay: options.OverlayOption = None) -> None:
    """Check every rule now and after every save, until Ctrl-C.

    The first time all faults are shown, after that those that a save has brought; the line below them counts what is
    there. `tierbreak rules check` shows them all again.
    """
    import threading

    from tierbreak.bundle import REGISTRY, SHIPPED, Bundle
    from tierbreak.cli.output import complain, say
    from tierbreak.errors import TierbreakError
    from tierbreak.settings import Settings
    from tierbreak.tools.rules import checking
    from tierbreak.watch import changes, stamps

    bundle, settings = Bundle.find(rules=rules or SHIPPED, overlay=overlay, model=None), Settings.of()
    registries = [*bundle.registries, *(folder / REGISTRY for folder in bundle.rules)]
    before: frozenset[Fault] = frozenset()
    for _ in changes(lambda: stamps(bundle.rules, registries), threading.Event()):
        start = time.perf_counter()
        gc.disable()  # as for one check: nothing is worth collecting before it is done
        try:
            report = checking.check(bundle.again(), settings)
        except TierbreakError as error:
            complain(str(error))
            continue
        finally:
            gc.enable()
        _show([fault for fault in report.faults if fault not in before])
        mended = len(before.difference(report.faults))
        before = frozenset(report.faults)
        for notice in report.notices:
            say(f"notice: {notice}")
        gone = f", {mended} gone" if mended else ""
        say(f"{time.strftime('%H:%M:%S')}  {report.says()}{gone} ({time.perf_counter() - start:.1f} s)")


def _show(faults: Collection[Fault]) -> None:
    from tierbreak.cli.output import visible
    from tierbreak.tools.rules.checking import FORMATS

    if faults:
        lines = FORMATS["text"](tuple(faults)).splitlines()
        print("\n".join(map(visible, lines)), flush=True)
