"""Commands that make repositories, and dataset types and sky maps in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import ValidationError

from ..errors import ButlerUserError
from .arguments import repository_argument
from .main import main


@main.command()
@repository_argument
@click.option(
    "--registry-db",
    metavar="URL",
    help="PostgreSQL database for the registry, as postgresql://host/database; a SQLite file if not given.",
)
@click.option(
    "--namespace", help="PostgreSQL schema for the tables; one for each repository.  [default: butler]"
)
def create(repo: Path, registry_db: str | None, namespace: str | None) -> None:
    """Make an empty repository in the directory REPO.

    A password for the database is read from ~/.pgpass, PGPASSWORD or a libpq service, never from the URL.
    """
    from ..butler import Butler
    from ..repository import RepositoryConfig

    if namespace and not registry_db:
        raise click.UsageError("--namespace is of a PostgreSQL database; give --registry-db, too")
    given = {"registry": registry_db, "namespace": namespace}
    Butler.makeRepo(repo, RepositoryConfig.make(**{name: value for name, value in given.items() if value}))
    click.echo(f"made a repository at {repo}", err=True)


@main.command("register-dataset-type")
@repository_argument
@click.argument("name")
@click.argument("storage_class")
@click.argument("dimensions", nargs=-1)
def register_dataset_type(repo: Path, name: str, storage_class: str, dimensions: tuple[str, ...]) -> None:
    """Register the dataset type NAME."""
    from ..butler import Butler
    from ..datasets import DatasetType

    with Butler(repo, writeable=True) as butler:
        new = butler.registry.registerDatasetType(DatasetType(name, dimensions, storage_class))
    click.echo("registered" if new else "it was there already", err=True)


@main.command("register-skymap")
@repository_argument
@click.option("--name", help="Name of the sky map; that of the file if not given.")
@click.option(
    "-C", "--config-file", type=click.Path(path_type=Path), help="YAML file with the sky map's config."
)
@click.option("--discrete", is_flag=True, help="One tract around the exposures in the repository.")
@click.option("--where", default="", help="With --discrete: which exposures.")
@click.option("--pixel-scale", type=float, default=0.2, show_default=True, help="With --discrete: arcsec.")
@click.option("--projection", default="TAN", show_default=True, help="With --discrete.")
@click.option(
    "--patch-inner-dimensions",
    type=int,
    nargs=2,
    default=(4000, 4000),
    show_default=True,
    help="With --discrete.",
)
@click.option("--patch-border", type=int, default=100, show_default=True, help="With --discrete.")
def register_skymap(
    repo: Path, name: str | None, config_file: Path | None, discrete: bool, where: str, **geometry: Any
) -> None:
    """Register a sky map, from a YAML file or around the exposures."""
    from ..butler import Butler
    from ..ingest import observed_regions, register_sky_map
    from ..skymaps import discrete_sky_map_around, make_sky_map

    if discrete == (config_file is not None):
        raise click.UsageError("give either --config-file or --discrete")
    with Butler(repo, writeable=True) as butler:
        if discrete:
            with _as_user_error("cannot make a sky map"):
                sky_map: Any = discrete_sky_map_around(observed_regions(butler, where), **geometry)
        else:
            config = _load_yaml(config_file)
            stored = config.pop("skymap_name", None)
            name = name or (stored and str(stored))
            with _as_user_error(f"{config_file}"):
                sky_map = make_sky_map(config)
        name = name or "discrete"
        ref = register_sky_map(butler, name, sky_map)
    n_patches = sum(len(tract) for tract in sky_map) if len(sky_map) < 1000 else None
    what = f"{len(sky_map)} tracts" + (f", {n_patches} patches" if n_patches is not None else "")
    click.echo(f"sky map {name!r}: {what}{'' if ref else '; it was there already'}", err=True)


def _load_yaml(path: Path | None) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(str(path)).read_bytes())
    except OSError as error:
        raise ButlerUserError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ButlerUserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ButlerUserError(f"{path} holds no mapping of fields to values")
    return values


class _as_user_error:  # noqa: N801 (a context manager)
    """Turn the ValueError of a sky map into a user's error."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValidationError):
            fault = error.errors(include_url=False)[0]
            told = [*(str(part) for part in fault["loc"]), fault["msg"].removeprefix("Value error, ")]
            raise ButlerUserError(f"{self._where}: {': '.join(told)}") from error
        if isinstance(error, ValueError | LookupError | TypeError) and not isinstance(error, ButlerUserError):
            raise ButlerUserError(f"{self._where}: {error}") from error
