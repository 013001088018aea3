"""Transmission curves and aperture corrections, from detector images through warps to coadds and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calexps import make_calexp, patch
from calexps import make_warp as make_real_warp
from ccd_frames import box, make_wcs
from coadd_warps import BBOX, SKY_INFO, WCS, make_handles, make_warp
from stored_files import read, write

from butler.images import (
    ApCorrMap,
    ChebyshevBoundedField,
    CoaddBoundedField,
    CoaddInputs,
    CoaddTransmissionCurve,
    Exposure,
    TransmissionCurve,
    coadd_ap_corr_map,
)
from tasks.coadd import AssembleCoaddConfig, AssembleCoaddTask
from tasks.errors import WarpInputsError

WAVELENGTHS = np.linspace(6900.0, 8500.0, 9)
HALF = ((39.5, 19.5), (99.5, 19.5), (99.5, 129.5), (39.5, 129.5))
"""The left half of the box of the warps, whose detectors have the warps' pixels."""


def make_curve(seed: int) -> TransmissionCurve:
    """Make a curve with throughputs of its own everywhere."""
    rng = np.random.default_rng(seed)
    return TransmissionCurve(WAVELENGTHS, rng.uniform(0.2, 0.8, 9), *rng.uniform(0.0, 0.1, 2))


def make_map(seed: int, *names: str) -> ApCorrMap:
    """Make aperture corrections of second degree in the detector's pixels."""
    rng = np.random.default_rng(seed)
    table = [ChebyshevBoundedField(BBOX.dilatedBy(5), rng.normal(size=(2, 3))) for _ in names]
    return ApCorrMap(dict(zip(names, table, strict=True)))


def curved_warps() -> list[Exposure]:
    """Make three warps; the second one's detector ends in the middle, the third one lacks a correction."""
    changes: list[dict[str, Any]] = [
        {"apCorrMap": make_map(1, "flux", "other")},
        {"apCorrMap": make_map(2, "flux"), "validPolygon": HALF},
        {},
    ]
    warps = []
    for visit, change in enumerate(changes, start=1):
        warp = make_warp(visit, 1.0)
        assert warp.coaddInputs is not None
        [ccd] = warp.coaddInputs.ccds
        row = replace(ccd, transmissionCurve=make_curve(visit), **change)
        warps.append(replace(warp, coaddInputs=CoaddInputs(warp.coaddInputs.visits, (row,))))
    return warps


def assemble(warps: list[Exposure], **values: Any) -> Exposure:
    """Take the mean of warps with the weights 3, 1 and 2."""
    task = AssembleCoaddTask(AssembleCoaddConfig(statistic="MEAN", **values))
    coadd: Exposure = task.run(
        SKY_INFO, make_handles(warps), [None] * len(warps), [3.0, 1.0, 2.0]
    ).coaddExposure
    return coadd


def test_curve_is_linear_between_its_points() -> None:
    """Between the points the curve is linear, beyond them it has the values of its ends."""
    curve = TransmissionCurve(np.array([4000.0, 5000.0]), np.array([0.2, 0.4]), 0.1, 0.3)
    np.testing.assert_allclose(
        curve.sampleAt((0.0, 0.0), [3999.0, 4000.0, 4250.0, 5000.0, 5001.0]), [0.1, 0.2, 0.25, 0.4, 0.3]
    )
    assert curve.getWavelengthBounds() == (4000.0, 5000.0)
    assert curve.getThroughputAtBounds() == (0.1, 0.3)


@pytest.mark.parametrize(
    ("wavelengths", "throughput", "message"),
    [
        ([1.0, 2.0], [0.5], "as many"),
        ([], [], "as many"),
        ([2.0, 1.0], [0.5, 0.5], "increase"),
        ([1.0, 2.0], [0.5, np.nan], "finite"),
    ],
)
def test_tables_that_are_no_curve(wavelengths: Any, throughput: Any, message: str) -> None:
    """Lengths that differ, wavelengths that fall back and NaN are refused."""
    with pytest.raises(ValueError, match=message):
        TransmissionCurve(wavelengths, throughput)


def test_coadd_has_the_weighted_mean_of_the_detectors_there() -> None:
    """Where a detector ends, it ends in the coadd's curve and corrections, too."""
    warps = curved_warps()
    coadd = assemble(warps, doAttachTransmissionCurve=True)
    assert isinstance(coadd.transmissionCurve, CoaddTransmissionCurve)
    assert coadd.apCorrMap is not None
    assert list(coadd.apCorrMap) == ["flux", "other"]
    at = np.array([5000.0, 7000.0, 7777.0, 9000.0])
    curves = [make_curve(seed).sampleAt((0.0, 0.0), at) for seed in (1, 2, 3)]
    first, second = make_map(1, "flux", "other"), make_map(2, "flux")
    for (x, y), weights, ap_corr_weights in (
        ((70.0, 60.0), [3, 1, 2], [3, 1]),
        ((130.0, 60.0), [3, 0, 2], [3, 0]),
    ):
        np.testing.assert_allclose(
            coadd.transmissionCurve.sampleAt((x, y), at), np.average(curves, axis=0, weights=weights)
        )
        values = [float(fields["flux"].evaluate(x, y)) for fields in (first, second)]
        expected = np.average(values, weights=ap_corr_weights)
        assert float(coadd.apCorrMap["flux"].evaluate(x, y)) == pytest.approx(expected, rel=1e-9)
        assert float(coadd.apCorrMap["other"].evaluate(x, y)) == pytest.approx(
            float(first["other"].evaluate(x, y)), rel=1e-9
        )


def test_places_and_wavelengths_beyond_the_inputs() -> None:
    """Beside all detectors there is no curve, and a correction is NaN; the bounds are those of all."""
    coadd = assemble(curved_warps(), doAttachTransmissionCurve=True)
    curve = coadd.transmissionCurve
    assert curve is not None
    assert coadd.apCorrMap is not None
    with pytest.raises(ValueError, match="no input image"):
        curve.sampleAt((1e4, 0.0), [7000.0])
    values = coadd.apCorrMap["flux"].evaluate([70.0, 1e4], 60.0)
    assert values.shape == (2,)
    np.testing.assert_array_equal(np.isnan(values), [False, True])
    assert curve.getWavelengthBounds() == (6900.0, 8500.0)
    ends = [make_curve(seed).getThroughputAtBounds() for seed in (1, 2, 3)]
    np.testing.assert_allclose(curve.getThroughputAtBounds(), np.average(ends, axis=0, weights=[3, 1, 2]))


def test_curves_are_attached_only_if_asked_and_never_in_part() -> None:
    """Without the option there is no curve; with it, a detector without one is named."""
    warps = curved_warps()
    assert assemble(warps).transmissionCurve is None
    warps[1] = make_warp(2, 1.0)
    with pytest.raises(WarpInputsError, match="visit=2, detector=1"):
        assemble(warps, doAttachTransmissionCurve=True)
    assert assemble([make_warp(visit, 1.0) for visit in (1, 2, 3)]).apCorrMap is None


def test_coadd_survives_its_file(tmp_path: Path) -> None:
    """Read back, whole or as components, a coadd has the same curves and corrections."""
    coadd = assemble(curved_warps(), doAttachTransmissionCurve=True)
    path = write(coadd, tmp_path / "coadd.fits", "ExposureF")
    found = read(path, "ExposureF")
    assert [ccd.apCorrMap for ccd in found.coaddInputs.ccds] == [
        make_map(1, "flux", "other"), make_map(2, "flux"), None,
    ]  # fmt: skip
    assert [ccd.transmissionCurve for ccd in found.coaddInputs.ccds] == [make_curve(i) for i in (1, 2, 3)]
    at = np.array([7000.0, 8000.0])
    assert coadd.transmissionCurve is not None
    for curve in (found.transmissionCurve, read(path, "ExposureF", "transmissionCurve")):
        np.testing.assert_array_equal(
            curve.sampleAt((70.0, 60.0), at), coadd.transmissionCurve.sampleAt((70.0, 60.0), at)
        )
    assert coadd.apCorrMap is not None
    assert sorted(found.apCorrMap) == ["flux", "other"]
    np.testing.assert_allclose(
        found.apCorrMap["flux"].evaluate(70.0, 60.0), coadd.apCorrMap["flux"].evaluate(70.0, 60.0), rtol=1e-9
    )
    assert found.apCorrMap["flux"].bbox == BBOX


def test_detector_images_hand_their_curves_to_the_warp(tmp_path: Path) -> None:
    """What a calibrated image carries, also one read from its file, is in the warp's record."""
    exposure = make_calexp(np.ones((60, 50)), make_wcs(crpix=(25.0, 30.0)))
    exposure.transmissionCurve = make_curve(5)
    field = ChebyshevBoundedField(exposure.bbox, np.array([[1.0, 0.5], [0.25, 0.0]]))
    exposure.apCorrMap = ApCorrMap({"flux": field})
    stored = read(write(exposure, tmp_path / "calexp.fits", "ExposureF"), "ExposureF")
    assert stored.transmissionCurve == make_curve(5)
    warp = make_real_warp([stored], patch(make_wcs(crpix=(40.0, 40.0)), box(80, 80)))
    assert warp.coaddInputs is not None
    [ccd] = warp.coaddInputs.ccds
    assert ccd.transmissionCurve == make_curve(5)
    assert ccd.apCorrMap == ApCorrMap({"flux": field})
    assert warp.apCorrMap is not None
    # The warp is the image, moved by (15, 10) pixels.
    assert float(warp.apCorrMap["flux"].evaluate(45.0, 35.0)) == pytest.approx(
        float(field.evaluate(30.0, 25.0)), rel=1e-6
    )


def test_matched_coadds_have_no_corrections_of_other_psfs() -> None:
    """Corrections that were measured with the detectors' PSFs do not hold for a matched one."""
    assert assemble(curved_warps(), warpType="psfMatched").apCorrMap is None


def test_fields_of_nothing_are_none() -> None:
    """Inputs without corrections have no map; a field of them is NaN."""
    warp = make_warp(1, 1.0)
    assert warp.coaddInputs is not None
    assert coadd_ap_corr_map(warp.coaddInputs.ccds, WCS, BBOX) is None
    field = CoaddBoundedField(BBOX, WCS, "flux", warp.coaddInputs.ccds)
    assert np.isnan(field.evaluate(70.0, 60.0))
