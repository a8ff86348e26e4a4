"""neuralmem: the mechanisms of the book *Neural Memory Agents*, one module per chapter."""

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
