"""What is heavy is imported when it is used, not when the butler is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from toy_camera import MAPPING, write_frame

import butler
from butler.late import late_names

HEAVY = ("astropy", "dask", "fsspec", "lark", "lsst", "matplotlib", "numba", "numpy", "scipy", "sqlalchemy")


def modules_after(statements: str) -> set[str]:
    """Return the names of all modules that a new interpreter has imported after some statements."""
    script = f"{statements}\nimport sys\nprint('modules:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize(
    "statements",
    ["import butler", "from butler.cli import main\nmain(['--help'], standalone_mode=False)"],
    ids=["import", "help"],
)
def test_naming_the_butler_imports_nothing_heavy(statements: str) -> None:
    """``import butler`` and ``butler --help`` do without the libraries that databases and files need."""
    assert not modules_after(statements).intersection(HEAVY)


UNNEEDED = ("astropy", "lark", "lsst", "numpy", "psycopg", "scipy")


def test_the_butler_imports_neither_arrays_nor_regions() -> None:
    """The class itself, with its registry, needs no FITS, no parser of expressions, no geometry."""
    assert not modules_after("from butler import Butler").intersection(UNNEEDED)


def test_a_list_of_collections_imports_neither_arrays_nor_regions(repository: Path) -> None:
    """A command that opens a repository imports what it needs for that."""
    command = f"main(['query-collections', {str(repository)!r}], standalone_mode=False)"
    assert not modules_after(f"from butler.cli import main\n{command}").intersection(UNNEEDED)


def test_finding_and_reading_imports_neither_arrays_nor_queries(repository: Path) -> None:
    """A dataset is found by its data ID without the machinery of queries."""
    script = (
        f"from butler import Butler\nbutler = Butler({str(repository)!r}, collections='run')\n"
        "print(butler.find_dataset('note', instrument='CAM', visit=1))"
    )
    loaded = modules_after(script)
    assert not loaded.intersection({*UNNEEDED, "butler.registry.queries.runner"})


def test_exposures_are_written_and_read_without_astropy(tmp_path: Path) -> None:
    """A plain exposure with a PSF, coadd inputs and a gnomonic WCS; a box, whose parts come later."""
    script = f"""
from pathlib import Path
from butler.datasets import get_storage_class
from butler.formatters import LocalFile, ReadRequest, get_formatter
from butler.images import *
import numpy as np

wcs = SkyWcs.make_tan(crval=(10, 20), crpix=(5, 5), cd=[[-1e-4, 0], [0, 1e-4]])
box = Box2I(Point2I(3, 4), Extent2I(20, 30))
planes = MaskedImage.from_bbox(box)
ccd = CcdInput(visit=1, ccd=2, bbox=box, goodpix=5, weight=1.0, filter="r", wcs=wcs, psf=GaussianPsf(2.0))
inputs = CoaddInputs((VisitInput(1, box, 5, 1.0, "r"),), (ccd,))
polygon = Polygon(((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)))
exposure = Exposure(
    planes, wcs=wcs, psf=GaussianPsf(2.0), photoCalib=PhotoCalib(57.5), filter=FilterLabel("r", "HSC-R"),
    coaddInputs=inputs, validPolygon=polygon, summaryStats=ExposureSummaryStats(),
)
path = Path({str(tmp_path)!r}, "e.fits")
formatter, kind = get_formatter("ExposureFits"), get_storage_class("ExposureF")
for recipe in ("noCompression", "lossless"):
    formatter.write_compressed(exposure, path, recipe)
    whole = formatter.read(LocalFile(path), ReadRequest(kind))
    assert whole.wcs == wcs
    part = formatter.read(LocalFile(path), ReadRequest(kind, parameters={{"bbox": box}}))
    assert part.coaddInputs.ccds[0].wcs == wcs
    assert part.maskedImage.mask.planes == planes.mask.planes
    assert (part.psf, part.filter, part.validPolygon) == (whole.psf, exposure.filter, polygon)
    assert np.isfinite(whole.wcs.pixelToSky(*whole.wcs.skyToPixel(10.0, 20.0))).all()
"""
    assert "astropy" not in modules_after(script)


def test_tasks_import_what_they_need() -> None:
    """The mean of a coadd does without streaks, artifacts and clipped tables; a warp without stacks."""
    mean = modules_after("from tasks.coadd import AssembleCoaddTask")
    assert not mean.intersection({"astropy", "tasks.coadd.safe_clip", "tasks.coadd.mask_streaks"})
    assert not mean.intersection({"tasks.kernels.detect", "tasks.kernels.resample_planes"})
    warp = modules_after("from tasks.warp.warper import Warper")
    assert not warp.intersection({"astropy", "tasks.kernels.stacking", "tasks.kernels.detect", "sqlalchemy"})


def test_numba_is_not_imported_to_call_a_loop() -> None:
    """All loops can be named without what compiles them."""
    loaded = modules_after("import tasks.kernels as k\nfor name in k.__all__:\n    getattr(k, name)")
    assert {"tasks.kernels.stacking.stack", "tasks.kernels.resample_planes"} <= loaded
    assert not loaded.intersection({"numba", "tasks.kernels.loops"})


def test_reading_headers_imports_no_registry(tmp_path: Path) -> None:
    """Processes that read plain headers, with times in UTC, for ingest do without a database and astropy."""
    script = f"""
from pathlib import Path
from butler.ingest.camera import CameraMapping
from butler.ingest.frame_reader import read_frames
[file] = read_frames([Path({str(write_frame(tmp_path / "a.fits"))!r})], CameraMapping(**{MAPPING!r}))
assert file.frames, file.reason
"""
    loaded = modules_after(script)
    assert not loaded.intersection({"sqlalchemy", "matplotlib", "butler.ingest.exposures", "astropy"})


def test_pipetask_imports_one_command() -> None:
    """A command of tasks is imported when it is used."""
    loaded = modules_after("from tasks.cli import main\nmain(['pipelines'], standalone_mode=False)")
    assert not loaded.intersection({"tasks.cli.run", "sqlalchemy", "tqdm", "numpy"})


def test_every_public_name_is_found() -> None:
    """Names come from where they are defined, and stay; an unknown one is an error as of any module."""
    assert butler.Butler.__module__ == "butler.butler.butler"
    assert "Butler" in vars(butler)
    with pytest.raises(AttributeError, match="no attribute 'Buttler'"):
        _ = butler.Buttler  # type: ignore[attr-defined]


def test_a_name_is_imported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for becomes an attribute of the package."""
    monkeypatch.delattr(butler, "Timespan", raising=False)
    late_names("butler", {"dimensions": ["Timespan"]})("Timespan")
    assert vars(butler)["Timespan"] is butler.Timespan
