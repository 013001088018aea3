"""Real cutouts of DECam exposures, with TPV distortion, weights and PSFEx models, through processCcd."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from butler.formatters import get_formatter
from butler.images import Exposure, FilterLabel, Image, PsfexPsf, VisitInfo
from butler.ingest import CameraMapping
from tasks.process_ccd import ProcessCcdTask

DECAM = Path(__file__).parents[1] / ".." / "shared" / "data" / "decam_cp"
FRAMES = sorted((DECAM / "images").glob("*_ooi_*"))
CAMERA = CameraMapping.parse(
    {
        "instrument": "DECam",
        "visit": "EXPNUM",
        "detector": "CCDNUM",
        "band": "FILTER",
        "exposure_time": "EXPTIME",
        "date": "DATE-OBS",
        "gain": "GAINA",
        "read_noise": "RDNOISEA",
        "saturation": "SATURATE",
        "zero_point": {"value": 25.0},
    },
    "test",
)

pytestmark = pytest.mark.skipif(not FRAMES, reason="needs the exposures of ../shared/data/decam_cp")


def catalogued(path: Path) -> Table:
    """Return the row of an exposure in the table of the survey."""
    table = Table.read(DECAM / "survey-ccds-1.fits.gz")
    number = get_formatter("CameraImageFits").read_whole(path).metadata["EXPNUM"]
    return table[table["expnum"] == number][0]


def processed(path: Path) -> Exposure:
    """Process one cutout with its weight, model and zero point."""
    exposure: Exposure = get_formatter("CameraImageFits").read_whole(path)
    weight: Image = get_formatter("ImageFits").read_whole(Path(str(path).replace("_ooi_", "_oow_")))
    model = DECAM / "psfex" / f"{path.name.partition('.')[0]}-psfex.fits"
    row = catalogued(path)
    time = float(row["exptime"])
    exposure.visitInfo = VisitInfo(int(row["expnum"]), exposure_time=time, airmass=float(row["airmass"]))
    exposure.filter = FilterLabel(str(row["filter"]), "")
    weight = Image(weight.array, exposure.xy0)
    result: Exposure = (
        ProcessCcdTask()
        .run(
            exposure,
            CAMERA,
            weight=weight,
            psfexModel=get_formatter("PsfFits").read_whole(model),
            zeroPoint={"zero_point": float(row["ccdzpt"]) + 2.5 * math.log10(time)},
        )
        .outputExposure
    )
    return result


@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.name[4:24])
def test_quality_of_a_cutout_is_that_of_its_survey(path: Path) -> None:
    """Seeing, depth, zenith distance and noise agree with what the survey measured on the whole detector."""
    calexp, row = processed(path), catalogued(path)
    stats = calexp.summaryStats
    assert stats is not None
    assert isinstance(calexp.psf, PsfexPsf)
    assert stats.nPsfStar == calexp.psf.n_stars > 100
    assert stats.psfSigma * 2.355 == pytest.approx(float(row["fwhm"]), rel=0.25)
    assert stats.pixelScale == pytest.approx(0.262, abs=0.003)
    assert stats.zenithDistance == pytest.approx(math.degrees(math.acos(1 / float(row["airmass"]))))
    # The table has the noise per pixel in nanomaggies, of which one is 3631 nJy.
    noise = np.sqrt(np.median(calexp.variance.array[np.isfinite(calexp.variance.array)]))
    assert noise == pytest.approx(float(row["sig1"]) * 3631.0, rel=0.25)
    assert np.isfinite([stats.magLim, stats.zeroPoint, stats.meanVar, stats.psfArea]).all()
    assert calexp.wcs is not None
    assert calexp.wcs.to_header()["CTYPE1"] == "RA---TPV"
