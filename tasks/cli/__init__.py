"""The command lines of tasks."""

from typing import TYPE_CHECKING

from butler.late import late_names

if TYPE_CHECKING:
    from .pipetask import main
else:
    # `butler --help` names the commands of this folder, and imports those alone.
    __getattr__ = late_names(__name__, {"pipetask": ["main"]})

__all__ = ["main"]
