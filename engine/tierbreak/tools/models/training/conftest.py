"""Without the extra `train` there is no torch: doctests of the modules that need it are left out."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["net.py", "train.py"]
