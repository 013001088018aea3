"""The options of the init phase of a run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

__all__ = ["init_options"]

_OPTIONS = (
    click.option("--init-only", is_flag=True, help="Prepare the run (types, configs, schemas); run nothing."),
    click.option(
        "--register-dataset-types/--no-register-dataset-types",
        "--register/--no-register",
        "register_dataset_types",
        default=True,
        show_default=True,
        help="Register the dataset types that are written.",
    ),
    click.option("--no-versions", is_flag=True, help="Neither keep nor compare the versions of packages."),
    click.option(
        "--skip-init-writes", is_flag=True, help="Write no configs and schemas; compare those of the run."
    ),
)


def init_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the init phase; the function gets ``init``, `InitOptions`, and ``init_only``."""

    @functools.wraps(function)
    def command(
        *, register_dataset_types: bool, skip_init_writes: bool, no_versions: bool, **options: Any
    ) -> Any:
        from ..execution import InitOptions

        if skip_init_writes and options["init_only"]:
            raise click.UsageError("--init-only writes what --skip-init-writes does not; give one of them")
        init = InitOptions(register_dataset_types, not skip_init_writes, not no_versions)
        return function(init=init, **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
