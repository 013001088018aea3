"""Every field of the configs of coadd assembly: its default, and that a change of it changes what is made."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from coadd_warps import BBOX, WCS, data_id, make_handle, make_warp

from butler.handles import InMemoryDatasetHandle
from butler.images import Box2I, Exposure, GaussianPsf, Image, Mask, MaskedImage
from connections.errors import ConfigError
from tasks.coadd import (
    AssembleCoaddConfig,
    AssembleCoaddTask,
    CoaddPsfConfig,
    HealSparseInputMapConfig,
    InterpImageConfig,
    SafeClipAssembleCoaddConfig,
    SafeClipAssembleCoaddTask,
    ScaleVarianceConfig,
    ScaleVarianceTask,
    ScaleZeroPointConfig,
)
from tasks.detection import SourceDetectionConfig, SourceDetectionTask
from tasks.errors import TaskError, WarpInputsError

N_VISITS = 6
PATCH = {"skymap": "test", "tract": 0, "patch": 3, "band": "i"}


def make_visit(visit):
    """Make a warp of noise about -5 nJy with bad, saturated and missing pixels, and a flash on one visit."""
    rng = np.random.default_rng(visit)
    image = rng.normal(-5.0, 1.0, BBOX.shape)
    detected = np.zeros(BBOX.shape, dtype=bool)
    if visit == 2:
        image[40:48, 30:60] += 60.0
        detected[32:56, 22:68] = True
    warp = make_warp(visit, image, sigma=1.5 + 0.1 * visit)
    for plane, share in (("SAT", 0.1), ("BAD", 0.05), ("EDGE", 0.03)):
        warp.mask.set_where(plane, rng.random(BBOX.shape) < share)
    warp.mask.array[60:80, 60:90] |= warp.mask.getPlaneBitMask("SAT") if visit < 4 else 0
    warp.mask.set_where("DETECTED", detected)
    warp.mask.array[:, 100:] |= warp.mask.getPlaneBitMask("NO_DATA")
    warp.image.array[:, 100:] = np.nan
    if visit == 1:
        warp.psf = GaussianPsf(9.0)
    return warp


def watched(task_class, result):
    """Return the class of a task that keeps what its steps are asked for, and what it makes."""

    class Watched(task_class):
        def run(self, *args, **kwargs):
            result.made = super().run(*args, **kwargs)
            return result.made

        def assembleSubregion(self, coaddExposure, bbox, *args):
            result.steps.append(bbox)
            super().assembleSubregion(coaddExposure, bbox, *args)

        def assembleOnlineMeanCoadd(self, *args):
            result.steps.append("online")
            super().assembleOnlineMeanCoadd(*args)

    return Watched


def outcome(task_class=AssembleCoaddTask, **values):
    """Run the quantum of a patch with some settings; return all that may differ, by name."""
    config = task_class.ConfigClass().updated(values)
    connections = config.resolved_connections()
    result = SimpleNamespace(steps=[], put=[], made=None)
    tract = SimpleNamespace(
        getPatchInfo=lambda index: SimpleNamespace(getOuterBBox=lambda: BBOX), getWcs=lambda: WCS
    )
    ra, dec = WCS.pixelToSky(100.0, 80.0)
    inputs = {
        "skyMap": {0: tract},
        "inputWarps": [make_handle(visit, make_visit(visit)) for visit in range(1, N_VISITS + 1)],
        "brightObjectMask": InMemoryDatasetHandle(Table({"ra": [ra], "dec": [dec], "radius": [0.001]})),
        "selectedVisits": [InMemoryDatasetHandle({4: True, 1: True}, data_id(1))],
    }
    context = SimpleNamespace(
        quantum=SimpleNamespace(dataId=PATCH),
        get=lambda refs: refs,
        put=lambda struct, refs: result.put.append(sorted(name for name in refs if hasattr(struct, name))),
    )
    wanted = connections.inputs | connections.prerequisiteInputs
    task = watched(task_class, result)(config)
    task.runQuantum(context, {name: inputs[name] for name in wanted}, connections.outputs)
    coadd, made = result.made.coaddExposure, result.made
    ccds = coadd.coaddInputs.ccds
    return {
        "names": [connection.name for _, connection in connections.all()],
        "steps": result.steps,
        "put": result.put,
        "image": coadd.image.array.tobytes(),
        "variance": coadd.variance.array.tobytes(),
        "mask": (coadd.mask.array.tobytes(), dict(coadd.mask.planes)),
        "n_image": None if made.nImage is None else made.nImage.array.tobytes(),
        "map": None if made.inputMap is None else map_values(made.inputMap),
        "psf": coadd.psf.computeKernelImage(x=80.0, y=63.0).tobytes(),
        "calibration": coadd.photoCalib,
        "polygons": [ccd.validPolygon for ccd in ccds],
        "visits": {handle.dataId["visit"] for handle in made.warpRefList},
    }


def map_values(found):
    pixels = found.valid_pixels
    return found.nside_sparse, found.nside_coverage, pixels.tobytes(), found.get_values_pix(pixels).tobytes()


MEAN = {"statistic": "MEAN"}
USER = {"interpImage.fallbackValueType": "USER", "interpImage.negativeFallbackAllowed": True}
MAP = {"doInputMap": True}
ASSEMBLE = [
    ("connections", {}, {"coaddName": "good"}, {}, "names"),
    ("warpType", "direct", "psfMatched", {}, "names"),
    ("warpType", "direct", "psfMatched", {}, "psf"),
    ("hasFakes", False, True, {}, "names"),
    ("statistic", "MEANCLIP", "MEDIAN", {}, "image"),
    ("doOnlineForMean", False, True, MEAN, "steps"),
    ("sigmaClip", 3.0, 1.5, {}, "image"),
    ("clipIter", 2, 1, {}, "image"),
    ("doSigmaClip", False, True, MEAN, "image"),
    ("calcErrorFromInputVariance", True, False, {}, "variance"),
    ("badMaskPlanes", ["NO_DATA", "BAD", "SAT", "EDGE"], ["NO_DATA", "BAD"], {}, "image"),
    ("removeMaskPlanes", ["NOT_DEBLENDED"], ["SAT"], {}, "mask"),
    ("maskPropagationThresholds", {"SAT": 0.1}, {"SAT": 0.9}, {}, "mask"),
    ("subregionSize", (2000, 2000), (50, 40), {}, "steps"),
    ("doInterp", True, False, {}, "image"),
    ("doScaleZeroPoint", False, True, {}, "calibration"),
    ("doMaskBrightObjects", False, True, {}, "mask"),
    ("brightObjectMaskName", "BRIGHT_OBJECT", "GLARE", {"doMaskBrightObjects": True}, "mask"),
    ("doUsePsfMatchedPolygons", False, True, {}, "polygons"),
    ("matchingKernelSize", 21, 31, {"doUsePsfMatchedPolygons": True}, "polygons"),
    ("doAttachTransmissionCurve", False, True, {}, WarpInputsError),
    ("doNImage", False, True, {}, "n_image"),
    ("doNImage", False, True, {}, "put"),
    ("doInputMap", False, True, {}, "map"),
    ("doSelectVisits", False, True, {}, "visits"),
    ("doWrite", True, False, {}, "put"),
]
INTERPOLATE = [
    ("useFallbackValueAtEdge", True, False, {}, "image"),
    ("fallbackValueType", "MEDIAN", "MEAN", {"interpImage.negativeFallbackAllowed": True}, "image"),
    ("fallbackUserValue", 0.0, -2.0, USER, "image"),
    ("negativeFallbackAllowed", False, True, {}, "image"),
    ("transpose", False, True, {}, "image"),
]
SCALE = [("zeroPoint", 27.0, 25.0, {"doScaleZeroPoint": True}, "calibration")]
INPUT_MAP = [
    ("nside", 32768, 16384, MAP, "map"),
    ("nside_coverage", 256, 128, MAP, "map"),
    ("bad_mask_min_coverage", 0.5, 0.0, MAP, "map"),
]
SUBTASKS = {
    "interpImage": (InterpImageConfig, INTERPOLATE),
    "scaleZeroPoint": (ScaleZeroPointConfig, SCALE),
    "inputMapper": (HealSparseInputMapConfig, INPUT_MAP),
}
ALL = [(AssembleCoaddConfig, "", *row) for row in ASSEMBLE] + [
    (config_class, f"{name}.", *row) for name, (config_class, rows) in SUBTASKS.items() for row in rows
]


@pytest.mark.parametrize(
    ("config_class", "prefix", "field", "default", "value", "base", "part"),
    ALL,
    ids=[f"{prefix}{field}-{part}" for _, prefix, field, _, _, _, part in ALL],
)
def test_a_change_of_a_field_changes_the_coadd(config_class, prefix, field, default, value, base, part):
    """The field has its default, and what it is for changes with it, or there is an error of the data."""
    assert getattr(config_class(), field) == default
    changed = {**base, f"{prefix}{field}": value}
    if isinstance(part, type):
        with pytest.raises(part):
            outcome(**changed)
    else:
        assert outcome(**base)[part] != outcome(**changed)[part]


def test_all_fields_are_in_the_tables():
    """A new field needs a line above."""
    named = {field for field, *_ in ASSEMBLE} | SUBTASKS.keys() | {"coaddPsf"}
    assert named == AssembleCoaddConfig.model_fields.keys()
    for config_class, rows in SUBTASKS.values():
        assert {field for field, *_ in rows} == config_class.model_fields.keys()
    assert CoaddPsfConfig.model_fields.keys() == {"leaveOutClipped"}
    own = SafeClipAssembleCoaddConfig.model_fields.keys() - AssembleCoaddConfig.model_fields.keys()
    assert own == {*THRESHOLDS, "minBigOverlap", "clipEvidence", "clipDetection", "differenceDetection"}
    told = {field.partition(".")[0] for field, *_ in [*DETECTION, *BACKGROUND]}
    assert told == SourceDetectionConfig.model_fields.keys()
    assert {field for field, *_ in VARIANCE} == ScaleVarianceConfig.model_fields.keys()


# --- SafeClip -----------------------------------------------------------------------------------------

THRESHOLDS = {
    "minClipFootOverlap": (0.6, "dominant"),
    "minClipFootOverlapSingle": (0.5, "single"),
    "minClipFootOverlapDouble": (0.45, "double"),
    "maxClipFootOverlapDouble": (0.15, "double_others"),
}


@pytest.mark.parametrize("field", THRESHOLDS)
def test_thresholds_of_safe_clip(field):
    """Each limit reaches the decision under its own name, and no other does."""
    default, name = THRESHOLDS[field]
    plain, changed = (SafeClipAssembleCoaddConfig(**values).thresholds for values in ({}, {field: 0.3}))
    assert getattr(plain, name) == default
    assert changed == replace(plain, **{name: 0.3})


@pytest.mark.parametrize(
    ("field", "default", "value", "part"),
    [
        ("statistic", "MEAN", "MEDIAN", ConfigError),
        ("sigmaClip", 1.5, 5.0, "mask"),
        ("clipIter", 3, 1, "mask"),
        ("minClipFootOverlapSingle", 0.5, 1.0, "mask"),
        ("minBigOverlap", 100, 10_000, "mask"),
        ("clipEvidence", "detections", "differences", "mask"),
        ("coaddPsf.leaveOutClipped", False, True, "psf"),
        ("clipDetection.thresholdValue", 2.0, 500.0, "mask"),
        ("clipDetection.nSigmaToGrow", 2.0, 0.0, "mask"),
    ],
)
def test_a_change_of_a_field_changes_what_is_clipped(field, default, value, part):
    """Fields of SafeClip, of its detection, and those of the plain task that have another default here."""
    config = SafeClipAssembleCoaddConfig()
    head, _, rest = field.partition(".")
    found = getattr(config, head)
    assert (getattr(getattr(found, "value", found), rest) if rest else found) == default
    if isinstance(part, type):
        with pytest.raises(part):
            config.updated({field: value})
    else:
        # Else whole detections are clipped, whatever of them the footprints cover.
        base = {} if field == "minBigOverlap" else {"minBigOverlap": 10_000}
        plain, changed = (outcome(SafeClipAssembleCoaddTask, **base, **v) for v in ({}, {field: value}))
        assert plain[part] != changed[part]


# --- detection and variance ---------------------------------------------------------------------------

AREA = Box2I.from_corners((0, 0), (79, 69))
DETECTION = [
    ("thresholdValue", 5.0, 9.0),
    ("includeThresholdMultiplier", 1.0, 20.0),
    ("thresholdType", "pixel_stdev", "variance"),
    ("thresholdPolarity", "positive", "both"),
    ("minPixels", 1, 150),
    ("nSigmaToGrow", 2.4, 0.0),
    ("isotropicGrow", True, False),
    ("nSigmaForKernel", 7.0, 3.0),
]
LOCAL = {"doTempLocalBackground": True}
AGAIN = {"reEstimateBackground": True}
BACKGROUND = [
    ("reEstimateBackground", False, True, {}),
    ("background.binSize", 128, 16, AGAIN),
    ("background.superPixelFilterSize", 3, 1, {**AGAIN, "background.binSize": 16}),
    ("background.iterations", 0, 2, {**AGAIN, "background.ignoredPixelMask": ()}),
    ("background.ignoredPixelMask", ("BAD", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "NO_DATA"), (), AGAIN),
    ("doTempLocalBackground", False, True, {}),
    ("tempLocalBackground.binSize", 64, 16, LOCAL),
    ("nPeaksMaxSimple", 1, 5, LOCAL),
]


def detected(**values):
    """Return the pixels that are detected on an image of a bright, a faint and a negative source."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[: AREA.height, : AREA.width]
    image = rng.normal(0.0, 2.0, AREA.shape)
    for cx, cy, peak in ((20, 20, 80.0), (55, 45, 14.0), (25, 50, -60.0)):
        image += peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.8**2))
    pixels = MaskedImage(
        Image(image.astype(np.float32)), Mask.from_bbox(AREA), Image.from_bbox(AREA, fill=4.0)
    )
    found = SourceDetectionTask(SourceDetectionConfig(**values)).detectFootprints(
        Exposure(pixels, psf=GaussianPsf(1.8))
    )
    return [footprint.spans for footprint in found.merged]


@pytest.mark.parametrize(("field", "default", "value"), DETECTION)
def test_a_change_of_a_field_changes_detections(field, default, value):
    """Each field of the detection has its default and changes the footprints."""
    assert getattr(SourceDetectionConfig(), field) == default
    assert detected() != detected(**{field: value})


def found_before_a_slope(**values):
    """Return the peaks found on two sources and a wide halo before a curved sky, and the image left."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[: AREA.height, : AREA.width]
    image = rng.normal(0.0, 2.0, AREA.shape) + 0.01 * x + 0.0003 * (y - 30.0) ** 2
    for cx, cy, sigma, peak in ((54, 20, 1.8, 60.0), (67, 20, 1.8, 60.0), (25, 40, 16.0, 3.2)):
        image += peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))
    pixels = MaskedImage(
        Image(image.astype(np.float32)), Mask.from_bbox(AREA), Image.from_bbox(AREA, fill=4.0)
    )
    exposure = Exposure(pixels, psf=GaussianPsf(1.8))
    settings = {"thresholdValue": 12.0, **values}
    task = SourceDetectionTask(SourceDetectionConfig().updated(settings))
    found = task.detectFootprints(exposure)
    return [footprint.peaks for footprint in found.merged], exposure.image.array.tobytes()


@pytest.mark.parametrize(("field", "default", "value", "base"), BACKGROUND)
def test_a_change_of_a_field_changes_what_is_done_about_the_background(field, default, value, base):
    """Each field of the backgrounds of the detection has its default and changes peaks or image."""
    head, _, rest = field.partition(".")
    found = getattr(SourceDetectionConfig(), head)
    assert (getattr(found, rest) if rest else found) == default
    assert found_before_a_slope(**base) != found_before_a_slope(**base, **{field: value})


def test_footprints_without_a_clear_pixel_are_left_out():
    """A multiplier above 1 asks for one pixel that is so much beyond the threshold; the others stay whole."""
    bright, faint = detected()
    assert detected(includeThresholdMultiplier=20.0) == [bright]
    for kind in ("stdev", "pixel_stdev"):
        both = {"thresholdPolarity": "both", "thresholdType": kind}
        found = detected(**both)
        kept = [spans for spans in found if not spans.overlaps(faint)]
        assert len(kept) == len(found) - 1
        assert detected(**both, includeThresholdMultiplier=6.0) == kept


VARIANCE = [
    ("maskPlanes", ["DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT", "NO_DATA", "INTRP"], ["BAD"]),
    ("limit", 10.0, 2.0),
    ("binSize", 128, 8),
]


@pytest.mark.parametrize(("field", "default", "value"), VARIANCE)
def test_a_change_of_a_field_changes_the_scale_of_variance(field, default, value):
    """Each field of the variance's scale has its default and changes the factor; the limit refuses it."""
    rng = np.random.default_rng(3)
    image = rng.normal(0.0, 2.0, AREA.shape).astype(np.float32)
    pixels = MaskedImage(Image(image), Mask.from_bbox(AREA), Image.from_bbox(AREA, fill=1.0))
    pixels.mask.array[:30] |= pixels.mask.getPlaneBitMask("DETECTED")
    image[:30] *= 2
    assert getattr(ScaleVarianceConfig(), field) == default
    factor = ScaleVarianceTask().computeScaleFactor(pixels)
    changed = ScaleVarianceTask(ScaleVarianceConfig(**{field: value}))
    if field == "limit":
        with pytest.raises(TaskError, match="beyond the limit 2"):
            changed.computeScaleFactor(pixels)
    else:
        assert changed.computeScaleFactor(pixels) != factor
