"""The group of commands, and how their errors are printed."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..errors import ButlerError

__all__ = ["ErrorsInOneLine", "main"]


class ErrorsInOneLine(click.Group):
    """A group of commands whose foreseen errors are printed as one message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; exit with status 1 on such an error."""
        try:
            return super().invoke(ctx)
        except ButlerError as error:
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            raise click.ClickException(f"{error}{notes}") from None
        except BrokenPipeError:
            # The reader of our output, for example ``head``, has seen enough.
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=ErrorsInOneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coadd-butler")
def main() -> None:
    """Find and keep astronomical datasets."""
