"""neuralmem: the mechanisms of the book *Neural Memory Agents*, one module per chapter."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers, which do not run __getattr__
    from .agent import ContinualLearningAgent
    from .bank import MemoryConfig, NeuralMemoryBank
    from .controller import MemoryController
    from .meta import MetaLearner
    from .replay import ExperienceReplay

__all__ = [
    "ContinualLearningAgent",
    "ExperienceReplay",
    "MemoryConfig",
    "MemoryController",
    "MetaLearner",
    "NeuralMemoryBank",
]
__version__ = "0.1.0"
_HOMES = {
    "ContinualLearningAgent": "agent",
    "ExperienceReplay": "replay",
    "MemoryConfig": "bank",
    "MemoryController": "controller",
    "MetaLearner": "meta",
    "NeuralMemoryBank": "bank",
}


def __getattr__(name: str) -> Any:
    """Import a class at its first use, so that `python -m neuralmem.doctor` runs where torch is missing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """Every name of this module and the classes, imported or not."""
    return sorted({*globals(), *__all__})
