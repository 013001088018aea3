"""The front door of the package."""

from .butler import Butler

__all__ = ["Butler"]
