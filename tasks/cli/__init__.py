"""The command lines of tasks."""

from .main import main

__all__ = ["main"]
