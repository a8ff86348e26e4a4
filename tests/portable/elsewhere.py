"""Run a process, and every process that it starts, as on another machine: `settings(seed)` gives the variables.

Three things differ from one machine to the next, and all three are decided by a seed. The arithmetic (arithmetic.py);
what PyTorch, MKL and NumPy make of the processor, as far as this one can pass for an older one; and the state of the
global random generators at the start, on which nothing may depend.
"""

import os
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED, ARITHMETIC = "NEURALMEM_ELSEWHERE_SEED", "NEURALMEM_ELSEWHERE_ARITHMETIC"
OLDER = [  # what the processor passes for, one after the other; seed 0 has the first
    {},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ATEN_CPU_CAPABILITY": "default"},
    {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    {"NPY_DISABLE_CPU_FEATURES": "newest"},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ATEN_CPU_CAPABILITY": "default", "NPY_DISABLE_CPU_FEATURES": "newest"},
]


def numpy_features():
    """Return the processor's features that NumPy can do without here, in the form of NPY_DISABLE_CPU_FEATURES."""
    try:
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    except ImportError:  # NumPy 1
        from numpy.core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))


def settings(seed, arithmetic=True):
    """Return the variables under which a process, and what it starts, runs as on machine number `seed`.

    Without `arithmetic` only what this processor can pass for and the global random generators differ.
    """
    chosen = dict(OLDER[seed % len(OLDER)])
    if "NPY_DISABLE_CPU_FEATURES" in chosen:
        chosen["NPY_DISABLE_CPU_FEATURES"] = numpy_features()
    path = [str(HERE / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**chosen, SEED: str(seed), ARITHMETIC: str(int(arithmetic)), "PYTHONPATH": os.pathsep.join(path)}


def begin():
    """Do in this process what the variables say, if they are set; called when torch is imported (site/)."""
    if SEED not in os.environ:
        return
    import numpy as np
    import torch

    seed = int(os.environ[SEED])
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the global generator is meant)
    torch.manual_seed(seed)
    if os.environ[ARITHMETIC] == "1":
        sys.path.insert(0, str(HERE))
        import arithmetic

        sys.path.remove(str(HERE))
        arithmetic.activate(seed)
