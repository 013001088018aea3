"""Beside stacked pixels: online mean, bright objects, polygons, PSF."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from coadd_warps import BBOX, SKY_INFO, WCS, make_handles, make_warp

from butler.errors import FileFormatError
from butler.formatters.object_mask import ObjectMaskFormatter
from butler.handles import InMemoryDatasetHandle
from butler.images import (
    Box2I,
    CcdInput,
    CoaddInputs,
    CoaddPsf,
    GaussianPsf,
    Mask,
    SpanSet,
)
from connections.errors import ConfigError
from tasks.coadd import (
    AssembleCoaddConfig,
    AssembleCoaddTask,
    ClipRow,
    ClipRule,
    InterpImageConfig,
    InterpImageTask,
    clip_record_table,
    psf_without_clipped,
)
from tasks.coadd.bright_objects import mask_bright_objects
from tasks.coadd.valid_polygons import shrunk_inputs
from tasks.errors import BrightObjectError, WarpInputsError
from tasks.struct import Struct


def run(warps, weights, **values):
    """Run a MEAN on warps in memory."""
    task = AssembleCoaddTask(AssembleCoaddConfig(**{"statistic": "MEAN", "doNImage": True, **values}))
    return task.run(SKY_INFO, make_handles(warps), [None] * len(warps), weights)


def noisy_warps(n):
    """Make warps of noise with masked, NaN and saturated pixels, some of them on all warps."""
    rng = np.random.default_rng(4)
    warps = []
    for visit in range(1, n + 1):
        warp = make_warp(visit, 1e4 + rng.normal(size=BBOX.shape), variance=rng.uniform(1, 2, BBOX.shape))
        for plane, share in (("SAT", 0.2), ("BAD", 0.1), ("DETECTED", 0.2), ("EDGE", 0.05)):
            warp.mask.set_where(plane, rng.random(BBOX.shape) < share)
        warp.image.array[rng.random(BBOX.shape) < 0.05] = np.nan
        warp.mask.array[:3] |= warp.mask.getPlaneBitMask("SAT")
        warps.append(warp)
    return warps


# --- online mean --------------------------------------------------------------------------------------


@pytest.mark.parametrize("input_errors", [True, False])
def test_online_mean_is_the_mean(input_errors):
    """Running sums give the image and variance of the stack up to rounding, and its mask and nImage."""
    warps, weights = noisy_warps(6), [1.0, 0.5, 2.0, 0.7, 1.3, 0.9]
    values = {"calcErrorFromInputVariance": input_errors}
    stacked, online = (run(warps, weights, doOnlineForMean=on, **values) for on in (False, True))
    ours, theirs = online.coaddExposure, stacked.coaddExposure
    np.testing.assert_array_equal(ours.mask.array, theirs.mask.array)
    np.testing.assert_array_equal(online.nImage.array, stacked.nImage.array)
    np.testing.assert_allclose(ours.image.array, theirs.image.array, rtol=1e-6)
    finite = np.isfinite(theirs.variance.array)
    np.testing.assert_allclose(
        ours.variance.array[finite], theirs.variance.array[finite], rtol=2e-5, atol=1e-7
    )
    assert np.isnan(theirs.image.array).any()


def test_online_mean_is_for_means_only():
    """Another statistic is made as ever."""
    warps = noisy_warps(5)
    results = [run(warps, [1.0] * 5, statistic="MEDIAN", doOnlineForMean=on) for on in (False, True)]
    np.testing.assert_array_equal(*(r.coaddExposure.image.array for r in results))


MEMORY_SCRIPT = """
import sys, resource
sys.path.insert(0, {tests!r})
import numpy as np
from coadd_warps import make_warp, make_handle
from butler.images import Box2I
from tasks.coadd import SafeClipAssembleCoaddTask, SafeClipAssembleCoaddConfig
from tasks.coadd import box_tiling
from tasks.struct import Struct
from coadd_warps import WCS

box_tiling.MAX_STRIP_BYTES = 2**24
box = Box2I.from_corners((0, 0), (599, 599))
rng = np.random.default_rng(1)
shared = rng.normal(size=box.shape).astype(np.float32)

class Handle:
    '''A warp that is made anew, as from a file, whenever a part of it is asked for.'''
    def __init__(self, visit):
        self.visit, self.dataId = visit, make_handle(visit, None).dataId
    def get(self, *, component=None, parameters=None):
        part = (parameters or {{}}).get("bbox", box)
        tiny = Box2I.from_corners((0, 0), (0, 0))
        pixels = component in ("maskedImage", "mask", "image", "variance")
        warp = make_warp(self.visit, 0.0, bbox=part if pixels else tiny)
        if pixels:
            warp.image.array[:] = shared[part.slices_in(box)] * (1 + self.visit / 100)
        return box if component == "bbox" else getattr(warp, component)

def peak(n):
    task = SafeClipAssembleCoaddTask(SafeClipAssembleCoaddConfig(doNImage=True))
    handles = [Handle(visit) for visit in range(1, n + 1)]
    task.run(Struct(bbox=box, wcs=WCS), handles, [None] * n, [1.0] * n)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

peak(3)
print(peak(10), peak(100))
"""


def test_memory_of_a_process_does_not_grow_with_visits():
    """The peak of a process that safe-clips 100 visits is that of 10, within a tenth of their pixels."""
    script = MEMORY_SCRIPT.format(tests=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    few, many = (int(word) * 1024 for word in done.stdout.split())
    assert few > 0
    assert many - few < 0.1 * 90 * 600 * 600 * 12


# --- bright objects -----------------------------------------------------------------------------------


def sky(x, y):
    """Return the sky position of a pixel, degrees."""
    ra, dec = WCS.pixelToSky(x, y)
    return float(ra), float(dec)


def test_bright_objects_are_discs_and_boxes():
    """A circle is a disc of whole pixels about its centre, a box its truncated edges; others are outside."""
    scale = 0.2 / 3600
    (ra, dec), (ra2, dec2), (ra3, dec3) = sky(100, 80), sky(60.3, 40.2), sky(5000, 80)
    catalog = Table(
        {
            "type": ["circle", "box", "circle"],
            "ra": [ra, ra2, ra3],
            "dec": [dec, dec2, dec3],
            "radius": [5.4 * scale, np.nan, 5 * scale],
            "width": [np.nan, 8 * scale, np.nan],
            "height": [np.nan, 3 * scale, np.nan],
        }
    )
    mask = Mask.from_bbox(BBOX)
    assert mask_bright_objects(mask, WCS, catalog, "BRIGHT_OBJECT") == 2
    y, x = np.mgrid[BBOX.minY : BBOX.maxY + 1, BBOX.minX : BBOX.maxX + 1]
    expected = (x - 100) ** 2 + (y - 80) ** 2 <= 25
    expected |= (x >= 56) & (x <= 64) & (y >= 38) & (y <= 41)
    np.testing.assert_array_equal(mask.isSet("BRIGHT_OBJECT"), expected)


def test_units_of_the_catalog_count():
    """Columns with a unit are converted; without a type, all rows are circles."""
    ra, dec = sky(100, 80)
    plain = Table({"ra": [ra], "dec": [dec], "radius": [4.5 * 0.2 / 3600]})
    other = Table({"ra": [ra], "dec": [dec], "radius": [4.5 * 0.2]}, units={"radius": "arcsec"})
    masks = [Mask.from_bbox(BBOX), Mask.from_bbox(BBOX)]
    for mask, catalog in zip(masks, (plain, other), strict=True):
        mask_bright_objects(mask, WCS, catalog, "BRIGHT")
    np.testing.assert_array_equal(masks[0].array, masks[1].array)
    assert masks[0].isSet("BRIGHT").sum() == 49


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ra": [1.0], "dec": [2.0]}, "no column 'radius'"),
        ({"type": ["star"], "ra": [1.0], "dec": [2.0]}, "row 0 has type 'star'"),
        ({"ra": [150.0], "dec": [2.0], "radius": [-1.0]}, "row 0, radius"),
    ],
)
def test_catalogs_that_cannot_be_used(columns, message):
    """A missing column, an unknown shape or an impossible size is an error that names it."""
    with pytest.raises(BrightObjectError, match=message):
        mask_bright_objects(Mask.from_bbox(BBOX), WCS, Table(columns), "BRIGHT_OBJECT")


REGIONS = """# Region file format: DS9
global color=green
fk5; circle(150.01, 2.02, 10")  # ID: 7, mag: 12.5
box(150.0d, 2.0d, 1', 30", 15)
icrs
"""


def test_region_files_are_catalogs(tmp_path):
    """A ds9 region file and the ECSV that is written of it read as the same table."""
    (tmp_path / "stars.reg").write_text(REGIONS)
    formatter = ObjectMaskFormatter()
    table = formatter.read_whole(tmp_path / "stars.reg")
    assert table["type"].tolist() == ["circle", "box"]
    assert table["id"].tolist() == [7, -1]
    np.testing.assert_allclose(table["radius"], [10 / 3600, np.nan])
    np.testing.assert_allclose(table["width"], [np.nan, 1 / 60])
    np.testing.assert_allclose(table["height"], [np.nan, 30 / 3600])
    np.testing.assert_allclose(table["mag"], [12.5, np.nan])
    formatter.write(table, tmp_path / "stars.ecsv")
    again = formatter.read_whole(tmp_path / "stars.ecsv")
    for name in table.colnames:
        np.testing.assert_array_equal(again[name], table[name])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("polygon(1, 2, 3, 4)", "line 1: 'polygon"),
        ("fk5\ncircle(1, 2)", "line 2: a circle has ra, dec, radius"),
        ("circle(1, 2, 3p)", "are not numbers"),
        ("image; circle(1, 2, 3)", "'image'"),
        ("circle(1, 2, 3) # id: seven", "id is 'seven'"),
    ],
)
def test_broken_region_files(tmp_path, text, message):
    """A line that is not understood is an error with file, number and text."""
    (tmp_path / "bad.reg").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        ObjectMaskFormatter().read_whole(tmp_path / "bad.reg")


def test_task_marks_bright_objects(caplog):
    """processResults marks the catalog under the plane's own name; without one it warns and goes on."""
    config = AssembleCoaddConfig(statistic="MEAN", doMaskBrightObjects=True, brightObjectMaskName="BRIGHT")
    task = AssembleCoaddTask(config)
    assert "brightObjectMask" in config.resolved_connections().prerequisiteInputs
    assert "brightObjectMask" not in AssembleCoaddConfig().resolved_connections().prerequisiteInputs
    coadd = run([make_warp(1, 1.0)], [1.0]).coaddExposure
    ra, dec = sky(100, 80)
    handle = InMemoryDatasetHandle(Table({"ra": [ra], "dec": [dec], "radius": [3.2 * 0.2 / 3600]}))
    task.processResults(coadd, task.readBrightObjectMasks(handle), {"tract": 0})
    assert coadd.mask.isSet("BRIGHT").sum() == 29
    task.processResults(coadd, task.readBrightObjectMasks(None), {"tract": 0})
    assert "no catalog of bright objects for tract=0" in caplog.text


class BrokenHandle:
    """A handle whose file is broken."""

    def get(self):
        raise FileFormatError("line 3 is broken")


def test_unreadable_bright_objects_are_a_warning(caplog):
    """A catalog that cannot be read does not stop a coadd; the log says why."""
    assert AssembleCoaddTask().readBrightObjectMasks(BrokenHandle()) is None
    assert "line 3 is broken" in caplog.text


# --- PSF, polygons, aperture corrections --------------------------------------------------------------


def test_psf_without_clipped_visits():
    """Where a visit was clipped the PSF is that of the others; elsewhere it is that of all."""
    warps = [make_warp(visit, 1.0, sigma=1.5 + visit) for visit in (1, 2)]
    coadd = run(warps, [3.0, 1.0]).coaddExposure
    spans = SpanSet.from_bbox(Box2I.from_corners((90, 70), (110, 90)))
    record = clip_record_table([ClipRow({"visit": 2}, ClipRule.SINGLE, 0, 1.0, 0.0, 1, spans)], {})
    aware = psf_without_clipped(coadd.psf, record)
    alone = CoaddPsf(warps[0].coaddInputs.ccds, WCS)
    at = {"x": 110.4, "y": 80.0}
    np.testing.assert_allclose(aware.computeKernelImage(**at), alone.computeKernelImage(**at), atol=1e-12)
    away = {"x": 110.6, "y": 80.0}
    np.testing.assert_array_equal(aware.computeKernelImage(**away), coadd.psf.computeKernelImage(**away))


def test_psf_of_matched_warps_is_the_widest_model():
    """A coadd of PSF-matched warps has the model of the warp with the largest PSF image, and its own name."""
    warps = [make_warp(visit, 1.0) for visit in (1, 2)]
    for warp, sigma in zip(warps, (1.0, 4.0), strict=True):
        warp.psf = GaussianPsf(sigma)
    coadd = run(warps, [1.0, 1.0], warpType="psfMatched").coaddExposure
    assert coadd.psf == GaussianPsf(4.0)
    connections = AssembleCoaddConfig(warpType="psfMatched").resolved_connections()
    assert connections.inputWarps.name == "deepCoadd_psfMatchedWarp"
    assert connections.coaddExposure.name == "deepCoaddPsfMatched"
    warps[1].psf = None
    with pytest.raises(WarpInputsError, match=r"visit=2.*no PSF"):
        run(warps, [1.0, 1.0], warpType="psfMatched")


def test_names_of_coadds_with_fakes():
    """Fakes are read from warps with fakes and end in a coadd of their own name, beside other templates."""
    config = AssembleCoaddConfig(hasFakes=True, connections={"coaddName": "good"})
    connections = config.resolved_connections()
    assert connections.inputWarps.name == "fakes_goodCoadd_directWarp"
    assert connections.coaddExposure.name == "fakes_goodCoadd"
    assert connections.inputWarps.deferLoad


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        ((), {(9.5, 9.5), (89.5, 9.5), (89.5, 39.5), (9.5, 39.5)}),
        (((0, 0), (40, 0), (0, 40)), {(10, 10), (30, 10), (10, 30)}),
    ],
    ids=["box", "triangle"],
)
def test_polygons_shrink(polygon, expected):
    """A detector without polygon gets its smaller box; one with a polygon is cut inside the polygon's box."""
    box = Box2I.from_corners((0, 0), (99, 49))
    ccd = CcdInput(1, 2, box, 5, 1.0, "", WCS, None, polygon)
    [shrunk] = shrunk_inputs(CoaddInputs((), (ccd,)), 10).ccds
    assert {(round(x, 9), round(y, 9)) for x, y in shrunk.validPolygon} == expected


def test_coadd_takes_shrunk_polygons_if_asked():
    """With doUsePsfMatchedPolygons the coadd's detectors end 11 pixels before those of the warps."""
    plain, shrunk = (
        run([make_warp(1, 1.0)], [1.0], doUsePsfMatchedPolygons=on).coaddExposure.coaddInputs.ccds[0]
        for on in (False, True)
    )
    assert plain.validPolygon == ()
    assert min(x for x, _ in shrunk.validPolygon) == plain.bbox.minX - 0.5 + 11


# --- config and framework -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"warpType": "best"}, "warpType"),
        ({"matchingKernelSize": 0}, "matchingKernelSize"),
        ({"brightObjectMaskName": ""}, "brightObjectMaskName"),
        ({"brightObjectMaskName": "has blank"}, "brightObjectMaskName"),
        ({"sigmaClip": math.inf}, "sigmaClip cannot be inf: .*finite"),
        ({"maskPropagationThresholds": {"SAT": math.nan}}, "maskPropagationThresholds.SAT cannot be nan"),
        ({"scaleZeroPoint.zeroPoint": math.nan}, "zeroPoint cannot be nan"),
        ({"inputMapper.nside": 1000}, "nside cannot be 1000: it must be a power of 2"),
        ({"inputMapper.nside": 128}, "nside cannot be 128: nside_coverage=256 is above nside=128"),
        ({"coaddPsf": {"leaveOutClip": True}}, "leaveOutClipped"),
    ],
)
def test_config_values_that_cannot_be(values, message):
    """A value that the task cannot serve is refused by its field's name."""
    with pytest.raises(ConfigError, match=message):
        AssembleCoaddConfig().updated(values)


@pytest.mark.parametrize(
    ("kind", "expected"), [("MEAN", 3.0), ("MEDIAN", 2.0), ("MEANCLIP", 2.0), ("USER", 7.0)]
)
def test_fallback_values(kind, expected):
    """Far from good pixels at an edge the chosen statistic of the image fills in."""
    image = np.tile([1.0, 2.0, 3.0], (BBOX.height, BBOX.width // 3))
    image[0, 0:99] = 2.0 + BBOX.height
    image[:, 99:] = np.nan
    warp = make_warp(1, image)
    warp.mask.array[:, 99:] |= warp.mask.getPlaneBitMask("NO_DATA")
    config = InterpImageConfig(fallbackValueType=kind, fallbackUserValue=7.0)
    InterpImageTask(config).run(warp.maskedImage)
    assert warp.image.array[1, -1] == pytest.approx(expected, abs=1e-5)


def test_edges_without_the_fallback_value():
    """useFallbackValueAtEdge=False takes the two nearest good pixels as far as the edge."""
    image = np.tile(np.arange(BBOX.width, dtype=float), (BBOX.height, 1))
    ends = []
    for at_edge in (True, False):
        warp = make_warp(1, image)
        warp.mask.array[:, 99:] |= warp.mask.getPlaneBitMask("NO_DATA")
        config = InterpImageConfig(
            fallbackValueType="USER", fallbackUserValue=7.0, useFallbackValueAtEdge=at_edge
        )
        InterpImageTask(config).run(warp.maskedImage)
        ends.append(float(warp.image.array[5, -1]))
    assert ends == pytest.approx([7.0, 97.5])


def test_negative_fallback_values_need_leave():
    """A statistic below 0 becomes 0, and a user's own value below 0 is refused, unless both are allowed."""
    assert InterpImageConfig().negativeFallbackAllowed is False
    with pytest.raises(ConfigError, match=r"fallbackUserValue=-1 is negative; set negativeFallbackAllowed"):
        InterpImageConfig(fallbackValueType="USER", fallbackUserValue=-1.0)
    with pytest.raises(ConfigError, match="is negative"):
        InterpImageConfig(fallbackUserValue=-1.0).updated({"fallbackValueType": "USER"})
    for allowed, value in ((False, 0.0), (True, -3.0)):
        warp = make_warp(1, -3.0)
        warp.mask.array[:, 60:] |= warp.mask.getPlaneBitMask("NO_DATA")
        InterpImageTask(InterpImageConfig(negativeFallbackAllowed=allowed)).run(warp.maskedImage)
        assert warp.image.array[0, -1] == value
    user = InterpImageConfig(negativeFallbackAllowed=True, fallbackValueType="USER", fallbackUserValue=-1.0)
    assert user.fallbackUserValue == -1.0


def test_framework_methods_of_the_task():
    """Schemas are those of all tasks below the top one, and there is no resource config by default."""
    task = AssembleCoaddTask()
    assert task.getSchemaCatalogs() == task.getAllSchemaCatalogs() == {}
    assert task.interpImage.getAllSchemaCatalogs() == {}
    assert task.getResourceConfig() is None
    assert vars(task.makeSupplementaryData(None)) == vars(task.makeSupplementaryDataGen3(None, {}, {})) == {}


def test_a_subclass_may_define_either_hook():
    """What a subclass adds to `run` comes from the hook of either name."""

    class Hooked(AssembleCoaddTask):
        def _makeSupplementaryData(self, butlerQC, inputRefs, outputRefs):
            return Struct(mine=(butlerQC, inputRefs, outputRefs))

    assert Hooked().makeSupplementaryDataGen3(1, 2, 3).mine == (1, 2, 3)
