"""onnxruntime as this project runs it: nothing sent anywhere, sums of int8 products exact. Its one importer.

Importing onnxruntime starts an uploader of its own and writes a device id below the user's cache folder; its switch is
read then and never again. So it is set here, before the import, and child processes inherit it. A value that the user
has exported stands, whatever it is; and where a program imports onnxruntime before this package, it must set
ORT_DISABLE_TELEMETRY=1 itself.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from onnxruntime import InferenceSession as Session
from onnxruntime import SessionOptions, __version__

__all__ = ["VERSION", "Session", "session"]

VERSION: str = __version__


def session(graph: bytes, threads: int) -> Session:
    """Open an ONNX graph for the CPU; raises whatever onnxruntime raises where it cannot.

    threads   cores that one call may use; 0 is all of them
    """
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Shapes change with every batch: a memory pattern would be planned anew each time.
    options.enable_mem_pattern = False
    # Without VNNI (before Ice Lake and Zen 4) onnxruntime's fast product of 8-bit integers saturates at 16 bits, and
    # scores move by 0.02. This takes the exact one there, a tenth slower; elsewhere it changes nothing.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return Session(graph, options, providers=["CPUExecutionProvider"])
