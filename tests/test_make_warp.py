"""Tests of the task that resamples the detector images of a visit onto a patch."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from calexps import VISIT, WatchedHandle, has_data, make_calexp, make_warp, patch
from ccd_frames import add_gaussian_star, box, make_camera, make_frame, make_wcs

from butler.errors import ButlerUserError, FileFormatError
from butler.images import (
    DEFAULT_MASK_PLANES,
    ChebyshevBoundedField,
    CoaddPsf,
    Exposure,
    InvalidPsfError,
    KernelPsf,
    PhotoCalib,
    Polygon,
    Psf,
    SkyWcs,
)
from butler.images.polygon import in_polygon
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig
from connections.errors import NoWorkFound
from tasks.kernels import resampling_kernel
from tasks.process_ccd import ProcessCcdTask
from tasks.select import WcsSelectImagesTask
from tasks.sky_info import make_sky_info
from tasks.struct import Struct
from tasks.warp import MakeDirectWarpConfig, MakeDirectWarpTask, Warper, WarperConfig
from tasks.warp.choose_detectors import choose_detectors
from tasks.warp.visit_warp import VisitWarp


def test_only_the_needed_box_is_read() -> None:
    """Of a large image only what falls on the patch is read, and the warp is that of the whole image."""
    rng = np.random.default_rng(1)
    exposure = make_calexp(rng.normal(size=(500, 600)), make_wcs(crpix=(300.0, 250.0)))
    exposure.mask.set_where("BAD", rng.random((500, 600)) < 0.01)
    exposure.mask.set_where("EDGE", rng.random((500, 600)) < 0.001)
    target_wcs = make_wcs(crpix=(40.0, 30.0), rotation=0.5)
    bbox = box(80, 60)
    handle = WatchedHandle(exposure)
    warp = MakeDirectWarpTask().run([handle], patch(target_wcs, bbox), VISIT).warp
    assert len(handle.boxes) == 1
    assert handle.boxes[0].area < 0.06 * exposure.bbox.area
    whole = Warper(WarperConfig()).warp(exposure.maskedImage, exposure.wcs, target_wcs, bbox)
    assert has_data(warp).all()
    np.testing.assert_allclose(warp.image.array, whole.image.array, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(warp.variance.array, whole.variance.array, rtol=1e-6)
    np.testing.assert_array_equal(warp.mask.array, whole.mask.array)


def test_parent_coordinates_of_both_sides_are_used() -> None:
    """An image and a patch that begin elsewhere than at (0, 0) meet on the sky."""
    scene = np.zeros((90, 100))
    add_gaussian_star(scene, 40, 50, 100.0, 4.0)
    wcs = make_wcs(crpix=(1040.0, 2050.0))
    target_wcs = make_wcs(crpix=(3333.0, 4444.0))
    exposure = make_calexp(scene, wcs, xy0=(1000, 2000))
    warp = make_warp([exposure], patch(target_wcs, box(60, 70, 3300, 4400)))
    assert np.unravel_index(np.nanargmax(warp.image.array), (70, 60)) == (44, 33)
    np.testing.assert_allclose(warp.image.array[34:55, 23:44], scene[40:61, 30:51], atol=1e-4)


def test_warp_knows_its_history() -> None:
    """A warp has the patch's WCS, nJy, CoaddPsf, filter, visit and the records of its inputs."""
    exposure = make_calexp(np.ones((120, 100)), make_wcs(crpix=(50.0, 60.0)))
    target_wcs = make_wcs(crpix=(80.0, 80.0))
    warp = make_warp([exposure], patch(target_wcs, box(160, 160)))
    there = has_data(warp)
    assert warp.wcs == target_wcs
    assert (warp.image.unit, warp.variance.unit, warp.photoCalib) == ("nJy", "nJy**2", PhotoCalib())
    assert (warp.filter, warp.visitInfo) == (exposure.filter, exposure.visitInfo)
    assert warp.coaddInputs is not None
    (visit,), (ccd,) = warp.coaddInputs.visits, warp.coaddInputs.ccds
    assert (visit.visit, visit.bbox, visit.filter) == (VISIT, warp.bbox, "TEST-r")
    assert np.isnan(visit.weight)
    assert visit.goodpix == ccd.goodpix == there.sum()
    assert (ccd.visit, ccd.ccd, ccd.weight, ccd.filter) == (VISIT, 0, 1.0, "TEST-r")
    assert (ccd.bbox, ccd.wcs, ccd.psf) == (exposure.bbox, exposure.wcs, exposure.psf)
    assert isinstance(warp.psf, CoaddPsf)
    assert warp.psf.computeShape(x=80, y=80) == pytest.approx(1.7, rel=0.01)


def two_detectors() -> tuple[list[Exposure], Struct]:
    """Two images of one visit that overlap by about 20 columns; the second one has less noise."""
    first = make_calexp(np.full((80, 80), 1.0), make_wcs(crpix=(75.0, 40.0)), variance=4.0)
    second = make_calexp(np.full((80, 80), 2.0), make_wcs(crpix=(5.3, 40.2)), variance=1.0)
    return [first, second], patch(make_wcs(crpix=(80.0, 45.0)), box(170, 90))


def test_overlapping_detectors_share_no_pixel() -> None:
    """In the overlap the detector of lower variance has all pixels, and each pixel is counted once."""
    exposures, skyInfo = two_detectors()
    warp = make_warp(exposures, skyInfo)
    alone = [make_warp([exposure], skyInfo) for exposure in exposures]
    has_first, has_second = (has_data(single) for single in alone)
    assert (has_first & has_second).sum() > 200
    np.testing.assert_array_equal(has_data(warp), has_first | has_second)
    np.testing.assert_allclose(warp.image.array[has_second], 2.0, rtol=1e-4)
    np.testing.assert_allclose(warp.image.array[has_first & ~has_second], 1.0, rtol=1e-4)
    np.testing.assert_array_equal(warp.variance.array[has_second], alone[1].variance.array[has_second])
    assert warp.coaddInputs is not None
    assert [ccd.goodpix for ccd in warp.coaddInputs.ccds] == [
        (has_first & ~has_second).sum(),
        has_second.sum(),
    ]
    assert warp.coaddInputs.visits[0].goodpix == has_data(warp).sum()


def test_order_of_the_detectors_does_not_matter() -> None:
    """The warp is the same however the handles are ordered; detectors are sorted by number."""
    exposures, skyInfo = two_detectors()
    # With equal variances, it is the number that decides.
    exposures[0].variance.array[:] = 1.0
    exposures.append(make_calexp(np.full((80, 80), 3.0), make_wcs(crpix=(30.0, 20.0))))
    handles = [WatchedHandle(exposure, detector) for detector, exposure in enumerate(exposures)]
    warps = [
        MakeDirectWarpTask().run(list(order), skyInfo, VISIT).warp
        for order in itertools.permutations(handles)
    ]
    for warp in warps[1:]:
        np.testing.assert_array_equal(warp.image.array, warps[0].image.array)
        np.testing.assert_array_equal(warp.mask.array, warps[0].mask.array)
        assert warp.coaddInputs == warps[0].coaddInputs
    assert [ccd.ccd for ccd in warps[0].coaddInputs.ccds] == [0, 1, 2]


def test_first_of_two_equals_has_the_pixel() -> None:
    """Where two detectors have the same variance, the one of the lower number is used."""
    wcs = make_wcs(crpix=(40.0, 40.0))
    exposures = [make_calexp(np.full((80, 80), value), wcs) for value in (1.0, 2.0)]
    warp = make_warp(exposures, patch(make_wcs(crpix=(30.0, 30.0), rotation=0.1), box(60, 60)))
    np.testing.assert_allclose(warp.image.array[has_data(warp)], 1.0, rtol=1e-4)


def test_clean_pixels_go_before_bad_ones() -> None:
    """In an overlap a bad pixel of the better detector gives way to a clean one of the other."""
    exposures, skyInfo = two_detectors()
    spot = np.zeros((80, 80), dtype=bool)
    spot[40, 5] = True
    exposures[1].mask.set_where("SAT", spot)
    warp = make_warp(exposures, skyInfo)
    assert not warp.mask.isSet("SAT").any()
    np.testing.assert_allclose(warp.image.array[44:46, 79:81], 1.0, rtol=1e-4)
    exposures[0].mask.array[:] = exposures[0].mask.getPlaneBitMask("BAD")
    warp = make_warp(exposures, skyInfo)
    assert warp.mask.isSet("SAT").sum() == 4
    assert warp.coaddInputs is not None
    assert sum(ccd.goodpix for ccd in warp.coaddInputs.ccds) == has_data(warp).sum()


def test_overlaps_do_not_prefer_low_noise_fluctuations() -> None:
    """Two detectors whose variances follow their noise: the overlap is that of one, and not biased."""
    rng = np.random.default_rng(7)
    wcs = make_wcs(crpix=(40.0, 40.0))
    counts = [rng.normal(100.0, 10.0, (200, 200)) for _ in range(2)]
    exposures = [make_calexp(image, wcs, variance=np.maximum(image, 1.0)) for image in counts]
    warp = make_warp(exposures, patch(make_wcs(crpix=(35.0, 35.0), rotation=0.1), box(150, 150)))
    assert warp.coaddInputs is not None
    assert len(warp.coaddInputs.ccds) == 1
    there = has_data(warp)
    assert warp.image.array[there].mean() == pytest.approx(100.0, abs=0.3)


def test_detectors_without_pixels_leave_no_record() -> None:
    """A detector that is hidden by better ones is not among the inputs."""
    exposures, skyInfo = two_detectors()
    hidden = make_calexp(np.full((80, 80), 9.0), make_wcs(crpix=(5.3, 40.2)), variance=100.0)
    warp = make_warp([*exposures, hidden], skyInfo)
    assert warp.coaddInputs is not None
    assert [ccd.ccd for ccd in warp.coaddInputs.ccds] == [0, 1]


def test_mask_planes_are_carried_by_name() -> None:
    """Detectors that number their planes differently agree in the warp, new planes included."""
    exposures, skyInfo = two_detectors()
    swapped = {**DEFAULT_MASK_PLANES, "BAD": DEFAULT_MASK_PLANES["CR"], "CR": DEFAULT_MASK_PLANES["BAD"]}
    second = make_calexp(exposures[1].image.array, exposures[1].wcs, planes={**swapped, "GHOST": 20})
    middle = np.zeros((80, 80), dtype=bool)
    middle[40, 40] = True
    exposures[0].mask.set_where("CR", middle)
    second.mask.set_where("CR", middle)
    second.mask.set_where("GHOST", middle)
    warp = make_warp([exposures[0], second], skyInfo)
    assert warp.mask.planes["CR"] == DEFAULT_MASK_PLANES["CR"]
    rows, columns = np.nonzero(warp.mask.isSet("CR"))
    assert sorted({int(x) for x in columns}) in ([45, 114, 115], [44, 45, 114, 115], [45, 46, 114, 115])
    assert {int(y) for y in rows} <= {44, 45, 46}
    assert not warp.mask.isSet("BAD").any()
    ghosts = np.nonzero(warp.mask.isSet("GHOST"))[1]
    assert ghosts.size
    assert ghosts.min() > 100


def test_pixels_without_value_have_no_data() -> None:
    """A NaN leaves a hole as large as the kernel, marked NO_DATA, and is not counted."""
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    whole = has_data(make_warp([exposure], patch(make_wcs(crpix=(100.4, 100.3)), box(50, 50))))
    exposure.image.array[30, 30] = np.nan
    warp = make_warp([exposure], patch(make_wcs(crpix=(100.4, 100.3)), box(50, 50)))
    hole = whole & ~has_data(warp)
    assert hole.sum() == 36
    assert warp.coaddInputs is not None
    assert warp.coaddInputs.visits[0].goodpix == whole.sum() - 36


def test_infinite_variance_is_no_data() -> None:
    """A pixel of unknown variance leaves a hole too, though its value is finite."""
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    exposure.variance.array[30, 30] = np.inf
    warp = make_warp([exposure], patch(make_wcs(crpix=(100.4, 100.3)), box(40, 40, 10, 10)))
    assert (~has_data(warp)).sum() == 36


@pytest.mark.parametrize(
    "wcs",
    [make_wcs(crpix=(5000.0, 100.0)), make_wcs(crval=(150.0, 60.0)), make_wcs(crval=(330.0, -2.0))],
    ids=["beside", "elsewhere", "behind"],
)
def test_image_off_the_patch_is_no_work(wcs: SkyWcs) -> None:
    """An exposure that does not reach the patch makes no warp, and none of its pixels is read."""
    handle = WatchedHandle(make_calexp(np.ones((100, 100)), wcs))
    with pytest.raises(NoWorkFound, match="none of the 1 detector images of visit 7"):
        MakeDirectWarpTask().run([handle], patch(make_wcs(), box(200, 200)), VISIT)
    assert handle.boxes == []


def test_image_that_only_touches_the_patch_is_no_work() -> None:
    """An exposure whose usable pixels end before the patch makes no warp."""
    exposure = make_calexp(np.ones((100, 100)), make_wcs(crpix=(100.0, 50.0)))
    with pytest.raises(NoWorkFound):
        make_warp([exposure], patch(make_wcs(crpix=(1.0, 50.0)), box(80, 80)))


def test_no_exposure_is_no_work() -> None:
    """An empty list is no error."""
    with pytest.raises(NoWorkFound, match="none of the 0"):
        make_warp([], patch(make_wcs(), box(10, 10)))


@pytest.mark.parametrize(
    ("component", "name"), [("wcs", "WCS"), ("psf", "PSF"), ("photoCalib", "photometric")]
)
def test_incomplete_detectors_are_left_out(
    component: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A detector without WCS, PSF or calibration is skipped with a warning; the others make the warp."""
    exposures, skyInfo = two_detectors()
    exposures[0] = replace(exposures[0], **{component: None})
    with caplog.at_level(logging.WARNING):
        warp = make_warp(exposures, skyInfo)
    assert f"detector 0 has no {name}" in caplog.text
    assert warp.coaddInputs is not None
    assert [ccd.ccd for ccd in warp.coaddInputs.ccds] == [1]


@dataclass
class BrokenHandle(WatchedHandle):
    """A handle whose pixels cannot be read."""

    def get(self, *, component: str | None = None, parameters: Mapping[str, Any] | None = None) -> Any:
        """Refuse the pixels, not the components."""
        if component is None:
            raise FileFormatError("the file ends in the middle of the image")
        return super().get(component=component, parameters=parameters)


@dataclass(frozen=True)
class NowherePsf(Psf):
    """A PSF that has no value anywhere."""

    def computeKernelImage(self, *, x: float, y: float) -> np.ndarray:
        """Refuse."""
        raise InvalidPsfError("this PSF was fitted to no star")


def test_one_bad_detector_does_not_lose_the_visit(caplog: pytest.LogCaptureFixture) -> None:
    """Broken pixels or an unusable PSF cost one detector and a warning; if all fail, the reason is told."""
    exposures, skyInfo = two_detectors()
    whole = make_warp(exposures[1:], skyInfo)
    bad_psf = replace(exposures[0], psf=NowherePsf())
    for bad in (BrokenHandle(exposures[0], 0), WatchedHandle(bad_psf, 0)):
        caplog.clear()
        warp = MakeDirectWarpTask().run([bad, WatchedHandle(exposures[1], 1)], skyInfo, VISIT).warp
        np.testing.assert_array_equal(warp.image.array, whole.image.array)
        assert [ccd.ccd for ccd in warp.coaddInputs.ccds] == [1]
        assert "detector 0 cannot be used" in caplog.text
    with pytest.raises(FileFormatError, match="ends in the middle"):
        MakeDirectWarpTask().run([BrokenHandle(exposures[0], 0)], skyInfo, VISIT)


def test_negative_variance_is_no_data() -> None:
    """A negative variance, however finite, does not pass as good."""
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    exposure.variance.array[30, 30] = -50.0
    warp = make_warp([exposure], patch(make_wcs(crpix=(100.4, 100.3)), box(40, 40, 10, 10)))
    assert 4 <= (~has_data(warp)).sum() <= 36
    assert warp.variance.array[has_data(warp)].min() >= 0.0


def test_valid_polygon_is_where_the_kernel_fits() -> None:
    """The polygon of an input holds the positions that have data, and no others; it narrows one given."""
    exposure = make_calexp(np.ones((60, 50)), make_wcs(), xy0=(20, 10))
    target_wcs = make_wcs(rotation=0.4)
    whole = box(120, 120, 0, 0)
    warp = make_warp([exposure], patch(target_wcs, whole))
    assert warp.coaddInputs is not None
    (ccd,) = warp.coaddInputs.ccds
    rows, columns = np.indices(whole.shape)
    x, y = exposure.wcs.skyToPixel(*target_wcs.pixelToSky(columns.ravel(), rows.ravel()))
    inside = [in_polygon(px, py, ccd.validPolygon) for px, py in zip(x, y, strict=True)]
    np.testing.assert_array_equal(np.reshape(inside, whole.shape), has_data(warp))
    triangle = Polygon(((30.0, 20.0), (45.0, 20.0), (30.0, 300.0)))
    warp = make_warp([replace(exposure, validPolygon=triangle)], patch(target_wcs, whole))
    assert warp.coaddInputs is not None
    found = Polygon(tuple(warp.coaddInputs.ccds[0].validPolygon))
    assert found.contains(32.0, 30.0)
    assert not found.contains(50.0, 30.0)
    assert not found.contains(30.5, 70.0)


def test_psf_of_a_warp_is_that_of_its_stars() -> None:
    """The CoaddPsf agrees with the pixels of a bright star in the warp: shape, size and place."""
    wcs, target_wcs = make_wcs(crpix=(60.0, 60.0), rotation=0.7, scale=1.3), make_wcs(crpix=(80.0, 85.0))
    half = 15
    offsets = np.arange(-half, half + 1)
    profile = np.exp(-0.5 * (offsets[:, np.newaxis] ** 2 / 1.8**2 + offsets**2 / 1.4**2))
    scene = np.zeros((120, 120))
    # The star stands on the middle of a source pixel that falls on the middle of a pixel of the warp.
    x, y = (round(float(v)) for v in wcs.skyToPixel(*target_wcs.pixelToSky(90, 80)))
    dx, dy = (float(v) for v in target_wcs.skyToPixel(*wcs.pixelToSky(x, y)))
    header = target_wcs.to_header()
    header["CRPIX1"] += 90 - dx
    header["CRPIX2"] += 80 - dy
    target_wcs = SkyWcs(header)
    scene[y - half : y + half + 1, x - half : x + half + 1] = profile / profile.sum()
    exposure = replace(make_calexp(scene, wcs), psf=KernelPsf(profile))
    warp = make_warp([exposure], patch(target_wcs, box(150, 150)))
    assert warp.psf is not None
    kernel = warp.psf.computeKernelImage(x=90, y=80)
    r = kernel.shape[0] // 2
    star = warp.image.array[80 - r : 80 + r + 1, 90 - r : 90 + r + 1]
    np.testing.assert_allclose(kernel, star / star.sum(), atol=2e-3 * kernel.max())


def test_noise_realizations_have_the_noise_of_the_warp() -> None:
    """Realisations differ from each other, agree with the variances, and with those of another patch."""
    exposure = make_calexp(np.zeros((150, 150)), make_wcs(), variance=4.0)
    config = {"numberOfNoiseRealizations": 2, "useMedianVariance": False}
    task = MakeDirectWarpTask(MakeDirectWarpConfig().updated(config))
    target_wcs = make_wcs(rotation=0.3)
    both = task.run([WatchedHandle(exposure)], patch(target_wcs, box(90, 90, 50, 50)), VISIT)
    there = has_data(both.warp)
    for noise in (both.noise_warp0, both.noise_warp1):
        pull = noise.image.array[there] / np.sqrt(both.warp.variance.array[there])
        assert pull.std() == pytest.approx(1.0, abs=0.03)
        assert noise.mask is both.warp.mask
    assert (
        abs(np.corrcoef(both.noise_warp0.image.array[there], both.noise_warp1.image.array[there])[0, 1])
        < 0.05
    )
    part = task.run([WatchedHandle(exposure)], patch(target_wcs, box(40, 40, 80, 80)), VISIT)
    np.testing.assert_allclose(
        part.noise_warp0.image.array, both.noise_warp0.image[part.warp.bbox].array, atol=1e-4
    )
    outputs = task.config.resolved_connections().outputs
    assert {"noise_warp0", "noise_warp1"} < set(outputs)
    assert "noise_warp2" not in outputs


def test_masked_fraction() -> None:
    """Of a bad pixel, neighbours have their bilinear share, whatever the size of the pixels."""
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    spot = np.zeros((60, 60), dtype=bool)
    spot[30, 30] = True
    exposure.mask.set_where("SAT", spot)
    task = MakeDirectWarpTask(MakeDirectWarpConfig(doWarpMaskedFraction=True))
    skyInfo = patch(make_wcs(crpix=(100.4, 100.3)), box(60, 60))
    result = task.run([WatchedHandle(exposure)], skyInfo, VISIT)
    fraction = result.masked_fraction_warp.array
    np.testing.assert_array_equal(np.isfinite(fraction), has_data(result.warp))
    assert fraction[30:32, 30:32].ravel() == pytest.approx([0.42, 0.28, 0.18, 0.12], abs=1e-4)
    assert np.nansum(fraction) == pytest.approx(1.0, abs=1e-4)


def test_filled_pixels_do_not_ring() -> None:
    """A saturated pixel leaves no trace in its neighbours if it is filled first; its mask stays."""
    scene = np.add.outer(np.arange(60.0), 2 * np.arange(60.0))
    exposure = make_calexp(scene.copy(), make_wcs())
    spot = np.zeros((60, 60), dtype=bool)
    spot[30, 30:32] = True
    exposure.mask.set_where("SAT", spot)
    exposure.image.array[spot] = 60_000.0
    exposure.variance.array[30, 30] = np.inf
    skyInfo = patch(make_wcs(crpix=(100.4, 100.3)), box(50, 50))
    clean = make_warp([make_calexp(scene, make_wcs())], skyInfo)
    filled = make_warp([exposure], skyInfo, {"doPreWarpInterpolation": True})
    np.testing.assert_allclose(filled.image.array, clean.image.array, atol=1e-2)
    assert filled.mask.isSet("SAT").sum() == filled.mask.isSet("INTRP").sum() == 6
    assert exposure.image.array.max() == 60_000.0
    exposure.mask.array[:] = 0
    exposure.mask.set_where("SAT", np.ones((60, 60), dtype=bool))
    hopeless = make_warp([exposure], skyInfo, {"doPreWarpInterpolation": True})
    assert hopeless.mask.isSet("SAT")[has_data(hopeless)].all()


def test_noise_correlation_is_recorded() -> None:
    """A warp says how much noisier than its variances a large aperture is."""
    exposure = make_calexp(np.ones((100, 100)), make_wcs())
    warp = make_warp([exposure], patch(make_wcs(rotation=0.3), box(60, 60, 70, 70)))
    assert warp.metadata["NOISECOR"] == pytest.approx(
        1 / resampling_kernel("lanczos3").variance_factor, rel=0.02
    )


def test_counts_are_calibrated() -> None:
    """Pixels whose calibration is not 1 become nJy on the way; the input keeps its counts."""
    exposure = replace(make_calexp(np.full((60, 60), 2.0), make_wcs()), photoCalib=PhotoCalib(5.0))
    warp = make_warp([exposure], patch(make_wcs(crpix=(90.0, 90.0)), box(40, 40)))
    np.testing.assert_allclose(warp.image.array[has_data(warp)], 10.0, rtol=1e-5)
    np.testing.assert_allclose(np.max(warp.variance.array[has_data(warp)]), 25.0, rtol=1e-4)
    assert exposure.image.array.max() == 2.0


def test_wcs_of_the_visit_summary() -> None:
    """With useVisitSummaryWcs a refitted WCS places the detector, in selection and warp; the PSF's too."""
    own, refitted = make_wcs(), make_wcs(crpix=(52.0, 49.0), rotation=0.1)
    exposure = make_calexp(np.random.default_rng(4).normal(size=(90, 90)), own)
    summary = Table({"id": [0], "wcs": [json.dumps(refitted.to_header())]})
    skyInfo = patch(make_wcs(), box(60, 60))
    config = MakeDirectWarpConfig(useVisitSummaryWcs=True, doSelectPreWarp=True)
    assert "visit_summary" in dict(config.resolved_connections().all())
    task = MakeDirectWarpTask(config)
    found = task.run([WatchedHandle(exposure)], skyInfo, VISIT, summary).warp
    expected = make_warp([replace(exposure, wcs=refitted)], skyInfo)
    np.testing.assert_array_equal(found.image.array, expected.image.array)
    assert found.coaddInputs.ccds[0].wcs == refitted
    far = make_wcs(crpix=(5000.0, 49.0))
    summary["wcs"] = [json.dumps(far.to_header())]
    with pytest.raises(NoWorkFound, match="no detector image is chosen"):
        choose_detectors(
            WcsSelectImagesTask(), [WatchedHandle(exposure)], skyInfo, summary, use_summary_wcs=True
        )


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (None, "no visit summary"),
        (Table({"id": [0]}), "no visit summary with columns id and wcs"),
        (Table({"id": [0], "wcs": ["{"]}), "is not JSON"),
        (Table({"id": [0], "wcs": ["[1]"]}), r"is \[1\], not values by name"),
        (Table({"id": [0], "wcs": ['{"CTYPE1": "WAVE", "CTYPE2": "FREQ"}']}), "WCS"),
    ],
)
def test_impossible_visit_summaries(summary: Table | None, message: str) -> None:
    """What a summary cannot say is an error on one line."""
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    task = MakeDirectWarpTask(MakeDirectWarpConfig(useVisitSummaryWcs=True))
    with pytest.raises(ButlerUserError, match=message):
        task.run([WatchedHandle(exposure)], patch(make_wcs(), box(40, 40)), VISIT, summary)


@pytest.mark.parametrize("rows", [{"id": [3], "wcs": ["{}"]}, {"id": [0], "wcs": [""]}])
def test_detectors_without_a_wcs_in_the_summary(rows: dict[str, Any]) -> None:
    """A detector without row, or without WCS in it, is left out."""
    task = MakeDirectWarpTask(MakeDirectWarpConfig(useVisitSummaryWcs=True))
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    with pytest.raises(NoWorkFound, match="none of the 1 detector images"):
        task.run([WatchedHandle(exposure)], patch(make_wcs(), box(40, 40)), VISIT, Table(rows))


VARYING = PhotoCalib(
    3.0, 0.1, ChebyshevBoundedField(box(60, 60), np.array([[3.0, 0.5, 0.1], [-0.2, 0.0, 0.3]]))
)


@pytest.mark.parametrize("refitted", [PhotoCalib(1.02, 0.003), VARYING])
def test_calibration_of_the_visit_summary(refitted: PhotoCalib) -> None:
    """With useVisitSummaryPhotoCalib pixels become nJy by the refitted calibration, constant or not."""
    exposure = make_calexp(np.random.default_rng(4).normal(5.0, size=(60, 60)), make_wcs())
    skyInfo = patch(make_wcs(crpix=(90.0, 90.0)), box(40, 40))
    summary = Table({"id": [0], "photoCalib": [json.dumps(refitted.to_dict())]})
    config = MakeDirectWarpConfig(useVisitSummaryPhotoCalib=True)
    assert "visit_summary" in dict(config.resolved_connections().all())
    found = MakeDirectWarpTask(config).run([WatchedHandle(exposure)], skyInfo, VISIT, summary).warp
    expected = make_warp([replace(exposure, photoCalib=refitted)], skyInfo)
    np.testing.assert_array_equal(found.image.array, expected.image.array)
    np.testing.assert_array_equal(found.variance.array, expected.variance.array)
    assert not np.array_equal(found.image.array, make_warp([exposure], skyInfo).image.array)
    summary["photoCalib"] = [""]
    with pytest.raises(NoWorkFound, match="none of the 1 detector images"):
        MakeDirectWarpTask(config).run([WatchedHandle(exposure)], skyInfo, VISIT, summary)


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (Table({"id": [0], "wcs": ["{}"]}), "no visit summary with columns id and photoCalib"),
        (Table({"id": [0], "photoCalib": ["1.0"]}), "is 1.0, not values by name"),
        (Table({"id": [0], "photoCalib": ["{}"]}), "it lacks 'calibrationMean'"),
        (Table({"id": [0], "photoCalib": ['{"calibrationMean": -1}']}), "must be finite and positive"),
        (Table({"id": [0], "photoCalib": ['{"calibrationMean": 1, "bbox": [0, 0]}']}), "no photometric"),
    ],
)
def test_impossible_calibrations_in_the_visit_summary(summary: Table, message: str) -> None:
    """What is no calibration is an error on one line."""
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    task = MakeDirectWarpTask(MakeDirectWarpConfig(useVisitSummaryPhotoCalib=True))
    with pytest.raises(ButlerUserError, match=message):
        task.run([WatchedHandle(exposure)], patch(make_wcs(), box(40, 40)), VISIT, summary)


def test_border_grows_the_warp() -> None:
    """With a border the warp's box is larger than the patch's; the common pixels are the same."""
    exposure = make_calexp(np.random.default_rng(3).normal(size=(120, 120)), make_wcs())
    skyInfo = patch(make_wcs(rotation=0.2), box(40, 40, 70, 70))
    plain, grown = make_warp([exposure], skyInfo), make_warp([exposure], skyInfo, {"border": 16})
    assert grown.bbox == skyInfo.bbox.dilatedBy(16)
    np.testing.assert_allclose(grown[skyInfo.bbox].image.array, plain.image.array, atol=1e-5)


def test_empty_visit_warp_has_no_inputs() -> None:
    """Before anything is added there are no records, and all pixels are without data."""
    warp = VisitWarp(VISIT, box(5, 4))
    assert (warp.coadd_inputs.visits, warp.coadd_inputs.ccds) == ((), ())
    assert warp.masked_image.mask.isSet("NO_DATA").all()


def small_sky_map() -> DiscreteSkyMap:
    """Make a sky map with patches of 100 pixels around (150, 2)."""
    return DiscreteSkyMap(
        DiscreteSkyMapConfig(
            raList=[150.0],
            decList=[2.0],
            radiusList=[0.02],
            pixelScale=0.3,
            projection="TAN",
            patchInnerDimensions=(100, 100),
            patchBorder=20,
            tractOverlap=0.0,
        )
    )


def test_sky_info_is_that_of_the_patch() -> None:
    """The geometry of a patch has its tract's WCS and its outer box."""
    skyMap = small_sky_map()
    skyInfo = make_sky_info(skyMap, 0, 5)
    assert skyInfo.tractInfo.getId() == 0
    assert skyInfo.patchInfo.getSequentialIndex() == 5
    assert skyInfo.wcs == skyMap[0].getWcs()
    assert skyInfo.bbox == skyMap[0].getPatchInfo(5).getOuterBBox()
    with pytest.raises(LookupError, match="no patch 999"):
        make_sky_info(skyMap, 0, 999)


def test_quantum_finds_its_patch() -> None:
    """In a quantum, the patch comes from sky map and data ID."""
    skyMap = small_sky_map()
    index = len(skyMap[0]) // 2
    written: dict[str, Exposure] = {}
    context = SimpleNamespace(
        quantum=SimpleNamespace(dataId={"tract": 0, "patch": index, "visit": VISIT}),
        get=lambda refs: {
            "sky_map": skyMap,
            "calexp_list": [WatchedHandle(make_calexp(np.ones((500, 500)), make_wcs(crpix=(250.0, 250.0))))],
        },
        put=lambda values, refs: written.update(values.getDict()),
    )
    MakeDirectWarpTask().runQuantum(context, {}, {})
    assert written["warp"].bbox == skyMap[0].getPatchInfo(index).getOuterBBox()
    assert has_data(written["warp"]).mean() > 0.5


def test_connections() -> None:
    """Dataset types follow the name of the coadd."""
    connections = MakeDirectWarpConfig(connections={"coaddName": "good"}).resolved_connections()
    assert connections.dimensions == ("tract", "patch", "skymap", "instrument", "visit")
    assert connections.inputs["calexp_list"].multiple
    assert connections.inputs["calexp_list"].deferLoad
    assert {name: c.name for name, c in connections.all()} == {
        "calexp_list": "calexp",
        "sky_map": "skyMap",
        "warp": "goodCoadd_directWarp",
    }


def test_cosmic_ray_does_not_spread_in_the_warp() -> None:
    """A hit in a raw image is flagged in the warp, and around the flagged pixels there is only noise."""
    frame = make_frame(20)
    twin = frame.image.copy()
    quiet = (frame.truth - frame.sky) < 1.0
    rows, columns = np.nonzero(quiet[20:-20, 20:-20])
    row, column = rows[len(rows) // 3] + 20, columns[len(rows) // 3] + 20
    frame.image[row : row + 2, column] += 20_000.0
    warps = []
    for image in (frame.image, twin):
        calexp = ProcessCcdTask().run(replace(frame, image=image).exposure(), make_camera()).outputExposure
        warps.append(make_warp([calexp], patch(make_wcs(rotation=0.3), box(330, 330, -40, -40))))
    hit, clean = warps
    cr = hit.mask.isSet("CR")
    assert 2 <= cr.sum() <= 16
    assert hit.mask.isSet("INTRP")[cr].all()
    difference = np.abs(hit.image.array - clean.image.array) / np.sqrt(clean.variance.array)
    assert np.nanmax(difference) < 6.0
    assert np.nanmax(difference[~cr]) < 3.0
