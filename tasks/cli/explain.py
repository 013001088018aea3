"""The command ``butler explain``: why a pixel of a coadd is what it is."""

from __future__ import annotations

import click

from butler.cli.arguments import format_option, open_butler, repository_argument, words_option
from butler.cli.command import command
from butler.cli.output import print_rows

__all__ = ["explain"]

_SHOWN = (
    "visit", "state", "value", "scaled_value", "variance", "weight", "planes", "rule", "footprint", "overlap",
)  # fmt: skip


@command("explain")
@repository_argument
@click.option("--ra", type=float, help="Right ascension, degrees.")
@click.option("--dec", type=float, help="Declination, degrees.")
@click.option("--tract", type=int, help="Tract, with --patch and --pixel in place of a position.")
@click.option("--patch", type=int, help="Patch.")
@click.option("--pixel", type=(int, int), metavar="X Y", help="Pixel of the tract.")
@click.option("--band", help="Band, where there are several.")
@click.option("--skymap", help="Sky map, where there are several.")
@click.option("--coadd", default="deepCoadd", show_default=True, help="Dataset type of the coadd.")
@words_option("--collections", help="Collections to search, in order; all runs if not given.")
@format_option
def explain(
    repo: str,
    ra: float | None,
    dec: float | None,
    tract: int | None,
    patch: int | None,
    pixel: tuple[int, int] | None,
    band: str | None,
    skymap: str | None,
    coadd: str,
    collections: list[str],
    style: str,
) -> None:
    """Show what each visit has to do with a pixel of a coadd.

    For each visit: its value, weight and mask planes, and whether it was used, masked or clipped, by which
    rule and as part of which artifact. The coadd's own value is recomputed from them; if it differs, the
    exit status is 1.
    """
    from ..errors import ExplainPlaceError
    from ..explain_pixel import explain_pixel

    x, y = pixel or (None, None)
    with open_butler(repo) as butler:
        try:
            table = explain_pixel(
                butler, ra=ra, dec=dec, tract=tract, patch=patch, x=x, y=y, band=band, skymap=skymap,
                collections=collections or None, coadd=coadd,
            )  # fmt: skip
        except ExplainPlaceError as error:
            raise click.UsageError(str(error)) from error
    rows = [[_plain(row[name]) for name in _SHOWN] for row in table]
    print_rows(_SHOWN, rows, style)
    meta = table.meta
    click.echo(
        f"{meta['coadd']}, pixel ({meta['x']}, {meta['y']}) at {meta['ra']:.6f}, {meta['dec']:+.6f}: "
        f"{meta['statistic']} {meta['value']:.7g}, variance {meta['variance']:.7g}, "
        f"planes {meta['planes'] or 'none'}",
        err=True,
    )
    if meta["interpolated"]:
        click.echo("no visit has data there; the value was interpolated from the neighbours", err=True)
    elif meta["match"]:
        click.echo("recomputed from the visits: the same", err=True)
    else:
        raise click.ClickException(
            f"recomputed from the visits: {meta['recomputed']:.7g}, variance "
            f"{meta['recomputed_variance']:.7g}; the coadd was made of other warps, or changed afterwards"
        )


def _plain(value: object) -> object:
    """Return a cell as a number or text that all formats of output know; seven digits tell a pixel."""
    own = value.item() if hasattr(value, "item") else value
    return float(f"{own:.7g}") if isinstance(own, float) else own
