"""Real exposures of a crowded field, by the commands of docs/real_data.md."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from click import Command
from click.testing import CliRunner
from printed_commands import DATA, run_section
from scipy.ndimage import maximum_filter

import butler.cli
import tasks.cli
from butler import Butler
from butler.formatters import get_formatter, write_plain_fits
from butler.images import Exposure
from tasks.demo.measures import expected_n_image

SAAO = DATA / "saao_mb13475"
FRAMES = (56, 61, 65, 70, 72, 77)
HIT_FRAME = 72
KEY = {"tract": 0, "patch": 0, "band": "I"}
BAD_PLANES = ("BAD", "SAT", "CR")

pytestmark = pytest.mark.skipif(
    not SAAO.exists(), reason="needs the exposures of ../shared/data/saao_mb13475"
)


def command(group: Command, *words: object) -> str:
    """Run a command line; return what it said."""
    result = CliRunner().invoke(group, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def coadd_again(repo: Path, frame: Path) -> Butler:
    """Coadd once more what the page coadds, with another file of one of the exposures."""
    options = ("--bad-pixel-mask", SAAO / "bpm.fits", "--output-run", "raw/hit")
    command(butler.cli.main, "ingest-exposures", repo, frame, *options)
    for pipeline, inputs, output in (
        ("from-exposures#processCcd,consolidateVisitSummary", "raw/hit,skymaps", "hit"),
        ("coadd-comparewarp", "hit,u/me/first", "again"),
    ):
        command(tasks.cli.main, "run", "-b", repo, "-p", pipeline, "-i", inputs, "-o", output)
    return Butler(repo, collections="again")


def read_frame(path: Path) -> Exposure:
    frame: Exposure = get_formatter("CameraImageFits").read_whole(path)
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which the commands of the page were run."""
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_section("real_data.md", "SAAO")
    return folder


@pytest.fixture(scope="module")
def coadded(folder: Path) -> Butler:
    return Butler(folder / "saao", collections="u/me/first")


def empty_sky(array: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> tuple[int, int]:
    """Return the middle ``(y, x)`` of the darkest square of 15 pixels, away from the borders."""
    height = maximum_filter(array, 15)[60:-60, 60:-60]
    y, x = np.unravel_index(int(np.argmin(height)), height.shape)
    return int(y) + 60, int(x) + 60


def test_every_frame_is_calibrated_and_warped(coadded: Butler) -> None:
    """Each visit has a calexp in nJy with a PSF, its planes, and a warp with data."""
    assert [ref.dataId["visit"] for ref in coadded.query_datasets("deepCoadd_directWarp")] == list(FRAMES)
    for ref in coadded.query_datasets("calexp"):
        calexp = coadded.get(ref)
        assert calexp.image.unit == "nJy"
        assert calexp.psf is not None
        assert all(calexp.mask.isSet(plane).any() for plane in ("BAD", "SAT", "CR", "INTRP", "DETECTED"))
        assert (calexp.variance.array[~calexp.mask.isSet(["BAD", "SAT", "NO_DATA"])] > 0).all()
        bad = calexp.mask.isSet(["BAD", "SAT", "CR"])
        assert calexp.mask.isSet("INTRP")[bad].all(), "bad pixels are interpolated and keep their planes"


def test_widths_follow_those_of_others(coadded: Butler) -> None:
    """Theirs are those of a fit with wings: larger in each frame by about the same factor."""
    rows = (SAAO / "exposures.csv").read_text().splitlines()
    seeing = {int(row["file"][9:13]): float(row["fwhm_px"]) for row in csv.DictReader(rows)}
    ratios = [
        coadded.get(ref).metadata["SEEING"] / seeing[ref.dataId["visit"]]
        for ref in coadded.query_datasets("calexp")
    ]
    assert ratios == pytest.approx([np.median(ratios)] * len(FRAMES), rel=0.15)


def test_the_page_draws_the_coadd(folder: Path, coadded: Butler) -> None:
    """The coadd is of all frames, and there is a picture of it."""
    assert [row.visit for row in coadded.get("deepCoadd.coaddInputs", KEY).visits] == list(FRAMES)
    assert (folder / "saao_I.png").stat().st_size > 1000


def test_photometry_is_on_one_scale(coadded: Butler) -> None:
    """Bright pixels of the visits agree, though their zero points differ."""
    box = coadded.get("deepCoadd.bbox", KEY)
    warps = [coadded.get(ref)[box] for ref in coadded.query_datasets("deepCoadd_directWarp")]
    usable = np.ones(warps[0].image.array.shape, dtype=bool)
    for warp in warps:
        usable &= ~warp.mask.isSet(["NO_DATA", "SAT", "BAD", "CR"])
    coadd = coadded.get("deepCoadd", KEY).image.array
    bright = usable & (coadd > np.percentile(coadd[usable], 95))
    sums = np.array([warp.image.array[bright].sum(dtype=float) for warp in warps])
    assert np.ptp(sums) / sums.mean() < 0.1


def test_n_image_counts_what_was_used(coadded: Butler) -> None:
    """The number of inputs is that of the warps less masked, clipped and uncompared ones, at every pixel."""
    n_image = coadded.get("deepCoadd_nImage", KEY)
    record = coadded.get("deepCoadd_clipped", KEY)
    expected = np.zeros(n_image.array.shape, dtype=np.int64)
    for ref in coadded.query_datasets("deepCoadd_directWarp"):
        alone = expected_n_image([coadded.getDeferred(ref)], record, BAD_PLANES, n_image)
        matched = coadded.get("deepCoadd_psfMatchedWarp", ref.dataId)
        expected += np.where(matched.mask.isSet("NO_DATA"), 0, alone)
    np.testing.assert_array_equal(n_image.array, expected)


def test_crowding_is_reported(coadded: Butler) -> None:
    """The clip record says how many candidates there were; next to nothing of the frames was clipped."""
    record = coadded.get("deepCoadd_clipped", KEY)
    assert record.meta["n_visits"] == len(FRAMES)
    assert 1 <= len(record) <= record.meta["n_candidates"]
    n_image = coadded.get("deepCoadd_nImage", KEY)
    assert record["area"].sum() < 0.02 * n_image.array.sum(dtype=np.int64)


def test_an_injected_cosmic_ray_is_not_in_the_coadd(folder: Path, coadded: Butler, tmp_path: Path) -> None:
    """A track of 6 pixels put into one frame is flagged there, and leaves no trace in the coadd."""
    name = f"AKB13475I{HIT_FRAME:04d}.fits"
    frame = read_frame(SAAO / "images" / name)
    y, x = empty_sky(frame.image.array)
    rows, columns = y + np.array([0, 0, 1, 1, 2, 2]), x + np.arange(6)
    frame.image.array[rows, columns] += 6000
    cards = {k: v for k, v in frame.metadata.items() if k not in ("BZERO", "BSCALE", "BITPIX")}
    write_plain_fits(tmp_path / name, frame.image.array, cards)
    shutil.copytree(folder / "saao", tmp_path / "repo", symlinks=True)
    again = coadd_again(tmp_path / "repo", tmp_path / name)
    calexp = again.get("calexp", visit=HIT_FRAME, detector=0)
    assert calexp.mask.isSet("CR")[rows, columns].all()
    warps = again.query_datasets("deepCoadd_directWarp")
    assert [ref.dataId["visit"] for ref in warps if ref.run.startswith("again/")] == list(FRAMES)
    hit, clean = again.get("deepCoadd", KEY), coadded.get("deepCoadd", KEY)
    u, v = hit.wcs.skyToPixel(*calexp.wcs.pixelToSky(columns, rows))
    at = np.rint(v).astype(int) - hit.image.xy0.y, np.rint(u).astype(int) - hit.image.xy0.x
    difference = np.abs(hit.image.array[at] - clean.image.array[at])
    assert (difference < 3 * np.sqrt(hit.variance.array[at])).all()
    weight = next(row.weight for row in hit.coaddInputs.visits if row.visit == HIT_FRAME)
    share = weight / sum(row.weight for row in hit.coaddInputs.visits)
    scale = 10 ** (-0.4 * (frame.metadata["MAGZERO"] - 31.4))
    assert 6000 * scale * share > 10 * np.sqrt(hit.variance.array[at]).max(), "the hit would have been seen"
