"""Command: a command that also reads its options from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import did_you_mean
from .yaml_files import load_mapping

__all__ = ["Command", "command", "debug_option", "is_debugging", "start_debugging"]

_DEBUG = "butler.debug"


def _note_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        start_debugging(ctx)


def start_debugging(ctx: click.Context) -> None:
    """Have tracebacks shown."""
    ctx.meta[_DEBUG] = True


def is_debugging(ctx: click.Context) -> bool:
    """Tell whether the user wants to see tracebacks."""
    return bool(ctx.meta.get(_DEBUG))


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_note_debug,
    help="Show the traceback of an error.",
)


class Command(click.Command):
    """A command with the options that every command has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [_options_file_option(), *_params_of(debug_option)]


def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Return the decorator that makes a function the command of a name."""
    return click.command(name, cls=Command, context_settings={"help_option_names": ["-h", "--help"]})


def _params_of(decorator: Callable[[Any], Any]) -> list[click.Parameter]:
    """Return the parameters that a decorator of click adds."""

    def function() -> None: ...

    decorator(function)
    found: list[click.Parameter] = function.__click_params__  # type: ignore[attr-defined]
    return found


def _options_file_option() -> click.Option:
    return click.Option(
        ["-@", "--options-file"],
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_read_options_file,
        help="YAML file with options by command, for those not given here.",
    )


def _read_options_file(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Take defaults for a command's parameters from a file.

    The file holds, for each command, a mapping of the long names of options, or names of arguments, to
    values.
    """
    if path is None:
        return
    name = str(ctx.info_name)
    section = _section(path, name)
    known = {key: parameter for parameter in ctx.command.params for key in _names(parameter)}
    defaults = {}
    for key, value in section.items():
        parameter = known.get(str(key).lower().replace("_", "-"))
        if parameter is None or parameter.name is None:
            raise click.UsageError(f"{path}: {name} has no option {key!r}{did_you_mean(str(key), known)}")
        is_one_of_many = _takes_many(parameter) and not isinstance(value, list)
        defaults[parameter.name] = [value] if is_one_of_many else value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _section(path: Path, name: str) -> Mapping[Any, Any]:
    sections = load_mapping(path)
    if not isinstance(sections.get(name, {}), dict):
        raise click.UsageError(f"{path} must hold a mapping of options for {name}")
    if name not in sections:
        hint = did_you_mean(name, map(str, sections)) or "; it is empty"
        raise click.UsageError(f"{path} has no options for {name}{hint}")
    section: Mapping[Any, Any] = sections[name]
    return section


def _names(parameter: click.Parameter) -> set[str]:
    """Return the names of a parameter in a file: long options, or that of the argument."""
    names = [option for option in parameter.opts if option.startswith("--")]
    if isinstance(parameter, click.Argument):
        names = [parameter.name or ""]
    return {name.removeprefix("--").replace("_", "-") for name in names}


def _takes_many(parameter: click.Parameter) -> bool:
    return parameter.multiple or parameter.nargs == -1
