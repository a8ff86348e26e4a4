"""Python runs this at its start where PYTHONPATH says so: once torch is imported, the process is on another machine.

So every process counts, those that tests and notebooks start as well: kernels, workers, a training that is killed.
"""

import importlib.util
import sys
from pathlib import Path


class AfterTorch:
    """Finds torch as Python does, and calls `elsewhere.begin` when its import is over."""

    def find_spec(self, name, path=None, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
                import elsewhere

                sys.path.pop(0)
                elsewhere.begin()

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, AfterTorch())
