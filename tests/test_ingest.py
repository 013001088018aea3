"""Ingest: what headers mean, and that a file comes in whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from small_repository import SKY_MAP
from toy_camera import CAMERA, MAPPING, SHAPE, snapshot, write_frame, write_pixels

from butler import Butler
from butler.errors import ButlerUserError, ConflictingDefinitionError, EmptyQueryResultError, IngestError
from butler.ingest import (
    CameraMapping,
    IngestReport,
    expand_paths,
    frame_reader,
    ingest_exposures,
    observed_regions,
    register_sky_map,
)
from butler.ingest.frames import FrameFile
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig

DECAM = Path(__file__).parents[1] / ".." / "shared" / "data" / "decam_cp" / "images"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Butler]:
    """Return a butler of an empty repository."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", writeable=True) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty directory for files of the camera."""
    path = tmp_path / "frames"
    path.mkdir()
    return path


def ingest(butler: Butler, paths: Sequence[Path], **arguments: Any) -> IngestReport:
    return ingest_exposures(butler, paths, **{"run": "raw", "camera": CAMERA, **arguments})


def reasons(report: IngestReport) -> dict[str, str]:
    return {path.name: reason for path, reason in report.failed}


def mapping_with(**changes: Any) -> CameraMapping:
    return CameraMapping.parse({**MAPPING, **changes}, "a camera")


WEIGHTED = mapping_with(weight="{stem}.weight.fits")


# Good files.


def test_a_file_becomes_records_and_a_dataset(empty: Butler, folder: Path) -> None:
    """The exposure can be read, found by its records, and lies where its WCS says."""
    report = ingest(empty, [write_frame(folder / "a.fits", visit=5, detector=2)])
    assert not report.failed
    key = {"instrument": "TOY", "exposure": 5, "detector": 2}
    exposure = empty.get("postISRCCD", key, collections="raw")
    np.testing.assert_array_equal(exposure.image.array.ravel(), np.arange(SHAPE[0] * SHAPE[1]))
    assert exposure.metadata["GAIN"] == 1.5
    (visit,) = empty.query_dimension_records("visit", where="band = 'g' AND visit.exposure_time = 30")
    assert (visit["visit"], visit["day_obs"], visit["target_name"]) == (5, 20240301, "COSMOS")
    assert (visit.timespan.end_ns - visit.timespan.begin_ns) == 30_000_000_000
    (region,) = observed_regions(empty, "visit = 5")
    inside, outside = (150.0, 2.02), (150.0, 2.03)
    assert region.contains(*inside)
    assert not region.contains(*outside)
    assert visit.region.contains(*inside)
    assert empty.get("camera", instrument="TOY", collections="raw") == CAMERA.model_dump(mode="json")
    assert empty.verify().is_clean


def test_a_second_call_brings_in_what_is_new(empty: Butler, folder: Path) -> None:
    """Files that are there already are skipped, and nothing else changes."""
    first = write_frame(folder / "a.fits", visit=1)
    ingest(empty, [first])
    before = snapshot(empty.root)
    again = ingest(empty, [first])
    assert (again.ingested, again.skipped, again.failed) == ([], [first], [])
    assert snapshot(empty.root) == before
    second = write_frame(folder / "b.fits", visit=2)
    more = ingest(empty, [first, second])
    assert [ref.dataId["exposure"] for ref in more.ingested] == [2]
    assert more.skipped == [first]


def test_the_region_of_a_visit_is_the_hull_of_its_detectors(empty: Butler, folder: Path) -> None:
    """Two detectors with a gap: the visit covers both and the gap, each detector only itself."""
    ingest(empty, [write_frame(folder / f"{d}.fits", detector=d) for d in (0, 2)])
    (visit,) = empty.query_dimension_records("visit")
    middles = [(150.0, 2.0), (150.0, 2.01), (150.0, 2.02)]
    assert [visit.region.contains(*place) for place in middles] == [True, True, True]
    regions = observed_regions(empty)
    assert [[r.contains(*place) for place in middles] for r in regions] == [
        [True, False, False],
        [False, False, True],
    ]


@pytest.mark.parametrize("transfer", ["copy", "symlink", "hardlink", "direct"])
def test_modes_of_transfer(empty: Butler, folder: Path, transfer: str) -> None:
    """Each mode leaves the source alone and gives a dataset that can be read."""
    source = write_frame(folder / "a.fits")
    content = source.read_bytes()
    (ref,) = ingest(empty, [source], transfer=transfer).ingested
    path = empty.getURI(ref)
    assert source.read_bytes() == content
    assert path.samefile(source) == (transfer != "copy")
    assert path.is_symlink() == (transfer == "symlink")
    assert path.is_relative_to(empty.root) == (transfer != "direct")
    assert empty.get(ref).image.array[0, 1] == 1.0
    assert empty.verify().is_clean


def test_an_unknown_transfer_brings_nothing_in(empty: Butler, folder: Path) -> None:
    """A wrong mode fails with the modes that there are."""
    report = ingest(empty, [write_frame(folder / "a.fits")], transfer="teleport")
    assert "auto, move, copy, link, hardlink, symlink, relsymlink, direct" in reasons(report)["a.fits"]
    assert_nothing_of(empty, 1)


def test_compressed_and_multi_extension_files(empty: Butler, folder: Path) -> None:
    """The image may be an extension, compressed or not; primary cards count where it has none."""
    plain = write_frame(folder / "plain.fits")
    with fits.open(plain) as hdus:
        pixels, header = hdus[0].data, hdus[0].header
        only_primary = fits.PrimaryHDU()
        only_primary.header["EXPTIME"] = 45.0
        header.remove("EXPTIME")
        for number, kind in ((11, fits.ImageHDU), (12, fits.CompImageHDU)):
            header["EXPNUM"] = number
            fits.HDUList([only_primary, kind(pixels, header)]).writeto(folder / f"{number}.fits")
    report = ingest(empty, [folder / "11.fits", folder / "12.fits"])
    assert not report.failed
    for ref in report.ingested:
        np.testing.assert_allclose(empty.get(ref).image.array, pixels, atol=0.5)
    times = [record["exposure_time"] for record in empty.query_dimension_records("visit")]
    assert times == [45.0, 45.0]


# Bad files.


def assert_nothing_of(butler: Butler, visit: int) -> None:
    """Check that no record, dataset or file of a visit is in the repository."""
    for element in ("group", "exposure", "visit", "visit_definition", "visit_detector_region"):
        key = element if element in ("group", "exposure") else "visit"
        known = {str(record[key]) for record in butler.query_dimension_records(element, explain=False)}
        assert str(visit) not in known, element
    found = butler.query_datasets("postISRCCD", "raw", explain=False)
    assert visit not in [ref.dataId["exposure"] for ref in found]
    assert butler.verify().is_clean


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2880])


def cut_in_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def no_bytes(path: Path) -> None:
    path.write_bytes(b"")


def not_fits(path: Path) -> None:
    path.write_text("This is a text about an exposure.\n" * 200)


def no_image(path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU()]).writeto(path, overwrite=True)


def cube(path: Path) -> None:
    fits.PrimaryHDU(np.zeros((2, 3, 4), dtype=np.float32)).writeto(path, overwrite=True)


def vanished(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "truncated"),
        (cut_in_header, "without END"),
        (no_bytes, "it is empty"),
        (not_fits, "not a FITS file"),
        (no_image, "no image of two axes"),
        (cube, "no image of two axes"),
        (vanished, "No such file"),
    ],
)
def test_a_broken_file_is_reported_and_the_others_come_in(
    empty: Butler, folder: Path, damage: Any, reason: str
) -> None:
    """The report has one reason in one line, and nothing of the bad file is left."""
    paths = [write_frame(folder / f"{visit}.fits", visit) for visit in (1, 2, 3)]
    damage(paths[1])
    report = ingest(empty, paths)
    assert [ref.dataId["exposure"] for ref in report.ingested] == [1, 3]
    assert list(reasons(report)) == ["2.fits"]
    assert reason in reasons(report)["2.fits"]
    assert "\n" not in reasons(report)["2.fits"]
    assert_nothing_of(empty, 2)


@pytest.mark.filterwarnings("ignore:ERFA function")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (dict.fromkeys(("CTYPE1", "CTYPE2")), "no celestial WCS"),
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, "LINEAR and LINEAR"),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "galactic"),
        ({"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX"}, "TNX"),
        ({f"CD{i}_{j}": 0.0 for i in (1, 2) for j in (1, 2)}, "singular"),
        ({"CD1_1": -50.0, "CD2_2": 50.0}, "a pixel has 50 degrees"),
        ({"CD1_1": 1.0, "CD1_2": 1.0, "CD2_1": 1.0, "CD2_2": 1.0}, "WCS"),
        ({"CRVAL1": "NaN"}, "CRVAL1"),
        ({"CRPIX2": "middle"}, "CRPIX2"),
        ({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CD1_1": -40.0, "CD2_2": 40.0}, "region"),
        ({"GAIN": None}, "no gain"),
        ({"EXPTIME": None}, "no exposure_time"),
        ({"DATE-OBS": "0001-01-01T00:00:00"}, "date"),
        ({"EXPTIME": 1e300}, "date"),
    ],
)
def test_a_bad_header_is_reported_and_the_others_come_in(
    empty: Butler, folder: Path, changes: Mapping[str, Any], reason: str
) -> None:
    """A WCS or card that cannot be keeps its own file out, with its reason, and no other."""
    paths = [
        write_frame(folder / "1.fits", 1),
        write_frame(folder / "2.fits", 2, changes=changes),
        write_frame(folder / "3.fits", 3),
    ]
    report = ingest(empty, paths)
    assert [ref.dataId["exposure"] for ref in report.ingested] == [1, 3]
    assert list(reasons(report)) == ["2.fits"]
    assert reason in reasons(report)["2.fits"]
    assert "2.fits" not in reasons(report)["2.fits"]
    assert_nothing_of(empty, 2)


@pytest.mark.parametrize(
    ("card", "value"), [("EXPTIME", 60.0), ("FILTER", "r"), ("DATE-OBS", "2024-03-02T02:00:00")]
)
def test_detectors_that_contradict_each_other(empty: Butler, folder: Path, card: str, value: Any) -> None:
    """Another detector of a visit with other facts is refused; visit and region stay as they were."""
    ingest(empty, [write_frame(folder / "0.fits", detector=0)])
    before = snapshot(empty.root)
    report = ingest(empty, [write_frame(folder / "1.fits", detector=1, changes={card: value})])
    assert "exposure" in reasons(report)["1.fits"]
    assert snapshot(empty.root) == before


@pytest.mark.parametrize("transfer", ["copy", "direct"])
def test_two_files_of_one_data_id(empty: Butler, folder: Path, transfer: str) -> None:
    """The first of two files with the same numbers counts; the other is told, in later calls as well."""
    paths = [write_frame(folder / "a.fits"), write_frame(folder / "b.fits", changes={"GAIN": 9.0})]
    report = ingest(empty, paths, transfer=transfer)
    assert len(report.ingested) == 1
    assert empty.get(report.ingested[0]).metadata["GAIN"] == 1.5
    told = f"it is exposure 1, detector 0 like {paths[0]}; leave one"
    assert reasons(report)["b.fits"].startswith(told)
    again = ingest(empty, paths, transfer=transfer)
    assert again.skipped == [paths[0]]
    assert again.failed == report.failed
    assert ingest(empty, [paths[1]], transfer=transfer).skipped == [paths[1]]


def test_a_file_that_is_named_twice(empty: Butler, folder: Path) -> None:
    """By its name and by another one it is the same file, and comes in once."""
    path = write_frame(folder / "a.fits")
    (folder / "b.fits").symlink_to(path)
    report = ingest(empty, [path, folder / "b.fits", path])
    assert (len(report.ingested), len(report.skipped), report.failed) == (1, 2, [])


def test_files_that_are_known_are_not_read(
    empty: Butler, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingested where they lie, with path and size unchanged, under any name of theirs; others are."""
    paths = [write_frame(folder / f"{visit}.fits", visit) for visit in (1, 2, 3)]
    (folder / "link.fits").symlink_to(paths[0])
    (folder.parent / "other").symlink_to(folder)
    ingest(empty, paths, transfer="direct")
    with paths[2].open("ab") as stream:
        stream.write(bytes(2880))
    read: list[Path] = []

    def read_frames(paths: Iterable[Path], camera: CameraMapping) -> Iterator[FrameFile]:
        for path in paths:
            read.append(path)
            yield from frame_reader.read_frames([path], camera)

    monkeypatch.setattr("butler.ingest.reading.read_frames", read_frames)
    names = [folder.parent / "other" / "2.fits", paths[2], folder / "link.fits"]
    report = ingest(empty, names, transfer="direct")
    assert read == [paths[2]]
    assert report.skipped == names
    ingest(empty, paths, run="copies", transfer="copy")
    read.clear()
    assert ingest(empty, paths, run="copies", transfer="copy").skipped == paths
    assert read == paths


def test_another_mapping_needs_another_run(empty: Butler, folder: Path) -> None:
    """All exposures of a run are read alike."""
    path = write_frame(folder / "a.fits")
    ingest(empty, [path])
    before = snapshot(empty.root)
    with pytest.raises(ConflictingDefinitionError, match="use another run"):
        ingest(empty, [path], camera=mapping_with(gain={"value": 2.0}))
    assert snapshot(empty.root) == before
    assert ingest(empty, [path], camera=mapping_with(gain={"value": 2.0}), run="other").ingested


def test_a_mapping_that_brought_nothing_in_can_be_mended(empty: Butler, folder: Path) -> None:
    """Until a run has an exposure, each call may bring another mapping; the last one stays."""
    path = write_frame(folder / "a.fits", changes={"GAIN": None})
    assert ingest(empty, [path]).failed
    mended = mapping_with(gain={"value": 2.0})
    assert ingest(empty, [path], camera=mended).ingested
    kept = empty.get("camera", instrument="TOY", collections="raw")
    assert CameraMapping.parse(kept, "raw") == mended
    assert empty.verify().is_clean


def test_no_camera_fits(empty: Butler, folder: Path) -> None:
    """Without a mapping an unknown header stops everything, before anything is written."""
    path = write_frame(folder / "a.fits", changes={"INSTRUME": "Nikon"})
    before = snapshot(empty.root)
    with pytest.raises(IngestError, match=r"'Nikon'.*--camera"):
        ingest(empty, [path], camera=None)
    assert snapshot(empty.root) == before


def test_paths_are_expanded(folder: Path) -> None:
    """A directory stands for its FITS files in order; what is not there is an error."""
    names = ["b.fits", "a.FIT", "c.fts", "d.fits.fz"]
    for name in [*names, "notes.txt"]:
        (folder / name).touch()
    assert [path.name for path in expand_paths([folder])] == sorted(names)
    assert expand_paths([folder / "notes.txt"]) == [folder / "notes.txt"]
    with pytest.raises(IngestError, match="no file or directory"):
        expand_paths([folder / "none"])
    (folder / "sub").mkdir()
    with pytest.raises(IngestError, match="no FITS file in the directory"):
        expand_paths([folder / "sub"])


# Weights and bad pixels.


def weight_of(path: Path) -> Path:
    return path.with_suffix(".weight.fits")


def test_weights_come_with_their_exposures(empty: Butler, folder: Path) -> None:
    """A weight is a dataset of the same data ID; among the paths it is no exposure."""
    path = write_frame(folder / "a.fits")
    write_pixels(weight_of(path), 0.25)
    report = ingest(empty, expand_paths([folder]), camera=WEIGHTED)
    assert not report.failed
    assert [ref.datasetType.name for ref in report.ingested] == ["postISRCCD", "postISRCCD_weight"]
    assert report.ingested[0].dataId == report.ingested[1].dataId
    assert (empty.get(report.ingested[1]).array == 0.25).all()


@pytest.mark.parametrize("damage", [vanished, truncate, not_fits, no_image])
def test_an_exposure_without_its_weight_stays_out(empty: Butler, folder: Path, damage: Any) -> None:
    """A missing or broken weight keeps the exposure out whole; others come in."""
    paths = [write_frame(folder / f"{visit}.fits", visit) for visit in (1, 2)]
    for path in paths:
        write_pixels(weight_of(path))
    damage(weight_of(paths[0]))
    report = ingest(empty, paths, camera=WEIGHTED)
    assert {ref.dataId["exposure"] for ref in report.ingested} == {2}
    assert "1.weight.fits" in reasons(report)["1.fits"]
    assert_nothing_of(empty, 1)


def test_bad_pixels_are_those_of_each_detector(empty: Butler, folder: Path) -> None:
    """The mask is ingested once a detector; among the paths it is no exposure."""
    for visit, detector in ((1, 0), (1, 1), (2, 0)):
        write_frame(folder / f"{visit}{detector}.fits", visit, detector)
    mask = write_pixels(folder / "bpm.fits")
    report = ingest(empty, expand_paths([folder]), bad_pixel_mask=mask)
    assert not report.failed
    defects = [ref for ref in report.ingested if ref.datasetType.name == "defects"]
    assert [ref.dataId["detector"] for ref in defects] == [0, 1]
    assert (empty.get(defects[1]).array == 1.0).all()
    again = ingest(empty, expand_paths([folder]), bad_pixel_mask=mask)
    assert again.ingested == []


@pytest.mark.parametrize("damage", [vanished, truncate, not_fits, no_image])
def test_a_bad_mask_stops_everything(empty: Butler, folder: Path, damage: Any) -> None:
    """A bad pixel mask that cannot be read is an error before anything is written."""
    path, mask = write_frame(folder / "a.fits"), write_pixels(folder / "bpm.fits")
    damage(mask)
    before = snapshot(empty.root)
    with pytest.raises(ButlerUserError, match=r"bpm\.fits"):
        ingest(empty, [path], bad_pixel_mask=mask)
    assert snapshot(empty.root) == before


def test_only_a_mask_is_no_exposure(empty: Butler, folder: Path) -> None:
    """There must be something to ingest."""
    mask = write_pixels(folder / "bpm.fits")
    for paths in ([], [mask]):
        with pytest.raises(IngestError, match="no exposure to ingest"):
            ingest(empty, paths, bad_pixel_mask=mask)


# A real camera, described by hand.


@pytest.mark.skipif(not DECAM.exists(), reason="needs the images of ../shared/data/decam_cp")
def test_decam_files_with_a_mapping_by_hand(empty: Butler) -> None:
    """Multi-extension files with TPV distortions and their weights come in with 20 lines of YAML."""
    camera = CameraMapping.parse(
        {
            "instrument": "DECam",
            "visit": "EXPNUM",
            "detector": "CCDNUM",
            "band": {"file": r"_ooi_([grz])_"},
            "physical_filter": "FILTER",
            "exposure_time": "EXPTIME",
            "date": "DATE-OBS",
            "target_name": "OBJECT",
            "gain": "ARAWGAIN",
            "read_noise": "RDNOISEA",
            "saturation": "SATURATE",
            "zero_point": {"value": 30.0},
            "seeing": "FWHM",
            "weight": {"pattern": "(.*)_ooi_(.*)", "file": "{1}_oow_{2}"},
        },
        "decam.yaml",
    )
    images = sorted(DECAM.glob("*_ooi_*.fits"))
    report = ingest_exposures(
        empty,
        images,
        run="decam",
        camera=camera,
        transfer="direct",
    )
    assert not report.failed
    assert len(report.ingested) == 2 * len(images) == 12
    bands = [r["band"] for r in empty.query_data_ids(["visit", "band"])]
    assert sorted(bands) == ["g", "g", "r", "r", "z", "z"]
    for ref in empty.query_datasets("postISRCCD", "decam"):
        exposure = empty.get(ref)
        weight = empty.get("postISRCCD_weight", ref.dataId, collections="decam")
        assert weight.bbox == exposure.image.bbox
        (record,) = empty.query_dimension_records(
            "visit_detector_region", visit=ref.dataId["exposure"], detector=ref.dataId["detector"]
        )
        ra, dec = exposure.wcs.pixelToSky(*exposure.image.bbox.center)
        assert record.region.contains(float(ra), float(dec))
    assert empty.verify().is_clean


# Sky maps.


def test_a_sky_map_is_registered_once(empty: Butler) -> None:
    """The same sky map again is a no-op; another one of that name is refused; both change nothing."""
    assert register_sky_map(empty, "sky", SKY_MAP) is not None
    before = snapshot(empty.root)
    assert register_sky_map(empty, "sky", SKY_MAP) is None
    other = DiscreteSkyMap(
        DiscreteSkyMapConfig(raList=(10.0,), decList=(1.0,), radiusList=(0.02,), pixelScale=1.8)
    )
    with pytest.raises(ConflictingDefinitionError, match="'sky' is registered with another definition"):
        register_sky_map(empty, "sky", other)
    assert snapshot(empty.root) == before
    assert empty.get("skyMap", skymap="sky", collections="skymaps") == SKY_MAP
    patches = empty.query_dimension_records("patch", skymap="sky")
    assert [(p["cell_x"], p["cell_y"]) for p in patches] == [
        (patch.index.x, patch.index.y) for patch in SKY_MAP[0]
    ]


def test_nothing_was_observed(empty: Butler) -> None:
    """Regions of no exposures are an error that says so."""
    with pytest.raises(EmptyQueryResultError):
        observed_regions(empty)
