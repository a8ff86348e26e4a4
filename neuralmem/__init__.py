"""neuralmem: the mechanisms of the book *Neural Memory Agents*, one module per chapter."""

__version__ = "0.1.0"
