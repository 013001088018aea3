"""The ``butler`` command: parse, call, print."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import ValidationError
from tqdm import tqdm

from .errors import ButlerError, ButlerUserError

__all__ = ["ErrorsInOneLine", "main", "repository_argument"]

repository_argument = click.argument("repo", type=click.Path(path_type=Path))
_where = click.option(
    "--where", default="", help="Condition, for example \"visit IN (1..9) AND band = 'i'\"."
)
_limit = click.option("--limit", type=click.IntRange(min=1), help="Most rows to print.")
_order_by = click.option("--order-by", multiple=True, help="Name to sort by; -name for descending.")
_format = click.option(
    "--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
_collections = click.option("--collections", multiple=True, help="Collections to search, in order.")


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


@main.command()
@repository_argument
def create(repo: Path) -> None:
    """Make an empty repository in the directory REPO."""
    from .butler import Butler

    Butler.makeRepo(repo)
    click.echo(f"made a repository at {repo}", err=True)


@main.command("ingest-exposures")
@repository_argument
@click.argument("locations", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--camera", type=click.Path(path_type=Path), help="YAML file that maps header cards.")
@click.option("--output-run", default="raw/all", show_default=True, help="RUN for the datasets.")
@click.option(
    "-t",
    "--transfer",
    type=click.Choice(["copy", "symlink", "hardlink", "direct"]),
    default="copy",
    show_default=True,
)
@click.option("--bad-pixel-mask", type=click.Path(path_type=Path), help="Image that is not 0 at bad pixels.")
@click.option(
    "--weight",
    metavar="PATTERN",
    help="Inverse variance of each exposure, for example '{dir}/{stem}.weight.fits'.",
)
def ingest_exposures(
    repo: Path,
    locations: tuple[Path, ...],
    camera: Path | None,
    output_run: str,
    transfer: str,
    bad_pixel_mask: Path | None,
    weight: str | None,
) -> None:
    """Ingest flattened exposures: FITS files, or directories of them."""
    from . import ingest
    from .butler import Butler

    with Butler(repo, writeable=True) as butler:
        report = ingest.ingest_exposures(
            butler,
            ingest.expand_paths(locations),
            run=output_run,
            camera=None if camera is None else ingest.CameraMapping.load(camera),
            transfer=transfer,
            bad_pixel_mask=bad_pixel_mask,
            weight_name=None if weight is None else _weight_name(weight),
            progress=_progress("ingest"),
        )
    counts = f"{len(report.ingested)} datasets ingested, {len(report.skipped)} files were there already"
    click.echo(f"{counts}, {len(report.failed)} failed", err=True)
    for path, reason in report.failed:
        click.echo(f"{path}: {reason}", err=True)
    if report.failed:
        raise click.exceptions.Exit(1)


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
    from .butler import Butler
    from .ingest import observed_regions, register_sky_map
    from .skymaps import discrete_sky_map_around, make_sky_map

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


@main.command("register-dataset-type")
@repository_argument
@click.argument("name")
@click.argument("storage_class")
@click.argument("dimensions", nargs=-1)
def register_dataset_type(repo: Path, name: str, storage_class: str, dimensions: tuple[str, ...]) -> None:
    """Register the dataset type NAME."""
    from .butler import Butler
    from .datasets import DatasetType

    with Butler(repo, writeable=True) as butler:
        new = butler.registry.registerDatasetType(DatasetType(name, dimensions, storage_class))
    click.echo("registered" if new else "it was there already", err=True)


@main.command("collection-chain")
@repository_argument
@click.argument("parent")
@click.argument("children", nargs=-1)
@click.option(
    "--mode",
    type=click.Choice(["redefine", "extend", "remove", "prepend"]),
    default="redefine",
    show_default=True,
)
def collection_chain(repo: Path, parent: str, children: tuple[str, ...], mode: str) -> None:
    """Define the chain PARENT, or change its CHILDREN."""
    from .butler import Butler
    from .registry import CollectionType

    names = [name for child in children for name in child.split(",")]
    with Butler(repo, writeable=True) as butler, butler.transaction():
        if mode != "remove":
            butler.collections.register(parent, CollectionType.CHAINED)
        edit = {
            "redefine": butler.collections.redefine_chain,
            "extend": butler.collections.extend_chain,
            "remove": butler.collections.remove_from_chain,
            "prepend": butler.collections.prepend_chain,
        }[mode]
        edit(parent, names)
        info = butler.collections.get_info(parent)
    click.echo(f"[{', '.join(info.children)}]")


@main.command("query-collections")
@repository_argument
@click.argument("glob", nargs=-1)
@_format
def query_collections(repo: Path, glob: tuple[str, ...], style: str) -> None:
    """List collections."""
    with _open(repo) as butler:
        infos = butler.collections.query_info(glob or "*")
    rows = [(info.name, info.type.value, ", ".join(info.children)) for info in infos]
    _print_rows(("Name", "Type", "Children"), rows, style)


@main.command("query-dataset-types")
@repository_argument
@click.argument("glob", default="*")
@_format
def query_dataset_types(repo: Path, glob: str, style: str) -> None:
    """List dataset types."""
    with _open(repo) as butler:
        types = [registered.type for registered in butler.registry.datasets.query_types(glob)]
    rows = [(t.name, " ".join(t.dimensions.required), t.storageClass_name) for t in types]
    _print_rows(("name", "dimensions", "storage class"), rows, style)


@main.command("query-datasets")
@repository_argument
@click.argument("dataset_type")
@_collections
@_where
@_order_by
@_limit
@click.option("--show-uri", is_flag=True, help="Print the file of each dataset.")
@_format
def query_datasets(
    repo: Path,
    dataset_type: str,
    collections: tuple[str, ...],
    where: str,
    order_by: tuple[str, ...],
    limit: int | None,
    show_uri: bool,
    style: str,
) -> None:
    """List the datasets of a type."""
    with _open(repo) as butler:
        names = list(collections) or _all_runs(butler)
        refs = butler.query_datasets(dataset_type, names, where=where, order_by=order_by, limit=limit)
        files = butler.registry.files.get([ref.id for ref in refs]) if show_uri else {}
    keys = refs[0].dataId.dimensions.data_coordinate_keys
    header = ("type", "run", "id", *keys, *(("URI",) if show_uri else ()))
    rows = [
        (
            ref.datasetType.name,
            ref.run,
            str(ref.id),
            *(ref.dataId[key] for key in keys),
            *((files[ref.id].path,) if ref.id in files else ()),
        )
        for ref in refs
    ]
    _print_rows(header, rows, style)


@main.command("query-data-ids")
@repository_argument
@click.argument("dimensions", nargs=-1, required=True)
@_where
@_order_by
@_limit
@_format
def query_data_ids(
    repo: Path,
    dimensions: tuple[str, ...],
    where: str,
    order_by: tuple[str, ...],
    limit: int | None,
    style: str,
) -> None:
    """List the data IDs of some dimensions."""
    with _open(repo) as butler:
        ids = butler.query_data_ids(dimensions, where=where, order_by=order_by, limit=limit)
    _print_rows(tuple(ids[0]), [tuple(data_id.values()) for data_id in ids], style)


@main.command("query-dimension-records")
@repository_argument
@click.argument("element")
@_where
@_order_by
@_limit
@_format
def query_dimension_records(
    repo: Path, element: str, where: str, order_by: tuple[str, ...], limit: int | None, style: str
) -> None:
    """List the records of a dimension."""
    with _open(repo) as butler:
        records = butler.query_dimension_records(element, where=where, order_by=order_by, limit=limit)
    rows = [record.toDict() for record in records]
    for row in rows:
        if row.get("region") is not None:
            row["region"] = "(elided)"
    _print_rows(tuple(rows[0]), [tuple(row.values()) for row in rows], style)


@main.command()
@repository_argument
@click.option("--repair", is_flag=True, help="Remove orphaned files, and datasets without their file.")
@click.option("--checksums/--no-checksums", default=True, help="Whether to read every file.")
def verify(repo: Path, repair: bool, checksums: bool) -> None:
    """Compare the registry with the files; while nothing else writes."""
    with _open(repo, writeable=repair) as butler:
        report = butler.verify(repair=repair, checksums=checksums)
    for dataset_id in report.missing:
        click.echo(f"missing: the file of dataset {dataset_id}")
    for text in report.damaged.values():
        click.echo(f"damaged: {text}")
    for path in report.orphans:
        click.echo(f"orphan: {path}")
    click.echo(f"{report.n_checked} datasets checked", err=True)
    if not report.is_clean and not repair:
        click.echo(f"mend it with: butler verify {repo} --repair", err=True)
        raise click.exceptions.Exit(1)


@main.command()
@repository_argument
@click.argument("dataset_type")
@click.argument("data_id", nargs=-1)
@_collections
@click.option("--bbox", help="Box x0..x1,y0..y1 in parent pixels; everything if not given.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Picture to write; TYPE.png if not given."
)
@click.option("--mask/--no-mask", default=True, help="Whether to lay the mask planes over the image.")
def show(
    repo: Path,
    dataset_type: str,
    data_id: tuple[str, ...],
    collections: tuple[str, ...],
    bbox: str | None,
    output: Path | None,
    mask: bool,
) -> None:
    """Draw an image dataset; DATA_ID is key=value ..."""
    from .images import Box2I
    from .pictures import draw_dataset

    parameters = {"bbox": Box2I.parse(bbox)} if bbox else {}
    target = output or Path(f"{dataset_type}.png")
    with _open(repo) as butler:
        names = list(collections) or _all_runs(butler)
        handle = butler.getDeferred(
            dataset_type, _parse_data_id(data_id), collections=names, parameters=parameters
        )
        draw_dataset(handle.get(), target, title=str(handle.ref), with_mask=mask)
    click.echo(str(target))


def _open(repo: Path, *, writeable: bool = False) -> Any:
    from .butler import Butler

    return Butler(repo, writeable=writeable)


def _all_runs(butler: Any) -> list[str]:
    """Return all runs, newest first: where a command searches that names no collections."""
    from .registry import CollectionType

    return list(reversed(butler.collections.query("*", CollectionType.RUN)))


def _parse_data_id(words: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` words; values of integer dimensions become integers."""
    from .dimensions import UNIVERSE

    values: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"write the data ID as key=value, not {word!r}")
        definition = UNIVERSE[key].key
        is_number = definition is not None and definition.type is int
        try:
            values[key] = int(value) if is_number else value
        except ValueError:
            raise click.UsageError(f"{key} needs an integer, not {value!r}") from None
    return values


def _weight_name(pattern: str) -> Callable[[Path], Path]:
    """Return the function from an exposure's file to that of its weight."""
    return lambda path: Path(
        pattern.replace("{dir}", str(path.parent)).replace("{stem}", path.stem).replace("{name}", path.name)
    )


def _progress(description: str) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return a wrapper that shows a progress bar for work of more than a second."""
    return lambda items: tqdm(items, desc=description, delay=1, leave=False)


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


def _print_rows(header: Sequence[str], rows: Sequence[Sequence[Any]], style: str) -> None:
    """Print rows; the standard output carries nothing else."""
    if style == "json":
        click.echo(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1, default=str))
        return
    if style == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        return
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [
        max(len(name), *(len(row[i]) for row in texts)) if texts else len(name)
        for i, name in enumerate(header)
    ]
    for line in [list(header), ["-" * width for width in widths], *texts]:
        click.echo(" ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
