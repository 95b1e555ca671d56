"""How a batch gets to the network and its answer back: at once on a CPU, by graphs and streams on a GPU."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tierbreak.core.tables import TOP_K
from tierbreak.errors import SettingsError
from tierbreak.tiers.model.torch_backend.buckets import Shape

if TYPE_CHECKING:
    import torch

DEVICES, DTYPES = ("cuda", "cpu"), ("bfloat16", "float32")

#: Batches on their way at once: one comes in, one is worked on, one goes out.
RING = 3

#: Runs before a capture, in which libraries choose their kernels.
_WARM = 3

_Int32 = npt.NDArray[np.int32]

#: Takes a batch as `buckets.pack` makes it; returns what waits for its answer, int32 [rows, 2 * TOP_K].
Launch = Callable[[_Int32], Callable[[], _Int32]]


def checked(device: str, dtype: str) -> Any:
    """torch; raises SettingsError where it, or what is asked of it, is not there."""
    for name, found, known in (("device", device, DEVICES), ("dtype", dtype, DTYPES)):
        if found not in known:
            raise SettingsError(f"{name} {found!r} is not known; expected one of: {', '.join(known)}")
    try:
        import safetensors  # noqa: F401  the weights are read with it
        import torch
    except ImportError as error:
        raise SettingsError(
            f"the model was to run in torch, but {error.name} is not installed: pip install 'tierbreak[gpu]'"
        ) from None
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            f"device 'cuda' was asked for, but torch {torch.__version__} sees no GPU; "
            "install a CUDA build of torch and the driver, or set the device to cpu"
        )
    return torch


def share_out(threads: int, device: str) -> None:
    """On a GPU the tokeniser gets all cores but the one that drives the device; on a CPU torch has them all."""
    import torch

    if device == "cuda":
        os.environ.setdefault("RAYON_NUM_THREADS", str(max(1, threads - 1)))
    torch.set_num_threads(1 if device == "cuda" else threads)


def eager(network: Callable[[torch.Tensor], torch.Tensor]) -> Launch:
    """On the CPU: the answer is there when the launch returns."""
    import torch

    def launch(batch: _Int32) -> Callable[[], _Int32]:
        with torch.no_grad():
            found = network(torch.from_numpy(batch)).numpy()
        return lambda: found

    return launch


def replayed(network: Callable[[torch.Tensor], torch.Tensor], given: Sequence[Shape], device: str) -> Launch:
    """On a GPU: a graph a shape, and RING slots between host and device. No more than RING answers may wait.

    A slot is filled anew only when all that was done with it is over, so that nothing is read while it is written.
    Graphs share their memory: all are replayed on one stream, and each one's answer is copied out before the next
    begins.
    """
    import torch

    cuda: Any = torch.cuda  # its streams and events have no types
    compute, copying, pool = cuda.Stream(), cuda.Stream(), cuda.graph_pool_handle()
    captured = {}
    for shape in given:
        batch = torch.ones((shape.rows, 1 + shape.width), dtype=torch.int32, device=device)
        cuda.synchronize()
        with torch.no_grad():
            with cuda.stream(compute):
                for _ in range(_WARM):
                    network(batch)
            graph = cuda.CUDAGraph()
            # thread_local: another engine of this process may be using the device meanwhile.
            with cuda.graph(graph, pool=pool, stream=compute, capture_error_mode="thread_local"):
                answer = network(batch)
        captured[shape.rows, 1 + shape.width] = graph, batch, answer

    size = max(rows * columns for rows, columns in captured)
    most = max(rows for rows, _ in captured)
    slots = deque(
        (
            torch.empty(size, dtype=torch.int32).pin_memory(),
            torch.empty(size, dtype=torch.int32, device=device),
            torch.empty((most, 2 * TOP_K), dtype=torch.int32).pin_memory(),
            cuda.Event(),
            cuda.Event(),
        )
        for _ in range(RING)
    )

    def launch(content: _Int32) -> Callable[[], _Int32]:
        graph, batch, answer = captured[content.shape]
        rows, size = len(content), content.size
        sent, there, back, arrived, done = slots[0]
        slots.rotate(-1)
        done.synchronize()
        sent.numpy()[:size] = content.ravel()
        with cuda.stream(copying):
            there[:size].copy_(sent[:size], non_blocking=True)
            arrived.record()
        with cuda.stream(compute):
            arrived.wait()
            batch.view(-1).copy_(there[:size])
            graph.replay()
            back[:rows].copy_(answer, non_blocking=True)
            done.record()

        def wait() -> _Int32:
            done.synchronize()
            return back[:rows].numpy().copy()

        return wait

    return launch
