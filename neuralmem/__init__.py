"""neuralmem: the mechanisms of the book *Neural Memory Agents*, one module per chapter."""

from importlib import import_module

_HOMES = {
    "ContinualLearningAgent": "agent",
    "ExperienceReplay": "replay",
    "MemoryConfig": "bank",
    "MemoryController": "controller",
    "MetaLearner": "meta",
    "NeuralMemoryBank": "bank",
}
__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name):
    """Import a class at its first use, so that `python -m neuralmem.doctor` runs where torch is missing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
