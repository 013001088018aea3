"""A simulated survey on disk: exposures, bad pixel mask and truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table

from butler.formatters import write_plain_fits

from .survey import SimulatedSurvey

__all__ = ["write_survey"]


def write_survey(survey: SimulatedSurvey, directory: Path) -> list[Path]:
    """Write a survey; what an earlier one left under the same names is replaced.

    Parameters
    ----------
    survey
        The survey.
    directory
        Where to; made if it does not exist. Beside one ``exposures/simcam_<visit>.fits`` (ADU) per visit it
        gets ``bpm.fits`` (1 where a pixel is bad, else 0) and the truth under ``truth``: ``stars.ecsv``,
        ``galaxies.ecsv``, ``visits.ecsv`` (seeing, sky, zero point, artifacts) and ``masks.npz``: the visit
        numbers ``visit`` and, in their order, the boolean masks ``trail``, ``moving_object`` and
        ``cosmic_rays``, each ``(n_visits, n_y, n_x)``.

    Returns
    -------
    paths
        The exposures, in order of visit number.

    Raises
    ------
    OSError
        Raised if a file cannot be written.
    """
    truth, exposures = directory / "truth", directory / "exposures"
    truth.mkdir(parents=True, exist_ok=True)
    exposures.mkdir(exist_ok=True)
    paths = []
    for visit in survey.visits:
        path = exposures / f"simcam_{visit.visit:04d}.fits"
        write_plain_fits(path, visit.image, visit.cards)
        paths.append(path)
    write_plain_fits(directory / "bpm.fits", survey.bad_pixels.astype(np.uint8), {"OBJECT": "bad pixels"})
    survey.stars.write(truth / "stars.ecsv", overwrite=True)
    survey.galaxies.write(truth / "galaxies.ecsv", overwrite=True)
    _visit_table(survey).write(truth / "visits.ecsv", overwrite=True)
    np.savez_compressed(
        truth / "masks.npz",
        visit=np.array([visit.visit for visit in survey.visits]),
        trail=np.stack([visit.trail for visit in survey.visits]),
        moving_object=np.stack([visit.moving_object for visit in survey.visits]),
        cosmic_rays=np.stack([visit.cosmic_rays for visit in survey.visits]),
    )
    return paths


def _visit_table(survey: SimulatedSurvey) -> Table:
    """Return one row per visit: circumstances, and which artifacts it has."""
    visits = survey.visits
    return Table(
        {
            "visit": [v.visit for v in visits],
            "seeing": [v.observation.seeing for v in visits],
            "sky": [v.observation.sky for v in visits],
            "zero_point": [v.observation.zero_point for v in visits],
            "trail": [bool(v.trail.any()) for v in visits],
            "moving_object": [bool(v.moving_object.any()) for v in visits],
            "n_cosmic_ray_pixels": [int(v.cosmic_rays.sum()) for v in visits],
        },
        units={"seeing": "pix", "sky": "adu / pix", "zero_point": "mag(AB)"},
    )
