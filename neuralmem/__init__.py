"""neuralmem: the mechanisms of the book *Neural Memory Agents*, one module per chapter."""

from .bank import MemoryConfig, NeuralMemoryBank
from .controller import MemoryController

__all__ = ["MemoryConfig", "MemoryController", "NeuralMemoryBank"]
__version__ = "0.1.0"
