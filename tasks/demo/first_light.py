"""First light: from exposures to a safe-clipped coadd and a picture of it, in one call."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from butler import Butler, ButlerUserError, CollectionType
from butler.ingest import expand_paths, ingest_exposures, observed_regions, register_sky_map
from butler.regions import SkyRegion
from butler.skymaps import discrete_sky_map_around
from connections import Pipeline, build_graph

from ..execution import QuantumReport, RunListener, RunReport, run_graph
from .figure import draw_first_light
from .survey import simulate_survey
from .survey_config import SurveyConfig
from .survey_files import write_survey

__all__ = ["FirstLight", "first_light"]

MARKER: Final = ".first_light"
"""A file that says that a directory was made here and may be made anew."""
SKY_MAP: Final = "first_light"
SAME_WEIGHTS: Final = {"assembleCoadd": {"sigmaClip": 1.5, "clipIter": 3}}
"""Have MEAN weigh visits as SafeClip does, so that the coadds differ only where something was clipped."""
LARGEST_PATCH: Final = 4000
"""Side of a patch in pixels, as LSST has it."""


@dataclass(frozen=True, slots=True)
class FirstLight:
    """Where the results are.

    Parameters
    ----------
    repo
        The repository.
    picture
        The picture; None if none was drawn.
    patch
        The patch in the picture.
    band
        Its band.
    """

    repo: Path
    picture: Path | None
    patch: int
    band: str

    def next_commands(self) -> list[str]:
        """Return commands that a user may try next: a query, a region read, a picture."""
        programs = Path(sys.executable).parent
        if programs.is_relative_to(Path.cwd()):
            programs = programs.relative_to(Path.cwd())
        repo, key = self.repo, f"tract=0 patch={self.patch} band={self.band}"
        python = (
            "from butler import Butler; from butler.images import Box2I; "
            f"coadd = Butler('{repo}', collections='safeclip').getDeferred('deepCoadd', tract=0, "
            f"patch={self.patch}, band='{self.band}'); box = Box2I.parse('300..303,300..303'); "
            "print(coadd.get(component='image', parameters={'bbox': box}).array)"
        )
        return [
            f"{programs}/butler query-datasets {repo} deepCoadd_directWarp --where \"band='{self.band}'\"",
            f'{programs}/python -c "{python}"',
            f"{programs}/butler show {repo} deepCoadd {key} --collections safeclip "
            f"--bbox 200..399,200..399 -o {repo.parent}/cutout.png",
        ]


def first_light(
    directory: Path,
    pipelines: Callable[..., Pipeline],
    *,
    data: Path | None = None,
    seed: int = 1,
    processes: int = 1,
    visit: int | None = None,
    draw: bool = True,
    progress: Callable[..., Any] | None = None,
) -> FirstLight:
    """Make a repository, ingest exposures, warp and coadd them, and draw what came out.

    Parameters
    ----------
    directory
        Where to; what an earlier call made there is replaced.
    pipelines
        Gives a pipeline by its name and config overrides.
    data
        Directory with exposures, beside which a ``bpm.fits`` may be the bad pixel mask; a simulated survey
        if None.
    seed
        Seed of the simulated survey.
    processes
        Number of worker processes.
    visit
        Visit to draw; the one of which most was clipped if None.
    draw
        Whether to draw the picture.
    progress
        Makes a progress bar, called as tqdm is.

    Raises
    ------
    ButlerUserError
        Raised if the directory holds something else, or a step failed.
    """
    _prepare(directory)
    if data is None:
        survey = simulate_survey(SurveyConfig(seed=seed))
        write_survey(survey, directory / "survey")
        data = directory / "survey" / "exposures"
    repo = directory / "repo"
    Butler.makeRepo(repo)
    with Butler(repo, writeable=True) as butler:
        _ingest(butler, data, progress)
        register_sky_map(butler, SKY_MAP, _sky_map(butler))
        plan = _Plan(butler, processes, progress)
        plan.run(pipelines("from-exposures-safeclip"), ["raw", "skymaps"], "safeclip")
        plan.run(pipelines("coadd-direct#assembleCoadd", SAME_WEIGHTS), ["safeclip"], "mean")
        record = _most_clipped(butler, visit)
        picture = directory / "first_light.png" if draw else None
        if picture is not None:
            draw_first_light(butler, picture, **record)
    return FirstLight(repo, picture, record["patch"], record["band"])


def _prepare(directory: Path) -> None:
    """Empty a directory that an earlier call made; refuse one that holds something else."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARKER).exists():
            raise ButlerUserError(f"{directory} holds other files; give a new directory")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARKER).touch()


def _ingest(butler: Butler, data: Path, progress: Callable[..., Any] | None) -> None:
    mask = data.absolute().parent / "bpm.fits"

    def shown(items: Iterable[Path]) -> Iterable[Path]:
        bar: Iterable[Path] = items if progress is None else progress(items, desc="ingest")
        return bar

    report = ingest_exposures(
        butler,
        expand_paths([data]),
        run="raw",
        bad_pixel_mask=mask if mask.exists() else None,
        progress=shown,
    )
    if report.failed:
        path, reason = report.failed[0]
        raise ButlerUserError(f"{len(report.failed)} files could not be ingested; first: {path}: {reason}")


def _sky_map(butler: Butler) -> Any:
    """Return a sky map of one tract around all exposures, of one patch if it fits."""
    scale = min(
        butler.get("postISRCCD.wcs", ref.dataId, collections="raw").pixel_scale
        for ref in butler.query_datasets("postISRCCD", "raw")
    )
    regions = observed_regions(butler)
    _, _, radius = SkyRegion.convex_hull_of(regions).bounding_circle()
    side = min(LARGEST_PATCH, 2 * math.ceil(radius * 3600 / scale) + 2)
    return discrete_sky_map_around(
        regions,
        pixel_scale=scale,
        projection="TAN",
        patch_inner_dimensions=(side, side),
        patch_border=50,
    )


class _Plan:
    """Runs pipelines one after the other in one repository."""

    def __init__(self, butler: Butler, processes: int, progress: Callable[..., Any] | None) -> None:
        self._butler = butler
        self._processes = processes
        self._progress = progress

    def run(self, pipeline: Pipeline, inputs: list[str], output: str) -> RunReport:
        """Run a pipeline into a run, and make the chain that finds its outputs and inputs."""
        butler, run = self._butler, f"{output}/run"
        graph = build_graph(pipeline, butler, collections=inputs, run=run)
        bar = None if self._progress is None else self._progress(total=len(graph.quanta), desc=output)

        def step(_: QuantumReport) -> None:
            if bar is not None:
                bar.update()

        listener = RunListener(on_report=step)
        report = run_graph(graph, butler, processes=self._processes, listener=listener)
        if bar is not None:
            bar.close()
        if not report.succeeded:
            first = report.failures[0]
            raise ButlerUserError(f"{first.quantum} failed: {first.message}")
        butler.collections.register(output, CollectionType.CHAINED)
        butler.collections.redefine_chain(output, [run, *inputs])
        return report


def _most_clipped(butler: Butler, visit: int | None) -> dict[str, Any]:
    """Return the band, patch and visit to show: those of which most was clipped."""
    best: tuple[int, dict[str, Any]] | None = None
    for ref in butler.query_datasets("deepCoadd_clipped", "safeclip"):
        table = butler.get(ref)
        key = {"tract": ref.dataId["tract"], "patch": ref.dataId["patch"], "band": ref.dataId["band"]}
        areas: dict[int, int] = {}
        for row in table:
            areas[int(row["visit"])] = areas.get(int(row["visit"]), 0) + int(row["area"])
        warps = butler.query_datasets("deepCoadd_directWarp", "safeclip", data_id=key)
        for warp in warps:
            number = int(warp.dataId["visit"])
            if visit in (None, number) and (best is None or areas.get(number, 0) > best[0]):
                best = areas.get(number, 0), {**key, "visit": number}
    if best is None:
        raise ButlerUserError(f"visit {visit} has no warp in any coadd")
    return best[1]
