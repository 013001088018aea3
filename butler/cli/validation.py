"""The command that looks for mistakes in the configuration of a repository."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .arguments import open_butler, repository_argument, words_option
from .command import command

if TYPE_CHECKING:
    from ..butler import Butler
    from ..repository import RepositoryConfig


@command("config-validate")
@repository_argument
@words_option("-d", "--dataset-type", "only", help="Dataset types to look at; all if not given.")
@words_option("-i", "--ignore", help="Dataset types to leave out.")
def config_validate(repo: str, only: list[str], ignore: list[str]) -> None:
    """Look for mistakes in butler.yaml: settings, templates, names that mean nothing.

    The exit status is 1 if there are any.
    """
    from ..repository import RepositoryConfig

    # Opening it reads all settings and templates: what is wrong with these is an error at once.
    with open_butler(repo) as butler:
        settings = RepositoryConfig.load(butler.root)
        found = [*_strange_names(butler, settings), *_unstorable(butler, only, ignore)]
    for fault in found:
        click.echo(fault)
    if found:
        raise click.exceptions.Exit(1)
    click.echo("no mistake found", err=True)


def _strange_names(butler: Butler, settings: RepositoryConfig) -> Iterator[str]:
    """Yield what is set for dataset types, instruments or storage classes that there are not."""
    from ..datasets import STORAGE_CLASSES
    from ..errors import did_you_mean

    types = [registered.type.name for registered in butler.registry.datasets.query_types()]
    instruments = [str(r["instrument"]) for r in butler.registry.records.fetch_all("instrument")]
    for name in settings.compression:
        if name not in types:
            yield f"compression: there is no dataset type {name!r}{did_you_mean(name, types)}"
    own = {key: value for key, value in settings.templates.items() if not isinstance(value, str)}
    general = {key: value for key, value in settings.templates.items() if isinstance(value, str)}
    known = (*types, *STORAGE_CLASSES, "default")
    for section, templates in {"": general, **own}.items():
        instrument = section.removeprefix("instrument<").removesuffix(">")
        if section and instrument not in instruments:
            hint = did_you_mean(instrument, instruments)
            yield f"templates: there is no instrument {instrument!r}{hint}"
        for key in templates:
            if "+" not in key and key not in known:
                yield f"templates: {key!r} is no dataset type and no storage class{did_you_mean(key, known)}"


def _unstorable(butler: Butler, only: list[str], ignore: list[str]) -> Iterator[str]:
    """Yield what keeps datasets of registered types from being written."""
    from ..errors import StorageClassError
    from ..formatters import formatter_for

    for registered in butler.registry.datasets.query_types():
        kind = registered.type
        if (only and kind.name not in only) or kind.name in ignore:
            continue
        try:
            formatter_for(kind.storageClass)
        except StorageClassError as error:
            yield f"dataset type {kind.name}: {error}"
