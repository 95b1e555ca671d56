"""Nothing leaves the machine: no socket, no file but in the state folder, no thread that would send something later."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: From here on whatever asks the kernel for a socket, a thread of a library's own included, ends the process at once
#: (SIGSYS). A filter of six instructions: is it `socket`, and of another family than AF_UNIX?
BAN = """
import ctypes, os, struct
number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
family = (0x20, 0, 0, 16), (0x15, 1, 0, 1)
rows = (0x20, 0, 0, 0), (0x15, 0, 3, number), *family, (6, 0, 0, 1 << 31), (6, 0, 0, 0x7FFF0000)
filter = b"".join(struct.pack("HBBI", *row) for row in rows)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.byref(Program(6, filter)), 0, 0) == 0
"""

THREADS = "sorted(open(f'/proc/self/task/{one}/comm').read().strip() for one in os.listdir('/proc/self/task'))"


def run(code: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python with a home and nothing else of this process's environment but the path to this package."""
    kept = {name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "PATH")}
    given = {**kept, "HOME": str(home), "OPENBLAS_NUM_THREADS": "1", **variables}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=given)


pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux")


def test_the_ban_is_one(tmp_path):
    done = run(BAN + "import socket\nsocket.socket(socket.AF_UNIX)\nprint(1, flush=True)\nsocket.socket()", tmp_path)
    assert (done.stdout, done.returncode) == ("1\n", -31)


def test_an_engine_opens_no_socket_and_writes_to_its_state_folder_only(state, tmp_path):
    code = BAN + (
        "import tierbreak\n"
        "with tierbreak.Engine.load() as engine:\n"
        "    print(engine.classify_one('SOME BAKERY').tier, engine.classify_one('PLANET FITNES').brand)"
    )
    done = run(code, tmp_path, TIERBREAK_STATE=str(state))
    assert (done.stdout, done.returncode) == ("None planet-fitness\n", 0), done.stderr
    assert [*tmp_path.rglob("*")] == []


@pytest.mark.parametrize("module", ["tierbreak.tiers.model.runtime", "tierbreak.tools.models.training.runs"])
def test_no_thread_waits_to_send_anything(module, tmp_path):
    """An uploader would wait for seconds before it asks for a socket; it is a thread from the import on."""
    pytest.importorskip("onnx", reason="the extra `train` is not installed")
    code = f"import os, numpy, polars, tokenizers\nbefore = {THREADS}\nimport {module}\nprint({THREADS} == before)"
    done = run(code, tmp_path)
    assert done.stdout == "True\n", done.stderr
    assert [*tmp_path.rglob("*")] == []


@pytest.mark.parametrize(("given", "stands"), [({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")])
def test_children_inherit_the_switch_and_the_users_word_stands(given, stands, tmp_path):
    code = "import os, tierbreak.tiers.model.runtime\nprint(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert run(code, tmp_path, **given).stdout == f"{stands}\n"
