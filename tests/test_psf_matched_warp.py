"""Tests of the task that gives warps a common PSF."""

from __future__ import annotations

import itertools
import logging
import math
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from calexps import VISIT, has_data, make_calexp, make_warp, patch
from ccd_frames import box, make_wcs
from numpy.typing import NDArray

from butler.images import (
    Box2I,
    CcdInput,
    CoaddInputs,
    Exposure,
    GaussianPsf,
    Image,
    KernelPsf,
    Mask,
    MaskedImage,
    PhotoCalib,
    Psf,
    VisitInput,
)
from connections.errors import ConfigError, NoWorkFound
from tasks.errors import PsfMatchError, WarpGeometryError, WarpInputsError
from tasks.warp import (
    GaussianPsfFactory,
    MakePsfMatchedWarpConfig,
    MakePsfMatchedWarpTask,
    ModelPsfMatchConfig,
    ModelPsfMatchTask,
)
from tasks.warp.detector_outline import detector_outline, outline_box, outline_eroded, outline_mask

WCS = make_wcs()
MODEL = GaussianPsfFactory().model()


@dataclass(frozen=True)
class LeaningPsf(Psf):
    """An elliptical Gaussian whose size and ellipticity change over the field."""

    size: float
    slope: float = 0.0

    def matrix(self, x: float, y: float) -> NDArray[np.float64]:
        """Return the matrix of second moments."""
        sigma = self.size * (1.0 + self.slope * (x - 200.0) / 400.0)
        e1, e2 = 0.08 * math.sin(x / 150.0), 0.08 * math.cos(y / 170.0)
        return sigma**2 * np.array([[1.0 + e1, e2], [e2, 1.0 - e1]])

    def at(self, x: float, y: float, dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the PSF of a place at offsets from its centre."""
        matrix = self.matrix(x, y)
        inverse = np.linalg.inv(matrix)
        power = inverse[0, 0] * dx**2 + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy**2
        values: NDArray[np.float64] = np.exp(-power / 2) / (2 * math.pi * math.sqrt(np.linalg.det(matrix)))
        return values

    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Return the PSF out to 20 pixels."""
        dy, dx = np.mgrid[-20:21, -20:21].astype(float)
        kernel = self.at(x, y, dx, dy)
        return kernel / kernel.sum()


def direct_warp(
    image: NDArray[Any], psf: Psf, *, variance: float | NDArray[Any] = 1.0, bbox: Box2I | None = None
) -> Exposure:
    """Make a direct warp of one detector, as if no resampling had been needed."""
    bbox = bbox or box(image.shape[1], image.shape[0])
    noise = np.broadcast_to(np.asarray(variance, dtype=np.float32), image.shape).copy()
    pixels = MaskedImage(
        Image(image.astype(np.float32), bbox.minimum, "nJy"),
        Mask.from_bbox(bbox),
        Image(noise, bbox.minimum, "nJy**2"),
    )
    ccd = CcdInput(VISIT, 3, bbox, bbox.area, 1.0, "TEST-r", WCS, psf)
    visit = VisitInput(VISIT, bbox, bbox.area, math.nan, "TEST-r")
    return Exposure(
        pixels, wcs=WCS, psf=psf, photoCalib=PhotoCalib(), coaddInputs=CoaddInputs((visit,), (ccd,))
    )


def match(warp: Exposure, bbox: Box2I | None = None, **overrides: Any) -> Exposure:
    """Match a warp and return it."""
    task = MakePsfMatchedWarpTask(MakePsfMatchedWarpConfig().updated(overrides))
    matched: Exposure = task.run(warp, bbox or warp.bbox).psf_matched_warp
    return matched


STARS = [(60.3 + 70 * i, 58.8 + 70 * j) for i, j in itertools.product(range(5), range(5))]


def star_field(psf: LeaningPsf, flux: float = 1000.0) -> NDArray[np.float64]:
    """Draw 25 stars, each with the PSF of its place."""
    scene = np.zeros((400, 400))
    rows, columns = np.mgrid[:400, :400].astype(float)
    for x, y in STARS:
        scene += flux * psf.at(x, y, columns - x, rows - y)
    return scene


@pytest.mark.parametrize("wing", [False, True])
def test_matched_stars_have_the_model_profile_everywhere(wing: bool) -> None:
    """Over a field where size and shape vary, stars are the model to 1 % of its peak, and keep their flux."""
    psf = LeaningPsf(2.0, slope=0.25)
    factory = GaussianPsfFactory(addWing=wing)
    matched = match(
        direct_warp(star_field(psf), psf),
        **{"modelPsf.addWing": wing, "psfMatch.sizeCellX": 128, "psfMatch.sizeCellY": 128},
    )
    model = factory.model()
    rows, columns = np.mgrid[:400, :400].astype(float)
    expected = np.zeros((400, 400))
    for x, y in STARS:
        r2 = (columns - x) ** 2 + (rows - y) ** 2
        for sigma, amplitude in ((model.sigma, 1.0), (model.wing_sigma, model.wing_amplitude)):
            expected += 1000.0 * amplitude * np.exp(-r2 / (2 * sigma**2))
    expected /= 2 * math.pi * (model.sigma**2 + model.wing_amplitude * model.wing_sigma**2)
    good = has_data(matched)
    assert good.mean() > 0.75
    assert np.abs(matched.image.array - expected)[good].max() < 0.01 * expected.max()
    assert matched.metadata["MATCHRES"] < 0.005


def test_visits_of_different_seeing_look_alike() -> None:
    """Two visits whose PSFs differ by 1.6 in size differ after matching by less than 0.5 % of the peak."""
    narrow, broad = (LeaningPsf(sigma) for sigma in (1.6, 2.6))
    matched = [match(direct_warp(star_field(psf), psf)) for psf in (narrow, broad)]
    both = has_data(matched[0]) & has_data(matched[1])
    difference = np.abs(matched[0].image.array - matched[1].image.array)[both]
    before = np.abs(star_field(narrow) - star_field(broad))
    assert difference.max() < 0.005 * matched[0].image.array[both].max()
    assert before.max() > 0.5 * star_field(broad).max()


def test_flux_is_conserved() -> None:
    """The sum over a star is that of the unmatched one to 1e-4, and a constant stays one."""
    psf = LeaningPsf(2.0, slope=0.2)
    scene = np.zeros((200, 200))
    rows, columns = np.mgrid[:200, :200].astype(float)
    scene += 1e5 * psf.at(101.3, 99.6, columns - 101.3, rows - 99.6)
    matched = match(direct_warp(scene, psf))
    assert np.nansum(matched.image.array, dtype=float) == pytest.approx(scene.sum(), rel=1e-4)
    flat = match(direct_warp(np.full((200, 200), 7.0), psf))
    np.testing.assert_allclose(flat.image.array[has_data(flat)], 7.0, rtol=1e-5)


def test_variance_is_that_of_the_noise() -> None:
    """Pooled over pixels and realisations, the scatter agrees with the variance plane to 1 %."""
    rng = np.random.default_rng(5)
    task = ModelPsfMatchTask()
    variance = 1.0 + np.linspace(0, 3, 300)[:, np.newaxis] * np.ones(300)
    warp = direct_warp(np.zeros((300, 300)), GaussianPsf(2.2), variance=variance)
    ratios = []
    for _ in range(12):
        warp.image.array[:] = rng.normal(size=(300, 300)) * np.sqrt(variance)
        found = task.run(warp.maskedImage, lambda x, y: GaussianPsf(2.2).computeKernelImage(x=x, y=y), MODEL)
        good = np.isfinite(found.matched.image.array)
        ratios.append(np.mean(found.matched.image.array[good] ** 2 / found.matched.variance.array[good]))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.01)


def test_variance_knows_the_noise_of_resampling() -> None:
    """White noise that was resampled, then matched, scatters as the variance says to 3 %.

    Without the factor that the direct warp tells, it scatters a quarter more.
    """
    rng = np.random.default_rng(6)
    skyInfo = patch(make_wcs(crpix=(180.0, 180.0), rotation=0.3), box(300, 300))
    ratios: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(4):
        exposure = make_calexp(rng.normal(size=(500, 500)), make_wcs(crpix=(250.0, 250.0)))
        warp = make_warp([exposure], skyInfo)
        for corrected, found in ratios.items():
            matched = match(warp, doCorrectNoise=corrected)
            assert "NOISECOR" not in matched.metadata
            good = has_data(matched)
            found.append(float(np.mean(matched.image.array[good] ** 2 / matched.variance.array[good])))
    assert np.mean(ratios[True]) == pytest.approx(1.0, abs=0.03)
    assert np.mean(ratios[False]) > 1.2


def test_masks_grow_by_the_box_of_the_kernel() -> None:
    """Bits reach as far as the kernel; NO_DATA is exactly where its box touches what is not known."""
    warp = direct_warp(np.ones((120, 120)), GaussianPsf(2.0))
    for plane, row, column in (("SAT", 40, 40), ("CR", 41, 50), ("EDGE", 70, 30), ("NO_DATA", 80, 80)):
        warp.mask.array[row, column] |= warp.mask.getPlaneBitMask(plane)
    warp.image.array[30, 90] = np.nan
    warp.variance.array[90, 30] = np.inf
    before = warp.mask.array.copy()
    matched = match(warp, **{"psfMatch.scaleByFwhm": False, "psfMatch.kernelSize": 15})
    expected = np.zeros((120, 120), dtype=bool)
    expected[:7] = expected[-7:] = expected[:, :7] = expected[:, -7:] = True
    for row, column in ((80, 80), (30, 90), (90, 30)):
        expected[row - 7 : row + 8, column - 7 : column + 8] = True
    np.testing.assert_array_equal(~has_data(matched), expected)
    assert np.isinf(matched.variance.array[expected]).all()
    for plane, row, column in (("SAT", 40, 40), ("CR", 41, 50), ("EDGE", 70, 30)):
        grown = np.zeros((120, 120), dtype=bool)
        grown[row - 7 : row + 8, column - 7 : column + 8] = True
        np.testing.assert_array_equal(matched.mask.isSet(plane), grown & ~expected)
    np.testing.assert_array_equal(warp.mask.array, before)
    np.testing.assert_allclose(matched.image.array[~expected], 1.0, rtol=1e-6)


@pytest.mark.parametrize(("plane", "value"), [("CR", 1e5), ("BAD", -3e3), ("NO_DATA", math.nan)])
def test_filled_defects_do_not_spread(plane: str, value: float) -> None:
    """What a defect has goes nowhere if it is filled, and its neighbours can be compared."""
    warp = direct_warp(np.full((120, 120), 7.0), GaussianPsf(2.0))
    warp.image.array[40:42, 50] = warp.image.array[:, 80] = value
    for where in (np.s_[40:42, 50], np.s_[:, 80]):
        warp.mask.array[where] |= warp.mask.getPlaneBitMask(plane)
    before = warp.image.array.copy(), warp.mask.array.copy()
    reach = 7
    size = {"psfMatch.scaleByFwhm": False, "psfMatch.kernelSize": 2 * reach + 1}
    matched = match(warp, fillPlanes=[plane], **size)
    inside = np.s_[reach:-reach, reach:-reach]
    assert has_data(matched)[inside].all()
    np.testing.assert_allclose(matched.image.array[inside], 7.0, rtol=1e-5)
    assert matched.mask.isSet("INTRP")[inside].any()
    assert matched.mask.isSet("CR").any() == (plane == "CR")
    assert not matched.mask.isSet(["BAD", "NO_DATA"])[inside].any()
    unfilled = match(warp, fillPlanes=[], **size)
    assert not np.allclose(unfilled.image.array[inside], 7.0, rtol=0.1)
    for now, then in zip((warp.image.array, warp.mask.array), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_wide_defects_and_filled_pixels_stay() -> None:
    """A hole wider than the model PSF stays one; what was filled before keeps its values."""
    warp = direct_warp(np.full((120, 120), 7.0), GaussianPsf(2.0))
    warp.mask.array[30:50, 30:50] |= warp.mask.getPlaneBitMask("NO_DATA")
    warp.mask.array[80, 80] |= warp.mask.getPlaneBitMask(["BAD", "INTRP"])
    warp.image.array[80, 80] = 1e4
    matched = match(warp, fillPlanes=["BAD", "NO_DATA"])
    assert not has_data(matched)[30:50, 30:50].any()
    assert matched.image.array[80, 80] > 100
    assert not matched.mask.isSet("BAD").any()


def test_warp_knows_what_it_is() -> None:
    """PSF, inputs, polygons and cards are those of the matched pixels, the rest is the direct warp's."""
    warp = direct_warp(np.ones((150, 160)), GaussianPsf(2.0), bbox=box(160, 150, 300, 400))
    task = MakePsfMatchedWarpTask()
    matched = task.run(warp, box(100, 90, 320, 430)).psf_matched_warp
    assert matched.bbox == box(100, 90, 320, 430)
    assert has_data(matched).all()
    assert matched.psf == GaussianPsf(7.7 / (2 * math.sqrt(2 * math.log(2))))
    assert (matched.wcs, matched.photoCalib, matched.filter) == (warp.wcs, warp.photoCalib, warp.filter)
    assert (matched.image.unit, matched.variance.unit) == ("nJy", "nJy**2")
    (visit,), (ccd,) = matched.coaddInputs.visits, matched.coaddInputs.ccds
    assert visit.goodpix == ccd.goodpix == 9000
    assert visit.bbox == matched.bbox
    size = task.metadata.getArray("kernelSize")[0]
    assert matched.metadata["KERNSIZE"] == size
    assert matched.metadata["MATCHFWH"] == 7.7
    reach = size // 2
    polygon = np.array(ccd.validPolygon)
    assert polygon.min(axis=0) == pytest.approx([299.5 + reach, 399.5 + reach], abs=1e-3)
    assert polygon.max(axis=0) == pytest.approx([459.5 - reach, 549.5 - reach], abs=1e-3)
    assert task.metadata.getArray("kernelSum") == pytest.approx([1.0])
    assert task.metadata.getArray("matchResidual")[0] < 0.002
    assert task.metadata.getArray("kernelNoise")[0] < 0.02
    assert 1 < task.metadata.getArray("condition")[0] < 1e7
    assert task.metadata.getArray("skippedDetectors") == []


def two_detectors(first: Psf, second: Psf) -> tuple[Exposure, Any]:
    """Make a warp of two neighbouring detectors, seen at an angle."""
    rng = np.random.default_rng(2)
    exposures = [
        replace(make_calexp(rng.normal(size=(120, 90)), make_wcs(crpix=(x, 60.0))), psf=psf)
        for x, psf in ((95.0, first), (-5.0, second))
    ]
    skyInfo = patch(make_wcs(crpix=(90.0, 70.0), rotation=0.2), box(180, 140))
    return make_warp(exposures, skyInfo), skyInfo


def test_detectors_are_matched_each_by_itself() -> None:
    """No kernel reaches over from one detector to the next, and each one's polygon holds its pixels."""
    warp, skyInfo = two_detectors(GaussianPsf(1.8), GaussianPsf(2.4))
    whole = match(warp)
    parts = []
    for ccd in warp.coaddInputs.ccds:
        alone = replace(warp, coaddInputs=CoaddInputs(warp.coaddInputs.visits, (ccd,)))
        parts.append(match(alone))
    good = [has_data(part) for part in parts]
    assert not (good[0] & good[1]).any()
    np.testing.assert_array_equal(has_data(whole), good[0] | good[1])
    for part, there, ccd in zip(parts, good, whole.coaddInputs.ccds, strict=True):
        np.testing.assert_array_equal(whole.image.array[there], part.image.array[there])
        assert ccd.goodpix == there.sum()
        outline = detector_outline(ccd, skyInfo.wcs)
        inside = outline_mask(outline, whole.bbox)
        # The resampling of the direct warp loses some pixels more along its edges.
        assert not (there & ~inside).any()
        assert there.sum() > 0.8 * inside.sum()


@dataclass(frozen=True)
class BrokenPsf(Psf):
    """A PSF that cannot be computed, or is not finite."""

    fault: str

    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Fail."""
        if self.fault == "raises":
            raise ValueError("no stars were found")
        return np.full((21, 21), np.nan if self.fault == "nan" else -1.0)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (BrokenPsf("raises"), "no stars were found"),
        (BrokenPsf("nan"), "sum of nan"),
        (GaussianPsf(5.0), "misses the model by"),
        (None, "PSF"),
    ],
    ids=["raises", "nan", "too broad", "missing"],
)
def test_one_bad_detector_does_not_spoil_the_visit(
    psf: Psf | None, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A detector that cannot be matched is left out with its reason; the other is as it would be alone."""
    warp, _ = two_detectors(GaussianPsf(1.8), GaussianPsf(2.4))
    first, second = warp.coaddInputs.ccds
    alone = match(replace(warp, coaddInputs=CoaddInputs(warp.coaddInputs.visits, (first,))))
    spoilt = CoaddInputs(warp.coaddInputs.visits, (first, replace(second, psf=psf)))
    task = MakePsfMatchedWarpTask()
    with caplog.at_level(logging.WARNING):
        matched = task.run(replace(warp, coaddInputs=spoilt), warp.bbox).psf_matched_warp
    np.testing.assert_array_equal(matched.image.array, alone.image.array)
    assert [ccd.ccd for ccd in matched.coaddInputs.ccds] == [first.ccd]
    assert message in caplog.text
    assert message in task.metadata.getArray("skippedDetectors")[0]
    assert has_data(matched).any()


@dataclass(frozen=True)
class LocalPsf(Psf):
    """A PSF that is not known far from its detector of 300 pixels."""

    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Fail more than 140 pixels beyond the detector."""
        if not (-140 < x < 440 and -140 < y < 440):
            raise ValueError("too far away")
        return LeaningPsf(2.0, slope=0.2).computeKernelImage(x=x, y=y)


def test_psf_is_not_asked_for_far_from_its_detector() -> None:
    """A box about a detector that is turned by 45 degrees has corners far from it, which do not count."""
    exposure = replace(make_calexp(np.ones((300, 300)), make_wcs(crpix=(150.0, 150.0))), psf=LocalPsf())
    skyInfo = patch(make_wcs(crpix=(215.0, 215.0), rotation=math.pi / 4), box(430, 430))
    task = MakePsfMatchedWarpTask()
    matched = task.run(make_warp([exposure], skyInfo), skyInfo.bbox).psf_matched_warp
    assert task.metadata.getArray("skippedDetectors") == []
    assert has_data(matched).sum() > 0.7 * 300**2


def test_visit_without_any_match_is_no_work() -> None:
    """If no detector can be matched there is no warp, and the reason says what to change."""
    warp = direct_warp(np.ones((100, 100)), GaussianPsf(6.0))
    with pytest.raises(NoWorkFound, match=r"detector 3: .*modelPsf.defaultFwhm"):
        match(warp)
    narrow = direct_warp(np.ones((100, 100)), GaussianPsf(1.0))
    with pytest.raises(NoWorkFound, match="multiply the variance by"):
        match(narrow, **{"modelPsf.defaultFwhm": 2.0, "psfMatch.maxResidual": 0.5, "psfMatch.maxNoise": 0.5})


def test_warp_that_no_kernel_fits_is_no_work() -> None:
    """A warp narrower than the kernel, and a patch beside the detector, give no pixel."""
    narrow = direct_warp(np.ones((100, 8)), GaussianPsf(2.0))
    with pytest.raises(NoWorkFound, match="kernels fit nowhere"):
        match(narrow)
    wide = direct_warp(np.ones((100, 300)), GaussianPsf(2.0))
    (ccd,) = wide.coaddInputs.ccds
    wide.coaddInputs = CoaddInputs(wide.coaddInputs.visits, (replace(ccd, bbox=box(100, 100)),))
    with pytest.raises(NoWorkFound, match="kernels fit nowhere"):
        match(wide, box(100, 100, 150, 0))


def test_patch_elsewhere_is_refused() -> None:
    """A warp that does not contain the patch is an error that names both boxes."""
    warp = direct_warp(np.ones((100, 100)), GaussianPsf(2.0))
    with pytest.raises(WarpGeometryError, match=r"\[0..99, 0..99\].*\[50..149, 0..99\]"):
        match(warp, box(100, 100, 50, 0))


def test_warp_without_history_is_refused() -> None:
    """A warp that does not know its WCS or its detectors is an error, not an empty result."""
    warp = direct_warp(np.ones((60, 60)), GaussianPsf(2.0))
    for broken in (replace(warp, wcs=None), replace(warp, coaddInputs=None)):
        with pytest.raises(WarpInputsError, match="record of its detectors"):
            match(broken)


def test_kernel_grows_with_what_it_must_reach() -> None:
    """A sharp PSF needs a larger kernel than a broad one, and a winged model the largest."""
    task = ModelPsfMatchTask()
    sizes = []
    for sigma, wing in ((3.0, False), (1.5, False), (1.5, True)):
        psf = GaussianPsf(sigma).computeKernelImage(x=0, y=0)
        model = GaussianPsfFactory(addWing=wing).model()
        sizes.append(task.solve(box(300, 300), lambda x, y, psf=psf: psf, model).size)
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] > 21


def test_equal_psfs_are_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the PSF is the same at all nodes there is one system of equations for all of them."""
    solved = []
    task = ModelPsfMatchTask(ModelPsfMatchConfig(scaleByFwhm=False, sizeCellX=50, sizeCellY=50))
    inner = task._match
    monkeypatch.setattr(task, "_match", lambda *args: solved.append(1) or inner(*args))
    grid = task.solve(box(300, 300), lambda x, y: GaussianPsf(2.0).computeKernelImage(x=x, y=y), MODEL)
    assert grid.kernels.shape == (7, 7, 21, 21)
    assert len(solved) == 1
    np.testing.assert_allclose(grid.kernels.sum(axis=(2, 3)), 1.0, atol=1e-12)


def test_coarse_grid_is_found_out() -> None:
    """The residual counts the middle of the cells too, where the kernel is an interpolated one."""
    psf = LeaningPsf(2.0, slope=0.25)
    residuals = []
    for cell in (100, 400):
        task = ModelPsfMatchTask(ModelPsfMatchConfig(sizeCellX=cell, sizeCellY=cell, maxResidual=1.0))
        grid = task.solve(box(401, 401), lambda x, y: psf.computeKernelImage(x=x, y=y), MODEL)
        residuals.append(grid.residual)
    assert residuals[1] > 2 * residuals[0]
    strict = ModelPsfMatchTask(ModelPsfMatchConfig(sizeCellX=400, sizeCellY=400, maxResidual=0.005))
    with pytest.raises(PsfMatchError, match="misses the model"):
        strict.solve(box(401, 401), lambda x, y: psf.computeKernelImage(x=x, y=y), MODEL)


@pytest.mark.parametrize("reach", [0, 3, 8])
def test_outline_is_that_of_the_pixels(reach: int) -> None:
    """Pixels inside the outline are those inside the detector; the eroded one holds those whose box fits."""
    ccd = CcdInput(1, 1, box(70, 50), 0, 1.0, "", make_wcs(crpix=(35.0, 25.0)), None)
    wcs = make_wcs(crpix=(50.0, 50.0), rotation=0.5)
    outline = detector_outline(ccd, wcs)
    whole = box(100, 100)
    rows, columns = np.mgrid[:100, :100]
    x, y = ccd.wcs.skyToPixel(*wcs.pixelToSky(columns, rows))
    inside = (x > -0.5) & (x < 69.5) & (y > -0.5) & (y < 49.5)
    np.testing.assert_array_equal(outline_mask(outline, whole), inside)
    fits = np.array(
        [
            [
                inside[max(j - reach, 0) : j + reach + 1, max(i - reach, 0) : i + reach + 1].all()
                for i in range(100)
            ]
            for j in range(100)
        ]
    )
    eroded = outline_eroded(outline, reach)
    assert (outline_mask(eroded, whole) != fits).mean() < 0.005
    assert outline_box(outline, whole).contains(outline_box(eroded, whole))


def test_outline_that_is_too_narrow_vanishes() -> None:
    """A detector narrower than the kernel has no place for it, and one elsewhere no box."""
    ccd = CcdInput(1, 1, box(70, 9), 0, 1.0, "", WCS, None)
    outline = detector_outline(ccd, WCS)
    assert len(outline_eroded(outline, 10)) == 0
    assert outline_box(outline, box(50, 50, 500, 500)) is None


def test_model_has_the_published_numbers() -> None:
    """Size, wing flux and width of the winged model are those of its formula."""
    factory = GaussianPsfFactory(addWing=True, defaultFwhm=7.7)
    image = factory.model().image(401, 401)
    assert image.sum() == pytest.approx(1.0, abs=1e-6)
    profile = image[200, 200:] / image[200, 200]
    assert 2 * np.interp(-0.5, -profile[:20], np.arange(20)) == pytest.approx(8.131, abs=0.02)
    assert image[200 - 11 : 212, 200 - 11 : 212].sum() == pytest.approx(0.8868, abs=2e-4)
    assert image[200 - 30 : 231, 200 - 30 : 231].sum() == pytest.approx(0.99985, abs=2e-5)
    psf = factory.apply()
    assert isinstance(psf, KernelPsf)
    assert psf.computeShape(x=0, y=0) == pytest.approx(3.7073, abs=2e-3)
    assert GaussianPsfFactory().computeSizeAndFwhm() == (23, 7.7)
    assert GaussianPsfFactory(size=31).computeSizeAndFwhm(4.0) == (31, 4.0)
    assert GaussianPsfFactory(maxSize=15).computeSizeAndFwhm()[0] == 15
    assert GaussianPsfFactory().computeSizeAndFwhm(1.0)[0] == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("modelPsf.size", 20),
        ("modelPsf.defaultFwhm", -1.0),
        ("modelPsf.defaultFwhm", math.inf),
        ("modelPsf.maxSize", 3),
        ("psfMatch.kernelSize", 20),
        ("psfMatch.kernelSizeMin", 61),
        ("psfMatch.ridge", 0.0),
        ("psfMatch.sizeCellX", 0),
    ],
)
def test_impossible_settings_are_refused(field: str, value: float) -> None:
    """Even sizes, negative widths and the like are refused when they are set, by name."""
    with pytest.raises(ConfigError, match=field.split(".")[1]):
        MakePsfMatchedWarpConfig().updated({field: value})


def test_quantum_finds_its_patch() -> None:
    """In a quantum, the patch comes from sky map and data ID, and connections have LSST's names."""
    bbox = box(80, 70, 10, 10)
    warp = direct_warp(np.ones((100, 100)), GaussianPsf(2.0))
    info = SimpleNamespace(getOuterBBox=lambda: bbox)
    tract = SimpleNamespace(getPatchInfo=lambda index: info, getWcs=lambda: WCS)
    written: dict[str, Exposure] = {}
    context = SimpleNamespace(
        quantum=SimpleNamespace(dataId={"tract": 0, "patch": 5, "visit": VISIT}),
        get=lambda refs: {"sky_map": {0: tract}, "direct_warp": warp},
        put=lambda values, refs: written.update(values.getDict()),
    )
    MakePsfMatchedWarpTask().runQuantum(context, {}, {})
    assert written["psf_matched_warp"].bbox == bbox
    connections = MakePsfMatchedWarpConfig(connections={"coaddName": "good"}).resolved_connections()
    assert {name: c.name for name, c in connections.all()} == {
        "direct_warp": "goodCoadd_directWarp",
        "sky_map": "skyMap",
        "psf_matched_warp": "goodCoadd_psfMatchedWarp",
    }
