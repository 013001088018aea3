"""Pictures and cutouts: which pixels are read and drawn, how values become shades, what cannot be drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from small_repository import CALEXP, SKY_MAP, make_exposure

from butler import Butler, DatasetType
from butler.cli import main
from butler.cli.sky_boxes import SkyCutout, parse_position, parse_size
from butler.errors import ButlerUserError
from butler.images import Box2I, Exposure, Image, Mask, Point2I
from butler.pictures import (
    Picture,
    Scaling,
    draw_image,
    draw_picture,
    new_figure_class,
    rasterize_map,
    sky_axes,
)
from butler.pictures.mask_overlay import NO_DATA_COLOR

pytest.importorskip("matplotlib")


def call(*words: object, rc: int = 0) -> Result:
    """Run a command; anything but a planned exit is an error of ours."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == rc, result.output
    return result


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Picture]:
    """Collect the pictures that commands draw, in place of writing them; work in an empty directory."""
    pictures: list[Picture] = []

    def keep(picture: Picture, path: Path, *, scaling: Scaling, cmap: str | None) -> None:
        pictures.append(picture)

    monkeypatch.setattr("butler.pictures.draw_picture", keep)
    monkeypatch.chdir(tmp_path)
    return pictures


@pytest.fixture
def exposures(butler: Butler) -> Exposure:
    """Put an exposure of both detectors of visit 1, and return that of the first."""
    exposure = make_exposure((5, 7), (40, 60))
    for detector in (0, 1):
        butler.put(exposure, CALEXP, visit=1, detector=detector)
    return exposure


# Where on the sky.


@pytest.mark.parametrize(
    ("text", "ra", "dec"),
    [
        ("150.1 2.2", 150.1, 2.2),
        ("150.1,-2.2", 150.1, -2.2),
        ("-10 +2", 350.0, 2.0),
        ("10:00:24 +02:12:00", 150.1, 2.2),
        ("10h00m24s +2d12m", 150.1, 2.2),
        ("150.1d -2d12m", 150.1, -2.2),
    ],
)
def test_positions_are_read(text: str, ra: float, dec: float) -> None:
    """Degrees, or hours and degrees, with or without letters."""
    assert parse_position(text) == pytest.approx((ra, dec))


@pytest.mark.parametrize(
    ("text", "size", "in_pixels"),
    [
        ("30arcsec", (30.0, 30.0), False),
        ("2x1arcmin", (120.0, 60.0), False),
        ('5"', (5.0, 5.0), False),
        ("1.5'", (90.0, 90.0), False),
        ("0.1 deg", (360.0, 360.0), False),
        ("200px", (200.0, 200.0), True),
        ("20x10 pixels", (20.0, 10.0), True),
    ],
)
def test_sizes_are_read(text: str, size: tuple[float, float], in_pixels: bool) -> None:
    """A number or two, with their unit."""
    assert parse_size(text) == (pytest.approx(size), in_pixels)


@pytest.mark.parametrize("at", [(20.0, 30.0), (5.2, 7.4), (64.3, 46.0)])
def test_a_cutout_is_centred_and_cut_at_the_edge(at: tuple[float, float]) -> None:
    """The position is in the middle pixel, where the image goes on to both sides."""
    exposure = make_exposure((5, 7), (40, 60))
    assert exposure.wcs is not None
    ra, dec = (float(v) for v in exposure.wcs.pixelToSky(*at))
    box = SkyCutout(ra, dec, (11.0, 5.0), True).box_in(exposure.wcs, exposure.bbox)
    whole = [x for x in range(round(at[0]) - 5, round(at[0]) + 6) if 5 <= x <= 64]
    assert (box.minX, box.maxX) == (whole[0], whole[-1])
    assert exposure.bbox.contains(box)
    in_arcsec = SkyCutout(ra, dec, (11 * exposure.wcs.pixel_scale, 5 * exposure.wcs.pixel_scale), False)
    assert in_arcsec.box_in(exposure.wcs, exposure.bbox) == box


# What is read for a picture.


def test_only_the_box_is_read(butler: Butler, exposures: Exposure, drawn: list[Picture]) -> None:
    """Pixels, mask and WCS of the picture are those of the box; the variance comes if asked for."""
    box = Box2I.parse("10..29,20..35")
    words = ("show", butler.root, "calexp", "visit=1", "detector=0", "--bbox", "10..29,20..35")
    call(*words)
    call(*words, "--no-mask")
    call(*words, "--component", "variance")
    call(*words, "--component", "mask")
    call("show", butler.root, "calexp.mask", *words[3:])
    image, bare, variance, mask, same_mask = drawn
    assert image.image is not None
    assert image.mask is not None
    np.testing.assert_array_equal(image.image.array, exposures.image[box].array)
    np.testing.assert_array_equal(image.mask.array, exposures.mask[box].array)
    assert image.bbox == box
    assert image.wcs == exposures.wcs
    assert image.title == "calexp: instrument CAM, detector 0, visit 1\nrun"
    assert bare.mask is None
    assert variance.mask is None
    assert variance.image is not None
    np.testing.assert_array_equal(variance.image.array, exposures.variance[box].array)
    for shown in (mask, same_mask):
        assert shown.image is None
        assert shown.mask is not None
        np.testing.assert_array_equal(shown.mask.array, exposures.mask[box].array)


def test_a_position_stands_for_the_detector(
    butler: Butler, exposures: Exposure, drawn: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image whose region has the position is drawn, around it; others are not looked at."""
    assert exposures.wcs is not None
    inside = SKY_MAP[0].getWcs().pixelToSky(0, 0)
    assert inside is not None
    # Detector 0 of visit 1 is a square around RA 10.020, Dec 0.010, detector 1 one around RA 10.010.
    for ra, detector in ((10.021, 0), (10.009, 1)):
        x, y = (float(v) for v in exposures.wcs.skyToPixel(ra, 0.011))
        centred = make_exposure((round(x) - 30, round(y) - 20), (40, 60))
        run = f"at{detector}"
        butler.registry.registerRun(run)
        butler.put(centred, CALEXP, visit=1, detector=detector, run=run)
        words = ("--collections", "at0,at1" if detector else "at0", "--size", "9px")
        call("show", butler.root, "calexp", "--ra", ra, "--dec", 0.011, *words)
        assert f"detector {detector}" in drawn[-1].title
        assert drawn[-1].bbox.center == (round(x), round(y))


def test_counts_without_a_wcs_have_that_of_their_tract(butler: Butler, drawn: list[Picture]) -> None:
    """An image of a patch is placed by the sky map; the patch follows from the position."""
    counts = DatasetType("counts", ("skymap", "tract", "patch"), "ImageU")
    butler.registry.registerDatasetType(counts)
    tract = SKY_MAP[0]
    for patch in tract:
        box = patch.getOuterBBox()
        image = Image(np.full(box.shape, patch.getSequentialIndex(), dtype=np.uint16), box.minimum)
        butler.put(image, counts, tract=0, patch=patch.getSequentialIndex())
    for ra, index in ((10.015, 0), (9.985, 1)):
        call("show", butler.root, "counts", "--position", f"{ra} 0.0", "--size", "8px")
        assert drawn[-1].wcs == tract.getWcs()
        assert drawn[-1].image is not None
        assert set(drawn[-1].image.array.ravel()) == {index}


def test_maps_of_the_sky(butler: Butler, drawn: list[Picture]) -> None:
    """A map of bits is drawn as their number, around a position or whole."""
    healsparse = pytest.importorskip("healsparse")
    sky_map = healsparse.HealSparseMap.make_empty(32, 4096, healsparse.WIDE_MASK, wide_mask_maxbits=10)
    ra, dec = np.meshgrid(np.linspace(9.9, 10.1, 60), np.linspace(-0.1, 0.1, 60))
    pixels = np.unique(pytest.importorskip("hpgeom").angle_to_pixel(4096, ra, dec))
    sky_map.set_bits_pix(pixels, [0])
    sky_map.set_bits_pix(pixels[::2], [9])
    butler.registry.registerDatasetType(DatasetType("inputs", (), "HealSparseMap"))
    butler.put(sky_map, "inputs")
    call("show", butler.root, "inputs")
    call("show", butler.root, "inputs", "--position", "10 0", "--size", "0.05deg")
    whole, part = (picture.image for picture in drawn)
    assert whole is not None
    assert part is not None
    assert set(np.unique(whole.array)) == {0, 1, 2}
    assert 0 not in part.array
    assert (
        "size in arcsec"
        in call("show", butler.root, "inputs", "--position", "10 0", "--size", "9px", rc=2).stderr
    )
    assert "no value around" in call("show", butler.root, "inputs", "--position", "50 0", rc=1).stderr


def test_a_map_of_numbers_has_gaps() -> None:
    """Where it has no value the image is NaN, elsewhere the map's value."""
    healsparse = pytest.importorskip("healsparse")
    sky_map = healsparse.HealSparseMap.make_empty(32, 1024, np.float32)
    sky_map.update_values_pos(np.array([30.0]), np.array([-20.0]), np.array([7.5], dtype=np.float32))
    image, wcs = rasterize_map(sky_map, (30.0, -20.0), (0.3, 0.2))
    assert image.array.shape == (400, 600)
    # The middle of the map's pixel: the image's own middle is a corner of pixels.
    x, y = (round(v.item()) for v in wcs.skyToPixel(*sky_map.valid_pixels_pos()))
    assert image.array[y, x] == 7.5
    assert np.isnan(image.array[0, 0])


@pytest.mark.parametrize(
    ("words", "rc", "message"),
    [
        (["calexp"], 1, "2 datasets fit, give more of the data ID to choose one"),
        (["calexp", "detector=0", "--ra", "10"], 2, "give both --ra and --dec, or --position"),
        (["calexp", "--ra", "10", "--dec", "0", "--position", "10 0"], 2, "or --position"),
        (["calexp", "--position", "M31"], 2, "cannot read the position 'M31'"),
        (["calexp", "--position", "10 95"], 2, "is no position on the sky"),
        (["calexp", "--position", "10 0", "--bbox", "0..1,0..1"], 2, "either --bbox or a position"),
        (["calexp", "--position", "200 0"], 1, "no calexp of that data ID covers RA 200"),
        (
            ["calexp", "detector=0", "--position", "10.021 0.011"],
            1,
            "is not on the image, whose centre is at RA",
        ),
        (["calexp", "--position", "10 0", "--size", "5"], 2, "cannot read the size '5'"),
        (["calexp", "--position", "10 0", "--size", "0px"], 2, "is nothing"),
        (["calexp", "detector=0", "--mask", "CLIPED"], 1, "no mask plane 'CLIPED'; did you mean 'CLIPPED'?"),
        (["calexp", "detector=0", "--mask", "BAD", "--no-mask"], 2, "leave out --no-mask"),
        (["calexp", "detector=0", "--scale", "wide"], 1, "a scale is auto, zscale, minmax"),
        (["calexp", "detector=0", "--scale", "5,1"], 1, "LOW,HIGH"),
        (["calexp", "detector=0", "--scale", "a,b"], 1, "both numbers"),
        (["calexp", "detector=0", "--scale", "0%"], 1, "a percentage"),
        (["calexp", "detector=0", "--cmap", "pinkish"], 1, "no colour map 'pinkish'"),
        (["calexp.image", "detector=0", "--component", "mask"], 2, "is a component already"),
        (["calexp.psf", "detector=0"], 1, "cannot draw a"),
        (["calxp"], 2, "did you mean 'calexp'?"),
        (["calexp", "detector=0", "-o", "p.xyz"], 1, "p.xyz"),
    ],
)
def test_what_cannot_be_drawn(
    butler: Butler,
    exposures: Exposure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    rc: int,
    message: str,
) -> None:
    """One line says why; no picture is left."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    result = call("show", butler.root, *words, rc=rc)
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not list(Path().iterdir())


# Shades and colours.


@pytest.mark.parametrize("stretch", ["linear", "sqrt", "log", "asinh"])
@pytest.mark.parametrize("limits", ["auto", "zscale", "minmax", 99.5, (-3.0, 50.0)])
def test_shades_rise_with_values(stretch: str, limits: Any) -> None:
    """The ends of the scale are black and white, what lies between rises, NaN counts for nothing."""
    array = np.random.default_rng(5).normal(10, 2, (50, 50)).astype(np.float32)
    array[3:6, 3:6] = 500.0
    array[0, 0] = np.nan
    scaling = Scaling(stretch, limits)
    low, high = scaling.limits_for(array)
    assert low < high
    norm = scaling.norm(array)
    shades = np.asarray(norm(np.linspace(low, high, 20)))
    assert shades[0] == pytest.approx(0.0, abs=1e-6)
    assert shades[-1] == pytest.approx(1.0, abs=1e-6)
    assert np.all(np.diff(shades) > 0)
    if limits == "minmax":
        assert (low, high) == (np.nanmin(array), 500.0)
    if limits == (-3.0, 50.0):
        assert (low, high) == limits


def test_flat_and_empty_images_have_a_scale() -> None:
    """One value everywhere, or none at all, is no error."""
    for value in (0.0, 7.0, np.nan):
        for limits in ("auto", "zscale", "minmax", 98.0):
            low, high = Scaling("asinh", limits).limits_for(np.full((5, 5), value))
            assert low < high


def colors_at(path: Path) -> set[tuple[int, int, int]]:
    """Return the colours of a PNG file, each reduced to 16 steps."""
    from matplotlib.image import imread

    red, green, blue = np.moveaxis((np.asarray(imread(path))[..., :3] * 15).round().astype(int), -1, 0)
    codes = np.unique(red * 256 + green * 16 + blue).tolist()
    return {(code // 256, code // 16 % 16, code % 16) for code in codes}


def test_mask_planes_have_their_colours(tmp_path: Path) -> None:
    """Only the planes that are named are coloured; an image without any is grey."""
    image = Image(np.zeros((20, 30), dtype=np.float32), Point2I(100, 200), "nJy")
    mask = Mask(np.zeros((20, 30), dtype=np.int32), image.xy0)
    mask.array[2:9, 2:9] |= mask.getPlaneBitMask("SAT")
    mask.array[2:9, 12:19] |= mask.getPlaneBitMask("SUSPECT")
    seen = {}
    for name, planes in {"none": [], "usual": None, "named": ["SUSPECT"], "all": ["all"]}.items():
        path = tmp_path / f"{name}.png"
        draw_picture(Picture(image, mask, planes=planes), path, scaling=Scaling(limits=(0.0, 1.0)))
        seen[name] = {color for color in colors_at(path) if len(set(color)) > 1}
    assert not seen["none"]
    assert seen["usual"]
    assert seen["named"]
    assert not seen["usual"] & seen["named"]
    assert seen["all"] >= (seen["usual"] & seen["all"])
    assert seen["all"] & seen["usual"]
    assert seen["all"] - seen["usual"]


def test_what_no_input_reaches_has_a_colour_of_its_own(tmp_path: Path) -> None:
    """Pixels with NO_DATA, and counts of 0, are neither dark nor light; the legend tells how many."""
    from matplotlib.colors import to_rgb

    empty = tuple(round(part * 15) for part in to_rgb(NO_DATA_COLOR))
    image = Image(np.zeros((20, 30), dtype=np.float32), unit="nJy")
    mask = Mask(np.zeros((20, 30), dtype=np.int32))
    path = tmp_path / "picture.png"
    draw_picture(Picture(image, mask), path, scaling=Scaling(limits=(0.0, 1.0)))
    assert empty not in colors_at(path)
    mask.array[:10] |= mask.getPlaneBitMask("NO_DATA")
    draw_picture(Picture(image, mask), path, scaling=Scaling(limits=(0.0, 1.0)))
    assert empty in colors_at(path)
    counts = Image(np.ones((20, 30), dtype=np.uint16))
    counts.array[:5] = 2
    for lowest, expected in ((1, False), (0, True)):
        counts.array[-5:] = lowest
        figure, axes = draw_counts(counts)
        shown = axes.images[0].to_rgba(counts.array)[-1, 0, :3]
        assert np.allclose(shown, to_rgb(NO_DATA_COLOR)) is expected
        figure.clear()


def draw_counts(counts: Image) -> tuple[Any, Any]:
    """Draw an image of counts; return figure and axes."""
    figure = new_figure_class()()
    axes = sky_axes(figure, (1, 1, 1), None, (0, 0))
    draw_image(figure, axes, counts)
    return figure, axes


def test_the_legend_tells_how_much_is_empty() -> None:
    """The part without data is in the legend of an image, and not where only the mask is drawn."""
    mask = Mask(np.zeros((20, 30), dtype=np.int32))
    mask.array[:5] |= mask.getPlaneBitMask("NO_DATA")
    mask.array[7] |= mask.getPlaneBitMask("SAT")
    image = Image(np.zeros((20, 30), dtype=np.float32))
    figure = new_figure_class()()
    axes = sky_axes(figure, (1, 1, 1), None, (0, 0))
    draw_image(figure, axes, image, mask=mask)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["SAT  5 %", "NO_DATA  25 %"]


@pytest.mark.parametrize("name", ["deepCoadd_directWarp", "deepCoadd_psfMatchedWarp"])
def test_the_title_of_a_warp(butler: Butler, drawn: list[Picture], name: str) -> None:
    """Visit, tract and patch are in it; the mask planes of a warp lie over it."""
    warp = DatasetType(name, ("instrument", "visit", "skymap", "tract", "patch"), "ExposureF")
    butler.registry.registerDatasetType(warp)
    exposure = make_exposure()
    for visit in (1, 2):
        butler.put(exposure, warp, visit=visit, tract=0, patch=1)
    call("show", butler.root, name, "visit=2")
    (picture,) = drawn
    assert picture.title == f"{name}: instrument CAM, skymap sky, tract 0, patch 1, visit 2\nrun"
    assert picture.mask is not None
    np.testing.assert_array_equal(picture.mask.array, exposure.mask.array)


def test_a_picture_needs_something() -> None:
    """Neither image nor mask is an error with words."""
    with pytest.raises(ButlerUserError, match="an image or a mask"):
        assert Picture(None).bbox
