"""Commands that make a repository, and print how it is set up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .arguments import open_butler, repository_argument
from .command import command
from .yaml_files import load_mapping

if TYPE_CHECKING:
    from ..repository import RepositoryConfig


@command("create")
@repository_argument
@click.option(
    "--registry-db",
    "registry",
    metavar="URL",
    help="PostgreSQL database for the registry, as postgresql://host/database; a SQLite file if not given.",
)
@click.option(
    "--namespace", help="PostgreSQL schema for the tables; one for each repository.  [default: butler]"
)
@click.option(
    "--seed-config",
    type=click.Path(path_type=Path),
    help="YAML file with settings of the new butler.yaml, those that are not the defaults.",
)
@click.option(
    "--override",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting over that of --seed-config, for example checksum=false or templates.calexp='{run}/...'.",
)
@click.option(
    "--datastore-root",
    "datastore",
    metavar="URL",
    help="Where files go, for example s3://bucket/prefix; the directory REPO if not given.",
)
def create(repo: str, seed_config: Path | None, overrides: tuple[str, ...], **given: str | None) -> None:
    """Make an empty repository in the directory REPO.

    A password for the database is read from ~/.pgpass, PGPASSWORD or a libpq service, never from the URL.
    """
    from ..butler import Butler

    if given["namespace"] and not given["registry"]:
        raise click.UsageError("--namespace is of a PostgreSQL database; give --registry-db, too")
    values = {} if seed_config is None else load_mapping(seed_config)
    for text in overrides:
        _override(values, text)
    values |= {name: value for name, value in given.items() if value}
    Butler.makeRepo(repo, _settings(values, str(seed_config or "settings")) if values else None)
    click.echo(f"made a repository at {repo}", err=True)


def _override(values: dict[str, Any], text: str) -> None:
    """Set one value, named by a path with dots."""
    from ..safe_yaml import load_yaml

    path, equals, value = text.partition("=")
    *above, key = path.split(".")
    if not equals or not all([*above, key]):
        raise click.UsageError(f"write --override KEY=VALUE, not {text!r}")
    for name in above:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise click.UsageError(f"{name!r} in {text!r} is a value, it has no parts")
    values[key] = load_yaml(value, f"the value of {text!r}")


def _settings(values: dict[str, Any], source: str) -> RepositoryConfig:
    """Return the settings of a repository, the defaults but for some values."""
    from ..errors import ButlerUserError, did_you_mean
    from ..repository import RepositoryConfig

    known = RepositoryConfig.model_fields.keys() - {"root", "id"}
    for name in values:
        if name not in known:
            raise ButlerUserError(f"{source}: no setting {name!r}{did_you_mean(str(name), known)}")
    if isinstance(values.get("templates"), dict):
        # A template for one dataset type takes nothing from the others.
        values["templates"] = {**RepositoryConfig().templates, **values["templates"]}
    try:
        return RepositoryConfig.make(**values)
    except ButlerUserError as error:
        error.add_note(f"in {source}")
        raise


@command("config-dump")
@repository_argument
@click.option("-s", "--subset", metavar="KEY", help="Print only this setting, for example templates.default.")
@click.option("--file", "target", type=click.Path(path_type=Path), help="File to print into.")
def config_dump(repo: str, subset: str | None, target: Path | None) -> None:
    """Print the configuration of a repository, with all defaults, as YAML."""
    import yaml

    from ..errors import did_you_mean
    from ..repository import RepositoryConfig

    with open_butler(repo) as butler:
        values: Any = RepositoryConfig.load(butler.root).model_dump(mode="json")
    for key in subset.split(".") if subset else ():
        if not isinstance(values, dict) or key not in values:
            known = values if isinstance(values, dict) else ()
            raise click.UsageError(f"no setting {subset!r}{did_you_mean(key, known)}")
        values = values[key]
    text = values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False)
    if target is None:
        click.echo(text.rstrip("\n"))
    else:
        target.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
