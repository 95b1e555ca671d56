"""Without the extra `train` there is nothing to test here."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("onnx") and find_spec("safetensors") else ["*.py"]
