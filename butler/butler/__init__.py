"""The front door of the package."""

from .butler import Butler
from .existence import DatasetExistence

__all__ = ["Butler", "DatasetExistence"]
