"""Pictures of the sky: frames, outlines, depth maps, labels, and `butler show-sky`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import CALEXP, COADD, DETECTORS, SKY_MAP, WARP, make_exposure, square

from butler import Butler, DatasetType
from butler.cli import main
from butler.errors import ButlerUserError
from butler.ingest import register_sky_map
from butler.pictures import SkyFrame, SkyOutline, SkyPicture, depth_map, draw_sky, write_depth_map
from butler.pictures.drawing import save_figure
from butler.pictures.sky_labels import SkyLabel, place_labels
from butler.regions import SkyRegion
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig, RingsSkyMap, RingsSkyMapConfig

pytest.importorskip("matplotlib")
healsparse = pytest.importorskip("healsparse")

RINGS = RingsSkyMap(
    RingsSkyMapConfig(numRings=9, projection="TAN", pixelScale=60, patchInnerDimensions=(300, 300))
)


def call(*words: object, rc: int = 0) -> Result:
    """Run a command; anything but a planned exit is an error of ours."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == rc, result.output
    return result


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SkyPicture]:
    """Collect the pictures that commands draw, in place of writing them; work in an empty directory."""
    pictures: list[SkyPicture] = []
    monkeypatch.setattr("butler.pictures.draw_sky", lambda picture, path: pictures.append(picture))
    monkeypatch.chdir(tmp_path)
    return pictures


# Outlines of regions.

ras, decs = st.floats(0, 359.9), st.floats(-85, 85)
regions = st.one_of(
    st.builds(SkyRegion.from_circle, ras, decs, st.floats(0.1, 40)),
    st.builds(SkyRegion.from_box, ras, decs, st.floats(1, 300), st.floats(0.5, 20)),
    st.builds(square, ras, st.floats(-60, 60), st.floats(0.1, 30)),
)


@given(regions, st.sampled_from([0.3, 2.0]))
@settings(deadline=None, max_examples=60)
def test_an_outline_runs_along_the_edge(region: SkyRegion, step: float) -> None:
    """It is closed, its steps are short, and each position has inside and outside near it."""
    ra, dec = region.outline(step)
    assert (ra[0], dec[0]) == pytest.approx((ra[-1], dec[-1]), abs=1e-9)
    lon, lat = np.radians(ra), np.radians(dec)
    vectors = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    gaps = np.degrees(2 * np.arcsin(np.linalg.norm(np.diff(vectors), axis=0) / 2))
    assert gaps.max() < step * 1.01
    for i in range(0, len(ra), max(1, len(ra) // 9)):
        at = np.linspace(0, 2 * math.pi, 24)
        around_dec = np.clip(dec[i] + 1e-3 * np.sin(at), -90, 90)
        around_ra = ra[i] + 1e-3 * np.cos(at) / max(math.cos(lat[i]), 1e-3)
        inside = region.contains(around_ra, around_dec)
        assert inside.any()
        assert not inside.all()


def test_the_outline_of_another_shape() -> None:
    """Of a union, as another library may store it, it is the circle around it."""
    from lsst.sphgeom import UnionRegion

    parts = [SkyRegion.from_circle(ra, 5, 1) for ra in (10, 14)]
    union = SkyRegion.of(UnionRegion(*(part._region for part in parts)))
    assert union is not None
    ra, dec, radius = union.bounding_circle()
    for change, inside in ((1e-6, True), (-1e-6, False)):
        found = SkyRegion.from_circle(ra, dec, radius + change).contains(*union.outline())
        assert np.all(found == inside)
    assert SkyFrame.around([union]).wcs.pixel_scale > SkyFrame.around(parts[:1]).wcs.pixel_scale


def test_the_outline_of_a_cap_and_of_nothing() -> None:
    """Around a pole only the parallel is an edge; an empty region has none."""
    for dec, edge in ((-90.0, -84.0), (90.0, 84.0)):
        ra, along = SkyRegion.from_box(0, dec, 360, 12).outline()
        assert np.allclose(along, edge)
        assert np.ptp(ra) > 350
    with pytest.raises(ValueError, match="no outline"):
        SkyRegion.from_circle(0, 0, -1).outline()


# Frames.


@given(ras, st.floats(-80, 80), st.floats(0.01, 30))
@settings(deadline=None, max_examples=40)
def test_north_is_up_and_east_is_left(ra: float, dec: float, size: float) -> None:
    """In every frame, whatever its scale."""
    for frame in (SkyFrame.of_box((ra, dec), (size, size / 2)), SkyFrame.whole_sky()):
        ra0, dec0 = frame.center
        step = min(size, 1.0) * 0.1
        x, y = frame.wcs.skyToPixel([ra0, ra0 + step, ra0], [dec0, dec0, dec0 + step])
        assert x[1] < x[0]
        assert y[2] > y[0]
        assert max(frame.shape) == 1200


@given(ras, st.floats(-88, 88), st.floats(0.001, 20), st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_a_frame_holds_what_it_is_around(ra: float, dec: float, size: float, n: int) -> None:
    """Every position of every outline is in the frame, across RA 0 and near the poles as well."""
    areas = [SkyRegion.from_circle(ra + i * size / 3, dec, size / 2) for i in range(n)]
    frame = SkyFrame.around(areas)
    rows, columns = frame.shape
    for area in areas:
        for curve in frame.outline(area):
            assert curve.min() >= 0
            assert (curve.max(axis=0) <= (columns, rows)).all()


def test_what_is_spread_over_the_sky_is_shown_on_all_of_it() -> None:
    """A frame larger than half the sky is the whole; so is that around nothing."""
    far = [SkyRegion.from_circle(ra, 0, 1) for ra in (0, 120, 240)]
    for frame in (SkyFrame.around(far), SkyFrame.around([]), SkyFrame.of_box((10, 10), (170, 3))):
        assert frame.is_whole_sky
    assert not SkyFrame.around(far[:1]).is_whole_sky


def test_curves_are_cut_where_the_sky_is_torn() -> None:
    """No line runs across the ellipse, and what crosses the far meridian reaches the edge on both sides."""
    frame = SkyFrame.whole_sky()
    for tract_id in range(len(RINGS)):
        for curve in frame.outline(RINGS.inner_sky_region(tract_id)):
            assert np.abs(np.diff(curve, axis=0)).max() < 60
    curves = frame.curves(np.array([170.0, 175.0, 185.0, 190.0]), np.zeros(4))
    assert len(curves) == 2
    (left, right) = sorted(curves, key=lambda curve: curve[0, 0])
    assert left[-1, 0] == pytest.approx(-0.5, abs=0.1)
    assert right[0, 0] == pytest.approx(1199.5, abs=0.1)
    tangent = SkyFrame.of_box((0, 0), (2, 2))
    ra, dec = np.array([0.0, 0.1, np.nan, 0.3, 0.4, 120.0]), np.zeros(6)
    assert [len(curve) for curve in tangent.curves(ra, dec)] == [2, 2]


# Depth.


def outlines_of(n_visits: int) -> list[SkyOutline]:
    """Make visits of two detectors, some of which overlap each other."""
    rng = np.random.default_rng(4)
    found = []
    for visit in range(n_visits):
        ra, dec = rng.uniform(359.5, 360.5) % 360, rng.uniform(-0.5, 0.5)
        for detector in (0, 1):
            region = (
                square(ra + 0.15 * detector, dec, 0.2) if visit % 2 else SkyRegion.from_circle(ra, dec, 0.1)
            )
            found.append(SkyOutline(region, ("CAM", visit), detector, "g", 10.0 + visit))
    return found


@pytest.mark.parametrize("kind", ["visits", "exposure_time"])
def test_depth_counts_each_visit_once(kind: str) -> None:
    """At the middle of each pixel the depth is what trying every outline gives."""
    outlines = outlines_of(12)
    depth = depth_map(outlines, kind, nside=512)
    assert depth.metadata["KIND"] == kind
    import hpgeom

    pixels = hpgeom.query_circle(512, 0.0, 0.0, 1.2)
    ra, dec = hpgeom.pixel_to_angle(512, pixels)
    expected = np.zeros(len(pixels))
    for visit in range(12):
        seen = np.any([o.region.contains(ra, dec) for o in outlines if o.visit[1] == visit], axis=0)
        expected += seen * (1 if kind == "visits" else 10.0 + visit)
    assert expected.max() > (1 if kind == "visits" else 22)
    found = np.where(depth.get_values_pix(pixels, valid_mask=True), depth.get_values_pix(pixels), 0)
    np.testing.assert_array_equal(found, expected)
    assert depth.n_valid == np.count_nonzero(expected)


def test_the_resolution_fits_the_outlines() -> None:
    """Small outlines get fine pixels, many large ones no more than can be afforded, and files stay small."""
    (one, *_), many = outlines_of(1), outlines_of(300)
    fine = depth_map([one])
    assert 100 < 0.2 / math.degrees(math.sqrt(4 * math.pi / 12) / fine.nside_sparse) < 500
    assert fine.nside_coverage <= 256
    assert depth_map(many).nside_sparse < fine.nside_sparse
    whole = depth_map([SkyOutline(SkyRegion.from_circle(0, 0, 180), ("CAM", 1))])
    assert whole.n_valid == 12 * whole.nside_sparse**2


def test_a_depth_map_that_cannot_be(tmp_path: Path) -> None:
    """Another kind, a resolution that is none or too coarse, a time that is not known, no place to write."""
    tiny = [SkyOutline(SkyRegion.from_circle(10, 10, 1e-4), ("CAM", 7))]
    for message, options in {
        "one of visits, exposure_time, not 'seconds'": {"kind": "seconds"},
        "a power of two": {"nside": 1000},
        "take a larger nside": {"nside": 64},
        "exposure time of visit 7 is not known": {"kind": "exposure_time"},
    }.items():
        with pytest.raises(ButlerUserError, match=message):
            depth_map(tiny, **options)  # type: ignore[arg-type]
    with pytest.raises(ButlerUserError, match="larger nside"):
        depth_map([], nside=64)
    (tmp_path / "file").write_text("")
    with pytest.raises(ButlerUserError, match="cannot write the depth map"):
        write_depth_map(depth_map(tiny), tmp_path / "file" / "depth.hsp")


# Labels.


def test_labels_keep_off_each_other() -> None:
    """Of labels in one place the first stays; what is too long for its room, or leaves the axes, goes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    axes = SkyFrame.of_box((10, 10), (1, 1)).axes(figure)
    rng = np.random.default_rng(1)
    labels = [SkyLabel(f"label {i}", [(x, y)]) for i, (x, y) in enumerate(rng.uniform(0, 1200, (200, 2)))]
    labels += [SkyLabel("nowhere", [(-50, 600)]), SkyLabel("a long text", [(600, 600)], room=(30, 30))]
    labels.append(SkyLabel("second place", [labels[0].places[0], (600, 1150)]))
    n_written = place_labels(figure, axes, labels)
    texts = {text.get_text(): text for text in axes.texts}
    assert len(texts) == n_written < 150
    assert "label 0" in texts
    assert not {"nowhere", "a long text"} & texts.keys()
    boxes = [text.get_window_extent() for text in texts.values()]
    frame = axes.get_window_extent()
    for i, box in enumerate(boxes):
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert not any(box.overlaps(other) for other in boxes[:i])


# Whole pictures.


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the texts that pictures have when they are written: labels, ticks, legend."""
    from matplotlib.text import Text

    found: list[str] = []

    def keep(figure: Any, path: Path) -> None:
        save_figure(figure, path)
        found[:] = [text.get_text() for text in figure.findobj(Text)]

    monkeypatch.setattr("butler.pictures.sky_picture.save_figure", keep)
    return found


@pytest.mark.parametrize("scale", ["detector", "survey", "sky"])
def test_pictures_of_every_scale(scale: str, texts: list[str], tmp_path: Path) -> None:
    """One detector, a survey of several tracts, and the whole sky: what they show is labelled."""
    outlines = outlines_of(30)
    shown, frame = {
        "detector": (outlines[2:3], SkyFrame.around([outlines[2].region])),
        "survey": (outlines, SkyFrame.of_box((0.0, 0.0), (30, 24))),
        "sky": (outlines, SkyFrame.whole_sky()),
    }[scale]
    tract = RINGS.findTract(0, 0)
    picture = SkyPicture(
        frame, shown, RINGS, [(tract.tract_id, 3)], "patches with x", depth_map(shown, nside=1024), "a title"
    )
    draw_sky(picture, tmp_path / "sky.svg")
    assert "<svg" in (tmp_path / "sky.svg").read_text()
    for expected in ("a title", "number of visits", "patches with x (1)"):
        assert expected in texts
    if scale == "detector":
        for expected in ("visit 1\ndetector 0", "g: 1 visit, 1 detector image", f"tract {tract.tract_id}"):
            assert expected in texts
    elif scale == "survey":
        for expected in ("g: 30 visits, 60 detector images", "patches", "tracts", "tract 83"):
            assert expected in texts
    else:
        for expected in ("148 tracts", "RA 60°", str(tract.tract_id), "g: 30 visits, 60 detector images"):
            assert expected in texts


@pytest.mark.parametrize(
    ("frame", "labelled"),
    [
        (SkyFrame.of_box((150.1, 2.2), (0.05, 0.05)), True),
        (SkyFrame.of_box((10.0, -80.0), (2.0, 2.0)), False),
        (SkyFrame.whole_sky(), False),
    ],
    ids=["around", "elsewhere", "whole sky"],
)
def test_a_discrete_tract_is_labelled_only_where_it_is(
    frame: SkyFrame, labelled: bool, texts: list[str], tmp_path: Path
) -> None:
    """The nearest tract is in charge of all the sky; its label stands within its pixels, or not at all."""
    place = {"raList": (150.1,), "decList": (2.2,), "radiusList": (0.01,)}
    sky_map = DiscreteSkyMap(DiscreteSkyMapConfig(**place, patchInnerDimensions=(90, 90)))
    draw_sky(SkyPicture(frame, sky_map=sky_map), tmp_path / "sky.svg")
    assert ("tract 0" in texts) == labelled
    assert labelled or "0" not in texts


def test_an_empty_picture(tmp_path: Path) -> None:
    """A part of the sky with nothing in it is still a picture; a file that cannot be is told."""
    draw_sky(SkyPicture(SkyFrame.of_box((10, -80), (1, 2))), tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 1000
    with pytest.raises(ButlerUserError, match="cannot draw"):
        draw_sky(SkyPicture(SkyFrame.whole_sky()), tmp_path / "empty.xyz")


# The command.


def observed(picture: SkyPicture) -> list[tuple[int, int | None]]:
    return [(outline.visit[1], outline.detector) for outline in picture.outlines]


def test_what_is_asked_for_is_drawn(butler: Butler, drawn: list[SkyPicture]) -> None:
    """All detectors; those of a condition, of a data ID, and those that have a dataset."""
    butler.put(make_exposure(), CALEXP, visit=2, detector=1)
    call("show-sky", butler.root)
    call("show-sky", butler.root, "--where", "band = 'r'", "--depth", "exposure_time")
    call("show-sky", butler.root, "-d", "visit=1..2", "--data-id", "detector=0", "--depth", "none")
    call("show-sky", butler.root, "--dataset-type", "calexp", "--no-skymap")
    whole, red, first, stored = drawn
    assert observed(whole) == sorted(DETECTORS)
    assert observed(red) == [(2, 0), (2, 1)]
    assert observed(first) == [(1, 0), (2, 0)]
    assert observed(stored) == [(2, 1)]
    assert whole.sky_map == SKY_MAP
    assert whole.title == "sky map sky"
    assert first.title == "detector=0, visit=1..2 · sky map sky"
    assert (first.depth, stored.sky_map) == (None, None)
    assert red.depth.metadata["KIND"] == "exposure_time"
    assert float(red.depth.get_values_pos(*DETECTORS[2, 1])) == 45.5


def test_patches_with_datasets_are_marked(butler: Butler, drawn: list[SkyPicture]) -> None:
    """Of a coadd the patches, of a warp the visit as well; the sky map is theirs."""
    register_sky_map(butler, "rings", RINGS)
    butler.put({}, COADD, skymap="sky", tract=0, patch=1, band="g")
    butler.put({}, WARP, skymap="sky", tract=0, patch=0, visit=1)
    call("show-sky", butler.root, "--dataset-type", "coadd")
    call("show-sky", butler.root, "-d", "warp", "-d", "skymap=sky")
    whole_tract = DatasetType("whole_tract", ("skymap", "tract"), "StructuredDataDict")
    butler.registry.registerDatasetType(whole_tract)
    butler.put({}, whole_tract, skymap="sky", tract=0)
    call("show-sky", butler.root, "-d", "whole_tract")
    coadds, warps, tracts = drawn
    assert list(tracts.chosen) == [(0, 0), (0, 1)]
    assert (list(coadds.chosen), coadds.chosen_label, coadds.sky_map) == (
        [(0, 1)],
        "patches with coadd",
        SKY_MAP,
    )
    assert not coadds.outlines
    assert observed(warps) == [(1, 0), (1, 1)]
    assert warps.sky_map == SKY_MAP


def test_where_to_look(butler: Butler, empty: Butler, drawn: list[SkyPicture]) -> None:
    """Around a position, the whole sky, or what was found; without observations, the sky map."""
    call("show-sky", butler.root, "--position", "10 0", "--size", "6x3arcmin")
    call("show-sky", butler.root, "--whole-sky")
    register_sky_map(empty, "sky", SKY_MAP)
    call("show-sky", empty.root)
    register_sky_map(empty, "rings", RINGS)
    call("show-sky", empty.root, "--skymap", "rings")
    near, whole, plain, rings = (picture.frame for picture in drawn)
    assert near.center == (10.0, 0.0)
    assert near.shape == (600, 1200)
    assert near.wcs.pixel_scale == pytest.approx(0.3)
    assert whole.is_whole_sky
    assert rings.is_whole_sky
    x, y = plain.wcs.skyToPixel(10.0, 0.0)
    assert (float(x), float(y)) == pytest.approx(((plain.shape[1] - 1) / 2, (plain.shape[0] - 1) / 2), abs=12)


def test_pictures_and_maps_are_files_and_datasets(butler: Butler, texts: list[str], tmp_path: Path) -> None:
    """PNG and SVG are written with the depth map, which is also put into a run."""
    words = ("show-sky", butler.root, "-d", "visit=1,2")
    result = call(*words, "-o", tmp_path / "a.png", "--depth-map", tmp_path / "d.hsp", "--depth-run", "deep")
    assert result.stdout.splitlines() == [str(tmp_path / "a.png"), str(tmp_path / "d.hsp")]
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    call(*words, "-o", tmp_path / "a.svg", "--no-skymap")
    assert {"g: 1 visit, 2 detector images", "r: 1 visit, 2 detector images"} <= set(texts)
    assert "tracts" not in texts
    saved = healsparse.HealSparseMap.read(str(tmp_path / "d.hsp"))
    stored = butler.get("depthMap", collections="deep")
    for depth in (saved, stored):
        assert int(depth.get_values_pos(*DETECTORS[1, 1])) == 1
        assert depth.n_valid == saved.n_valid > 1000
    listed = call("query-datasets", butler.root, "depthMap", "--format", "json").stdout
    assert [row["run"] for row in json.loads(listed)] == ["deep"]


@pytest.mark.parametrize(
    ("words", "rc", "message"),
    [
        (["--where", "visit = 9"], 1, "nothing fulfils 'visit = 9'"),
        (["--where", "vist = 1"], 1, "vist"),
        (["--dataset-type", "calxp"], 2, "did you mean 'calexp'?"),
        (["--dataset-type", "total"], 1, "total lies nowhere on the sky"),
        (["--dataset-type", "calexp"], 1, "calexp"),
        (["--dataset-type", "coadd"], 1, "coadd"),
        (["--skymap", "ski"], 1, "no sky map 'ski'; did you mean 'sky'?"),
        (["--skymap", "sky", "--no-skymap"], 2, "either --skymap or --no-skymap"),
        (["--whole-sky", "--position", "10 0"], 2, "either --whole-sky or a position"),
        (["--position", "10 0", "--size", "9px"], 2, "size in arcsec"),
        (["--depth", "none", "--nside", "64"], 2, "--depth none makes no map"),
        (["--nside", "63"], 1, "a power of two"),
        (["-o", "p.xyz"], 1, "p.xyz"),
    ],
)
def test_what_cannot_be_drawn(
    butler: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], rc: int, message: str
) -> None:
    """One line says why; no picture is left."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    result = call("show-sky", butler.root, *words, rc=rc)
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not list(Path().iterdir())


def test_which_of_several_sky_maps(butler: Butler, empty: Butler, drawn: list[Any]) -> None:
    """Without a name the message tells how to choose; a repository without anything says so."""
    register_sky_map(butler, "rings", RINGS)
    told = " ".join(call("show-sky", butler.root, rc=1).stderr.split())
    assert "there are the sky maps rings, sky; name one (choose one with --skymap" in told
    told = call("show-sky", empty.root, rc=1).stderr
    assert "nothing was observed, and no sky map is registered" in told
    butler.registry.registerDatasetType(DatasetType("note2", ("instrument",), "StructuredDataDict"))
    assert "nowhere on the sky" in call("show-sky", butler.root, "-d", "note2", rc=1).stderr
    assert not drawn
