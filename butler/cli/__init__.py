"""The ``butler`` command: parse, call, print."""

from .arguments import format_option, open_butler, repository_argument
from .command import command
from .main import CommandWithErrorsInOneLine, ErrorsInOneLine, main
from .output import print_rows

__all__ = [
    "CommandWithErrorsInOneLine",
    "ErrorsInOneLine",
    "command",
    "format_option",
    "main",
    "open_butler",
    "print_rows",
    "repository_argument",
]
