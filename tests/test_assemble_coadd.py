"""AssembleCoaddTask: arithmetic, mask algebra, bounded memory, and refusals."""

import gc
import math

import numpy as np
import pytest
from coadd_warps import (
    BBOX,
    SKY_INFO,
    WCS,
    LiveBytes,
    WatchedHandle,
    data_id,
    make_handle,
    make_handles,
    make_warp,
)

from butler.images import (
    DEFAULT_MASK_PLANES,
    Box2I,
    CoaddInputs,
    FilterLabel,
    Mask,
    MaskedImage,
    PhotoCalib,
    SkyWcs,
    SpanSet,
)
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig
from connections.errors import ConfigError, NoWorkFound
from tasks.coadd import AssembleCoaddConfig, AssembleCoaddTask, InterpImageConfig, InterpImageTask, box_tiling
from tasks.errors import (
    TaskError,
    WarpError,
    WarpGeometryError,
    WarpInputsError,
    WarpUnitError,
    WarpWeightError,
)
from tasks.struct import Struct


def make_task(**values):
    """Make the task for a plain mean, unless told otherwise."""
    return AssembleCoaddTask(AssembleCoaddConfig(**{"statistic": "MEAN", "doNImage": True, **values}))


def run(task, warps, weights=None, **kwargs):
    """Run on warps in memory, with weight 1 unless told otherwise."""
    return task.run(
        SKY_INFO, make_handles(warps), [None] * len(warps), weights or [1.0] * len(warps), **kwargs
    )


def noisy_warps(n, seed=0):
    """Make warps of noise, with NaN, bad and saturated pixels, and different variances."""
    rng = np.random.default_rng(seed)
    warps = []
    for visit in range(1, n + 1):
        variance = 1.0 + 0.3 * visit
        warp = make_warp(visit, 100 + rng.normal(size=BBOX.shape) * math.sqrt(variance), variance=variance)
        for plane, share in (("SAT", 0.1), ("BAD", 0.05), ("DETECTED", 0.2), ("EDGE", 0.02)):
            warp.mask.set_where(plane, rng.random(BBOX.shape) < share)
        warp.image.array[rng.random(BBOX.shape) < 0.03] = np.nan
        warps.append(warp)
    return warps


def good_pixels(warps, planes=("NO_DATA", "BAD", "SAT", "EDGE")):
    """Return which pixels of each warp count, NaN or not, ``(n, n_y, n_x)``."""
    return np.array([~warp.mask.isSet(planes) for warp in warps])


# --- arithmetic ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", ["MEAN", "MEDIAN", "MEANCLIP"])
def test_identical_constant_warps_give_the_constant(statistic):
    """Four warps of 5 make a coadd of 5 with every pixel used and nothing flagged."""
    result = run(make_task(statistic=statistic), [make_warp(visit, 5.0) for visit in range(1, 5)])
    coadd = result.coaddExposure
    assert np.all(coadd.image.array == 5.0)
    assert not coadd.mask.array.any()
    assert np.all(result.nImage.array == 4)
    if statistic != "MEDIAN":
        assert np.all(coadd.variance.array == 0.25)


def test_mean_equals_numpy():
    """Value and variance are the weighted mean of good finite pixels and its error, by plain numpy."""
    warps = noisy_warps(5)
    weights = [1.0 / (1.0 + 0.3 * visit) for visit in range(1, 6)]
    coadd = run(make_task(), warps, weights).coaddExposure
    images = np.array([warp.image.array for warp in warps], dtype=float)
    used = good_pixels(warps) & np.isfinite(images)
    w = np.array(weights)[:, np.newaxis, np.newaxis] * used
    with np.errstate(invalid="ignore"):
        mean = np.where(used, images * w, 0).sum(axis=0) / w.sum(axis=0)
        variance = (w**2 * np.array([warp.variance.array for warp in warps])).sum(axis=0) / w.sum(axis=0) ** 2
    np.testing.assert_allclose(coadd.image.array, mean, rtol=1e-6)
    np.testing.assert_allclose(coadd.variance.array, variance, rtol=1e-6)
    assert np.isnan(mean).any()


def test_n_image_counts_the_warps_that_are_not_masked():
    """The nImage is, pixel by pixel, the number of warps less those with a bad plane."""
    warps = noisy_warps(6)
    n_image = run(make_task(), warps).nImage
    np.testing.assert_array_equal(n_image.array, good_pixels(warps).sum(axis=0))
    assert n_image.bbox == BBOX
    assert run(make_task(doNImage=False), warps).nImage is None


def test_blocks_and_strips_do_not_matter(monkeypatch):
    """Coadd and nImage are the same bits whatever the blocks, and however low the strips."""
    warps = noisy_warps(4)
    reference = run(make_task(), warps)
    for size, strip_bytes in (((37, 23), 2**27), ((2000, 2000), 12 * 4 * BBOX.width * 7), ((64, 64), 1)):
        monkeypatch.setattr(box_tiling, "MAX_STRIP_BYTES", strip_bytes)
        result = run(make_task(subregionSize=size), warps)
        for plane in ("image", "variance", "mask"):
            ours, theirs = (getattr(r.coaddExposure, plane).array for r in (result, reference))
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(result.nImage.array, reference.nImage.array)


@pytest.mark.parametrize("n_visits", [5, 40])
def test_memory_does_not_grow_with_visits(monkeypatch, n_visits):
    """However many warps there are, no more than one strip of all of them is alive at a time."""
    budget = 40 * 12 * BBOX.width
    monkeypatch.setattr(box_tiling, "MAX_STRIP_BYTES", budget)
    warps = [make_warp(visit, 1.0) for visit in range(1, n_visits + 1)]
    live = LiveBytes()
    handles = [WatchedHandle(handle, live) for handle in make_handles(warps)]
    gc.collect()
    result = make_task().run(SKY_INFO, handles, [None] * n_visits, [1.0] * n_visits)
    assert np.all(result.nImage.array == n_visits)
    # While the next strip is read, the last one may still be there.
    assert 0 < live.peak <= 2 * budget
    assert max(box.width for box in live.boxes) == BBOX.width


def test_prepare_inputs_reads_one_warp_at_a_time():
    """Weights need whole warps, but never two of them."""
    live = LiveBytes()
    handles = [WatchedHandle(h, live) for h in make_handles([make_warp(v, 1.0) for v in range(1, 8)])]
    make_task().prepareInputs(handles, BBOX)
    assert 0 < live.peak <= 2 * 12 * BBOX.area


def test_warps_may_be_larger_than_the_patch():
    """Only the patch is read of a larger warp, at its own place."""
    large = BBOX.dilatedBy(9)
    y, x = np.mgrid[large.minY : large.maxY + 1, large.minX : large.maxX + 1]
    warps = [make_warp(visit, (x + 1000 * y) / 7, bbox=large) for visit in (1, 2)]
    coadd = run(make_task(subregionSize=(50, 31)), warps).coaddExposure
    assert coadd.bbox == BBOX
    np.testing.assert_array_equal(coadd.image.array, warps[0].image[BBOX].array)


# --- masks --------------------------------------------------------------------------------------------


def test_rejected_pixels_become_planes_of_the_coadd():
    """BAD becomes REJECTED, EDGE SENSOR_EDGE, an alternative CLIPPED stays; all are INEXACT_PSF."""
    warps = [make_warp(visit, 1.0) for visit in range(1, 5)]
    warps[0].mask.set_where("BAD", np.arange(BBOX.width)[np.newaxis, :] + np.zeros(BBOX.shape) == 3)
    warps[1].mask.array[5, :] |= warps[1].mask.getPlaneBitMask("EDGE")
    warps[2].mask.array[7, 7] |= warps[2].mask.getPlaneBitMask("NO_DATA")
    spot = SpanSet([(BBOX.minY + 20, BBOX.minX + 30, BBOX.minX + 40)])
    task = make_task()
    bad = task.getBadPixelMask() | 1 << 12
    coadd = run(task, warps, altMaskList=[None, None, None, {"CLIPPED": [spot]}], mask=bad).coaddExposure
    mask = coadd.mask
    np.testing.assert_array_equal(mask.isSet("REJECTED"), warps[0].mask.isSet("BAD"))
    np.testing.assert_array_equal(mask.isSet("SENSOR_EDGE"), warps[1].mask.isSet("EDGE"))
    np.testing.assert_array_equal(mask.isSet("CLIPPED"), spot.asArray(BBOX))
    np.testing.assert_array_equal(
        mask.isSet("INEXACT_PSF"), mask.isSet(["REJECTED", "SENSOR_EDGE", "CLIPPED"])
    )
    assert not mask.isSet(["BAD", "EDGE", "NO_DATA"]).any()
    assert not warps[3].mask.array.any()


def test_planes_are_matched_by_name():
    """Warps that give one plane different bits are combined by its name."""
    shuffled = {name: 20 - bit for name, bit in DEFAULT_MASK_PLANES.items()} | {"CROSSTALK": 25}
    other = DEFAULT_MASK_PLANES | {"CROSSTALK": 11}
    warps = [make_warp(1, 1.0, planes=shuffled), make_warp(2, 3.0, planes=other), make_warp(3, 5.0)]
    warps[0].mask.set_where("BAD", np.eye(*BBOX.shape, dtype=bool))
    warps[1].mask.set_where("CROSSTALK", np.eye(*BBOX.shape, k=5, dtype=bool))
    result = run(make_task(badMaskPlanes=["BAD", "CROSSTALK"]), warps)
    image = result.coaddExposure.image.array
    np.testing.assert_array_equal(image == 4.0, np.eye(*BBOX.shape, dtype=bool))
    np.testing.assert_array_equal(
        image == 3.0,
        ~np.eye(*BBOX.shape, dtype=bool) & ~np.eye(*BBOX.shape, k=5, dtype=bool)
        | np.eye(*BBOX.shape, k=5, dtype=bool),
    )
    assert {"CROSSTALK", "CLIPPED", "REJECTED", "SENSOR_EDGE", "INEXACT_PSF"} <= set(
        result.coaddExposure.mask.planes
    )


def test_saturation_comes_back_above_its_threshold():
    """SAT is set on the coadd where saturated warps carry more than a tenth of the weight."""
    warps = [make_warp(visit, 1.0) for visit in range(1, 11)]
    for warp in warps[:1]:
        warp.mask.array[0, 0] |= warp.mask.getPlaneBitMask("SAT")
    weights = [1.0] * 10
    assert not run(make_task(), warps, weights).coaddExposure.mask.isSet("SAT").any()
    weights[0] = 1.01
    assert np.argwhere(run(make_task(), warps, weights).coaddExposure.mask.isSet("SAT")).tolist() == [[0, 0]]


def test_removed_planes_are_gone_and_the_warps_untouched():
    """Planes of removeMaskPlanes neither reject pixels nor reach the coadd; inputs keep theirs."""
    warps = [make_warp(visit, 1.0) for visit in (1, 2)]
    warps[0].mask.array[:] = warps[0].mask.getPlaneBitMask(["SUSPECT", "EDGE"])
    before = warps[0].mask.array.copy()
    result = run(make_task(removeMaskPlanes=["SUSPECT", "EDGE", "NOT_DEBLENDED"]), warps)
    assert not result.coaddExposure.mask.array.any()
    assert np.all(result.nImage.array == 2)
    np.testing.assert_array_equal(warps[0].mask.array, before)


def test_planes_that_are_not_there_to_be_removed_are_told(caplog):
    """A plane that no warp has is no error, as most warps have no NOT_DEBLENDED; the debug log names it."""
    caplog.set_level("DEBUG")
    plain, same = (run(make_task(removeMaskPlanes=names), [make_warp(1, 1.0)]) for names in ([], ["FOO"]))
    assert "there is no mask plane 'FOO' to remove" in caplog.text
    np.testing.assert_array_equal(plain.coaddExposure.mask.array, same.coaddExposure.mask.array)


def test_pixels_without_data_are_interpolated():
    """A pixel that every warp lacks is NO_DATA, gets a value from its row and INTRP after processResults."""
    warps = [make_warp(visit, 7.0) for visit in (1, 2)]
    for warp in warps:
        warp.mask.array[50, 60:63] |= warp.mask.getPlaneBitMask("NO_DATA")
        warp.image.array[50, 60:63] = np.nan
    task = make_task()
    coadd = run(task, warps).coaddExposure
    assert np.isnan(coadd.image.array[50, 60:63]).all()
    task.processResults(coadd, data_id(1))
    np.testing.assert_allclose(coadd.image.array, 7.0, rtol=1e-6)
    hole = np.zeros(BBOX.shape, dtype=bool)
    hole[50, 60:63] = True
    np.testing.assert_array_equal(coadd.mask.isSet("INTRP"), hole)
    np.testing.assert_array_equal(coadd.mask.isSet("NO_DATA"), hole)


def test_variance_that_is_not_positive_becomes_infinite():
    """Zero variance marks NO_DATA at once, and 0 and NaN become infinite in processResults."""
    warps = [make_warp(visit, 1.0) for visit in (1, 2)]
    for warp in warps:
        warp.variance.array[3, 4] = 0.0
        warp.variance.array[5, 6] = np.nan
    task = make_task(doInterp=False)
    coadd = run(task, warps).coaddExposure
    assert np.argwhere(coadd.mask.isSet("NO_DATA")).tolist() == [[3, 4]]
    task.processResults(coadd)
    assert np.argwhere(np.isinf(coadd.variance.array)).tolist() == [[3, 4], [5, 6]]


def test_interp_image_without_any_data_leaves_the_image():
    """An image of nothing stays nothing; a user's fallback fills it."""
    pixels = MaskedImage.without_data(Box2I.from_corners((0, 0), (9, 4)))
    assert InterpImageTask().run(pixels) == 0
    assert np.isnan(pixels.image.array).all()
    user = InterpImageTask(InterpImageConfig(fallbackValueType="USER", fallbackUserValue=2.5))
    assert user.run(pixels) == 50
    assert np.all(pixels.image.array == 2.5)


# --- inputs -------------------------------------------------------------------------------------------


def test_weights_are_inverse_variances():
    """The weight of a warp is one over the mean variance of its good pixels."""
    warps = [make_warp(visit, 1.0, variance=4.0 * visit) for visit in (1, 2)]
    bad = np.zeros(BBOX.shape, dtype=bool)
    bad[:60] = True
    warps[1].variance.array[bad] = 1e9
    warps[1].mask.set_where("BAD", bad)
    prepared = make_task().prepareInputs(make_handles(warps), BBOX)
    np.testing.assert_allclose(prepared.weightList, [1 / 4, 1 / 8])
    assert prepared.imageScalerList == [None, None]
    assert prepared.skipped == []


def test_warps_without_weight_are_skipped_with_a_reason(caplog):
    """All-NaN warps, and such without usable variance, are left out; the log says which and why."""
    warps = [
        make_warp(1, np.nan),
        make_warp(2, 1.0, variance=0.0),
        make_warp(3, 1.0, variance=np.nan),
        make_warp(4, 1.0, variance=-1.0),
        make_warp(5, 1.0, variance=1e-42),
        make_warp(6, 1.0, mask=1),
        make_warp(7, 1.0, variance=2.0),
    ]
    prepared = make_task().prepareInputs(make_handles(warps), BBOX)
    assert [handle.dataId["visit"] for handle in prepared.tempExpRefList] == [7]
    assert len(prepared.skipped) == 6
    for visit, text in zip(range(1, 7), prepared.skipped, strict=True):
        assert f"visit={visit}," in text
        assert text in caplog.text
    assert "no finite pixel" in prepared.skipped[0]
    assert "mean variance of 0" in prepared.skipped[1]


def test_scaling_to_a_zero_point():
    """With doScaleZeroPoint, warps of any calibration meet at 27 mag, and the coadd says so."""
    warps = [make_warp(visit, 1000.0, variance=100.0) for visit in (1, 2)]
    warps[0].photoCalib = PhotoCalib(1.0)
    warps[1].photoCalib = PhotoCalib(10.0)
    warps[1].image.array /= 10.0
    warps[1].variance.array /= 100.0
    for warp in warps:
        warp.image.unit = ""
    task = make_task(doScaleZeroPoint=True)
    handles = make_handles(warps)
    prepared = task.prepareInputs(handles, BBOX)
    np.testing.assert_allclose(
        [scaler.scale for scaler in prepared.imageScalerList], [1 / 57.544, 10 / 57.544], rtol=1e-5
    )
    np.testing.assert_allclose(prepared.weightList, 57.544**2 / 100.0, rtol=1e-5)
    coadd = task.run(SKY_INFO, handles, prepared.imageScalerList, prepared.weightList).coaddExposure
    np.testing.assert_allclose(coadd.image.array * coadd.photoCalib.calibrationMean, 1000.0, rtol=1e-6)
    assert coadd.photoCalib.magnitude_zero_point == pytest.approx(27.0)
    assert "BUNIT" not in coadd.metadata
    assert np.all(warps[0].image.array == 1000.0)


def test_coadd_carries_inputs_psf_and_metadata():
    """Rows of all warps with their weights, a CoaddPsf, the band, and cards on how it was made."""
    warps = [make_warp(visit, 1.0, sigma=1.5 + 0.5 * visit) for visit in (1, 2)]
    coadd = run(make_task(statistic="MEANCLIP"), warps, [3.0, 1.0]).coaddExposure
    assert [(row.visit, row.weight, row.filter) for row in coadd.coaddInputs.visits] == [
        (1, 3.0, "Cam-I"),
        (2, 1.0, "Cam-I"),
    ]
    assert [row.weight for row in coadd.coaddInputs.ccds] == [3.0, 1.0]
    kernel = coadd.psf.computeKernelImage(x=100.0, y=80.0)
    peaks = [warp.psf.computeKernelImage(x=100.0, y=80.0).max() for warp in warps]
    assert kernel.max() == pytest.approx((3 * peaks[0] + peaks[1]) / 4, rel=1e-6)
    assert coadd.filter == FilterLabel("i")
    assert coadd.photoCalib == PhotoCalib(1.0)
    assert (coadd.image.unit, coadd.variance.unit) == ("nJy", "nJy**2")
    expected = {
        "BUNIT": "nJy",
        "COADTASK": "AssembleCoaddTask",
        "STATISTI": "MEANCLIP",
        "SIGCLIP": 3.0,
        "CLIPITER": 2,
        "BADPLANE": "NO_DATA,BAD,SAT,EDGE",
        "NUSED": 2,
        "MJDMIN": 60001.0,
        "MJDMAX": 60002.0,
        "MJDMEAN": 60001.5,
        "EXPTOTAL": 60.0,
    }
    assert expected.items() <= coadd.metadata.items()


def test_filter_warps_keeps_the_order_of_the_list():
    """Only listed visits are kept, in the order of the list, also if a file made their numbers text."""
    handles = make_handles([make_warp(visit) for visit in (1, 2, 3)])
    kept = make_task().filterWarps(handles, {"3": True, "9": True, "1": True})
    assert [handle.dataId["visit"] for handle in kept] == [3, 1]


def test_dataset_names_follow_the_config():
    """Names of coadds and warps, of either kind, take the coadd's name from the connections."""
    task = make_task(connections={"coaddName": "goodSeeing"})
    assert task.getCoaddDatasetName() == "goodSeeingCoadd"
    assert task.getCoaddDatasetName("psfMatched") == "goodSeeingCoaddPsfMatched"
    assert task.getTempExpDatasetName() == "goodSeeingCoadd_directWarp"
    assert make_task().getTempExpDatasetName("psfMatched") == "deepCoadd_psfMatchedWarp"
    connections = task.config.resolved_connections()
    assert connections.inputWarps.name == task.getTempExpDatasetName()
    assert connections.coaddExposure.name == task.getCoaddDatasetName()


# --- quanta -------------------------------------------------------------------------------------------


class FakeQuantumContext:
    """A butler for one quantum that keeps what is put."""

    def __init__(self, inputs):
        self.quantum = Struct(dataId={"skymap": "test", "tract": 0, "patch": 1, "band": "i"})
        self.inputs = inputs
        self.put_structs = []

    def get(self, refs):
        return {name: self.inputs[name] for name in refs}

    def put(self, struct, refs):
        self.put_structs.append({name: getattr(struct, name) for name in refs})


def quantum_context(values):
    """Make a context with a real sky map and one warp for each value."""
    config = DiscreteSkyMapConfig(
        raList=[150.0], decList=[2.0], radiusList=[0.005], pixelScale=0.2, tractOverlap=0.0,
        patchInnerDimensions=(90, 90), patchBorder=10,
    )  # fmt: skip
    sky_map = DiscreteSkyMap(config)
    patch = sky_map[0].getPatchInfo(1)
    warps = [
        make_warp(visit, value, bbox=patch.getOuterBBox(), wcs=sky_map[0].getWcs())
        for visit, value in enumerate(values, start=1)
    ]
    return patch, FakeQuantumContext({"skyMap": sky_map, "inputWarps": make_handles(warps)})


def test_run_quantum_writes_the_outputs():
    """The quantum of a patch puts the finished coadd and nImage, with the number of warps given and used."""
    patch, context = quantum_context([2.0, 4.0, np.nan])
    task = make_task(doInputMap=True)
    connections = task.config.resolved_connections()
    task.runQuantum(
        context, dict.fromkeys(connections.inputs | connections.prerequisiteInputs), connections.outputs
    )
    (outputs,) = context.put_structs
    assert set(outputs) == {"coaddExposure", "nImage", "inputMap"}
    coadd = outputs["coaddExposure"]
    assert coadd.bbox == patch.getOuterBBox()
    assert np.all(coadd.image.array == 3.0)
    assert (coadd.metadata["NGIVEN"], coadd.metadata["NUSED"]) == (3, 2)
    assert len(task.metadata.getArray("skippedWarps")) == 1
    assert outputs["inputMap"].n_valid > 0


def test_outputs_that_are_not_made_are_no_connections():
    """Without doNImage and doInputMap there are no such outputs, and doWrite=False puts nothing."""
    config = AssembleCoaddConfig(doWrite=False)
    assert set(config.resolved_connections().outputs) == {"coaddExposure"}
    _, context = quantum_context([1.0])
    AssembleCoaddTask(config).runQuantum(context, dict.fromkeys(["skyMap", "inputWarps"]), {})
    assert context.put_structs == []


def test_no_usable_warp_is_no_work():
    """A patch whose warps are all empty is no failure, and the reason names each of them."""
    _, context = quantum_context([np.nan, np.nan])
    with pytest.raises(NoWorkFound, match=r"patch=1.*visit=1,.*no finite pixel.*visit=2,"):
        make_task().runQuantum(context, dict.fromkeys(["skyMap", "inputWarps"]), {})


# --- refusals -----------------------------------------------------------------------------------------


def test_refuses_warps_in_other_units():
    """A warp in counts is an error that names it, its unit, and what to do."""
    warp = make_warp(5, 1.0)
    warp.image.unit = "adu"
    with pytest.raises(WarpUnitError, match=r"visit=5,.*'adu'.*doScaleZeroPoint"):
        make_task().prepareInputs([make_handle(5, warp)], BBOX)


@pytest.mark.parametrize("shift", [(1, 0), (500, 0)])
def test_refuses_warps_that_do_not_cover_the_patch(shift):
    """A warp that misses part of the patch, or all of it, is an error that names both boxes."""
    warps = [make_warp(1, 1.0), make_warp(2, 1.0, bbox=BBOX.shiftedBy(shift))]
    with pytest.raises(WarpGeometryError, match=rf"visit=2,.*{BBOX.maxX}"):
        run(make_task(), warps)
    with pytest.raises(WarpGeometryError, match=r"visit=2,"):
        make_task().prepareInputs(make_handles(warps), BBOX)


def test_refuses_warps_with_another_wcs():
    """A warp that was made for another sky map is an error, not a blurred coadd."""
    moved = SkyWcs.make_tan(crval=(150.0, 2.0), crpix=(100.0, 80.1), cd=[[-0.2 / 3600, 0], [0, 0.2 / 3600]])
    warps = [make_warp(1, 1.0), make_warp(2, 1.0, wcs=moved)]
    with pytest.raises(WarpGeometryError, match=r"visit=2,.*0\.1 pixels"):
        run(make_task(), warps)
    bare = make_warp(2, 1.0)
    bare.wcs = None
    with pytest.raises(WarpGeometryError, match="no WCS"):
        run(make_task(), [bare])


@pytest.mark.parametrize("weight", [np.nan, 0.0, -1.0, np.inf])
def test_refuses_weights_that_are_none(weight):
    """A weight must be finite and positive; the error names the warp and the value."""
    with pytest.raises(WarpWeightError, match=rf"visit=2,.*{weight}"):
        run(make_task(), [make_warp(1), make_warp(2)], [1.0, weight])


def test_refuses_unusable_records_of_inputs():
    """Warps must say which detectors of their one visit they are made of."""
    good = make_warp(1, 1.0)
    for inputs, message in (
        (None, "does not say"),
        (CoaddInputs(), "does not say"),
        (make_warp(8).coaddInputs, r"not for \[8\]"),
        (CoaddInputs(good.coaddInputs.visits, make_warp(9).coaddInputs.ccds), r"other visits: \[9\]"),
    ):
        warp = make_warp(1, 1.0)
        warp.coaddInputs = inputs
        with pytest.raises(WarpInputsError, match=message):
            run(make_task(), [warp])
    with pytest.raises(WarpInputsError, match="second one"):
        make_task().run(SKY_INFO, [make_handle(1, good), make_handle(1, good)], [None, None], [1.0, 1.0])


def test_refuses_warps_of_different_bands():
    """Warps of two bands are never combined."""
    red = make_warp(2, 1.0)
    red.filter = FilterLabel("r", "Cam-R")
    with pytest.raises(WarpError, match=r"i in warp .*visit=1,.*r in warp .*visit=2,"):
        run(make_task(), [make_warp(1, 1.0), red])


def test_refuses_no_warps_and_lists_of_different_lengths():
    """Nothing to combine, and lists that do not belong together, are errors."""
    with pytest.raises(TaskError, match="no warps"):
        run(make_task(), [])
    with pytest.raises(ValueError, match="zip"):
        run(make_task(), [make_warp(1), make_warp(2)], [1.0])


def test_refuses_more_planes_than_bits():
    """Warps whose planes do not fit into one mask together are refused."""
    many = {**DEFAULT_MASK_PLANES, **{f"A{i}": 11 + i for i in range(21)}}
    with pytest.raises(WarpError, match=r"visit=2,.*32"):
        run(make_task(), [make_warp(1, planes=many), make_warp(2, planes=DEFAULT_MASK_PLANES | {"X": 11})])


@pytest.mark.parametrize(
    "values", [{"badMaskPlanes": ["SATT"]}, {"maskPropagationThresholds": {"SATT": 0.5}}]
)
def test_refuses_mask_planes_that_no_warp_has(values):
    """A misspelt plane is an error with the nearest name, not silently no plane."""
    with pytest.raises(ConfigError, match=r"'SATT'.*did you mean 'SAT'"):
        run(make_task(**values), [make_warp(1)])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"statistic": "MEEN"}, "unknown statistic 'MEEN'"),
        ({"statistic": "NOTHING"}, "NOTHING"),
        ({"statistic": "MAX"}, "doInterp"),
        ({"subregionSize": (0, 100)}, "subregionSize"),
        ({"clipIter": 0}, "clipIter"),
        ({"maskPropagationThresholds": {"SAT": 1.5}}, "maskPropagationThresholds"),
        ({"badMaskPlane": ["SAT"]}, "did you mean 'badMaskPlanes'"),
    ],
)
def test_config_refuses_what_cannot_be(values, message):
    """Wrong names and values in a config are errors that name them."""
    with pytest.raises(ConfigError, match=message):
        AssembleCoaddConfig(**values)


def test_statistic_cannot_lose_its_variance_later():
    """Changing only the statistic is checked against doInterp as well; without doInterp it is allowed."""
    with pytest.raises(ConfigError, match="doInterp"):
        AssembleCoaddConfig().updated({"statistic": "SUM"})
    assert AssembleCoaddConfig().updated({"doInterp": False, "statistic": "SUM"}).statistic == "SUM"


def test_do_sigma_clip_is_an_alias(caplog):
    """The old doSigmaClip still means MEANCLIP, with a warning."""
    task = make_task(doSigmaClip=True)
    assert task.prepareStats().flags == "MEANCLIP"
    assert "deprecated" in caplog.text


def test_config_survives_plain_values():
    """A config written as plain values reads back equal, subtasks included."""
    config = AssembleCoaddConfig(doNImage=True).updated({"interpImage.fallbackValueType": "USER"})
    assert AssembleCoaddConfig(**config.to_simple()) == config


def test_mask_of_wrong_type_never_reaches_the_warps():
    """A conformed mask is a new array where bits move, so warps in memory keep theirs."""
    shuffled = {name: 20 - bit for name, bit in DEFAULT_MASK_PLANES.items()}
    warps = [make_warp(1, 1.0), make_warp(2, 1.0, planes=shuffled, mask=1 << 20)]
    run(make_task(), warps)
    assert isinstance(warps[1].mask, Mask)
    assert np.all(warps[1].mask.array == 1 << 20)


def test_wcs_of_the_coadd_is_the_tracts():
    """The coadd lies on the tract's pixels."""
    coadd = run(make_task(), [make_warp(1)]).coaddExposure
    assert coadd.wcs == WCS
    assert coadd.image.xy0 == BBOX.minimum
