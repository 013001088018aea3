"""Several patches and bands in one repository, and what `explain_pixel` says of their coadds."""

from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from two_patches import BANDS, PATCHES, SKY_MAP, TRAIL_VISIT, assemble, fill, key

from butler import Butler
from butler.errors import ButlerUserError, DatasetNotFoundError
from butler.ingest import register_sky_map
from butler.skymaps import DiscreteSkyMap
from tasks import DataRef
from tasks.cli.explain import explain
from tasks.coadd import AssembleCoaddTask
from tasks.errors import ExplainError
from tasks.explain_pixel import explain_pixel


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Make coadds of all bands and patches: safe-clipped, sigma-clipped, and scaled means."""
    root = tmp_path_factory.mktemp("explain") / "repo"
    Butler.makeRepo(root)
    with Butler(root, run="warps") as butler:
        fill(butler)
        graph = assemble(butler, "coadd-safeclip", "safe")
        assemble(butler, "coadd-direct", "sigma", statistic="MEANCLIP", sigmaClip=1.6)
        assemble(butler, "coadd-direct", "scaled", doScaleZeroPoint=True, doOnlineForMean=True)
        yield SimpleNamespace(root=root, butler=butler, graph=graph)


def pixel_of(scene, x, y, **change):
    """Explain a pixel given from the first one of patch 0, band i."""
    corner = SKY_MAP[0].getPatchInfo(0).getOuterBBox().minimum
    values = {"tract": 0, "patch": 0, "band": "i", "collections": ["safe", "warps"], **change}
    return explain_pixel(scene.butler, x=corner.x + x, y=corner.y + y, **values)


def test_bands_and_patches_in_one_run(scene):
    """Each band of each patch with warps is one quantum and one coadd; a patch without warps is none."""
    assert len(scene.graph.quanta) == 4
    assert len(SKY_MAP[0]) > len(PATCHES)
    refs = scene.butler.query_datasets("deepCoadd", "safe")
    assert {(ref.dataId["patch"], ref.dataId["band"]) for ref in refs} == {
        (p, b) for p in PATCHES for b in BANDS
    }
    for ref in refs:
        visits = [row.visit for row in scene.butler.get(ref.makeComponentRef("coaddInputs")).visits]
        assert visits == list(BANDS[ref.dataId["band"]])


def test_neighbouring_patches_agree_in_their_overlap(scene):
    """With the same weights, neighbours have the same pixels in a mean, bit for bit."""
    coadds = [scene.butler.get("deepCoadd", key(patch), collections="scaled") for patch in PATCHES]
    overlap = coadds[0].bbox.clippedTo(coadds[1].bbox)
    assert overlap.width == 16
    parts = [coadd.maskedImage[overlap] for coadd in coadds]
    common = ~(parts[0].mask.isSet("NO_DATA") | parts[1].mask.isSet("NO_DATA"))
    common &= ~(parts[0].mask.isSet("REJECTED") | parts[1].mask.isSet("REJECTED"))
    assert common.mean() > 0.9
    for plane in ("image", "variance"):
        one, two = (getattr(part, plane).array for part in parts)
        np.testing.assert_array_equal(one[common], two[common])


@pytest.mark.parametrize("run", ["safe", "sigma", "scaled"])
@pytest.mark.parametrize("band", sorted(BANDS))
def test_recomputed_values_match(scene, run, band):
    """Of pixels drawn at random, every coadd's value and variance follow from the rows."""
    rng = np.random.default_rng(5)
    for x, y in rng.integers(0, 68, (8, 2)):
        table = pixel_of(scene, int(x), int(y), band=band, collections=[run, "warps"])
        assert table["visit"].tolist() == list(BANDS[band])
        assert table.meta["match"], table.meta
        used = table["state"] == "used"
        mean = np.average(table["scaled_value"][used], weights=table["weight"][used])
        assert table.meta["value"] == pytest.approx(mean, rel=1e-5)


def test_states_of_a_pixel(scene):
    """Clipped, masked and non-finite inputs are told apart, with the rule and the artifact."""
    record = scene.butler.get("deepCoadd_clipped", key(), collections="safe")
    row = max((r for r in record if r["visit"] == TRAIL_VISIT), key=lambda r: r["area"])
    corner = SKY_MAP[0].getPatchInfo(0).getOuterBBox().minimum
    middle = len(row["span_y"]) // 2
    place = (int(row["span_x0"][middle]) - corner.x, int(row["span_y"][middle]) - corner.y)
    clipped = pixel_of(scene, *place)
    [own] = [r for r in clipped if r["visit"] == TRAIL_VISIT]
    assert (own["state"], own["rule"], own["area"]) == ("clipped", row["rule"], row["area"])
    assert own["footprint"] == row["footprint"]
    masked = pixel_of(scene, 15, 30)
    assert [(r["state"], r["rule"], r["planes"]) for r in masked if r["visit"] == 2] == [
        ("masked", "SAT", "SAT")
    ]
    broken = pixel_of(scene, 10, 31)
    assert [r["state"] for r in broken if r["visit"] == 2] == ["not finite"]
    empty = pixel_of(scene, 40, 40)
    assert set(empty["state"]) == {"masked"}
    assert empty.meta["interpolated"]
    assert empty.meta["match"]


def test_a_clip_record_of_another_name_is_found(scene):
    """The record is what the coadd's quantum wrote, whatever it is called; if it is gone, that is told."""
    assemble(scene.butler, "coadd-safeclip", "renamed", connections={"clipRecord": "why"})
    record = scene.butler.get("why", key(), collections="renamed")
    row = max((r for r in record if r["visit"] == TRAIL_VISIT), key=lambda r: r["area"])
    corner = SKY_MAP[0].getPatchInfo(0).getOuterBBox().minimum
    place = (int(row["span_x0"][0]) - corner.x, int(row["span_y"][0]) - corner.y)
    table = pixel_of(scene, *place, collections=["renamed", "warps"])
    assert table["state"][table["visit"] == TRAIL_VISIT].tolist() == ["clipped"]
    assert table.meta["match"]
    gone = scene.butler.find_dataset("why", key(), collections="renamed")
    scene.butler.pruneDatasets([gone], disassociate=True, unstore=True, purge=True)
    with pytest.raises(DatasetNotFoundError, match=r"why .* is gone"):
        pixel_of(scene, *place, collections=["renamed", "warps"])


def test_sigma_clipped_inputs_are_named(scene):
    """Some inputs of a clipped mean are sigma-clipped; the mean of the others is the coadd's."""
    tables = [pixel_of(scene, x, 50, collections=["sigma", "warps"]) for x in range(12)]
    clipped = [table for table in tables if "sigma-clipped" in table["state"]]
    assert clipped
    for table in clipped:
        assert set(table["rule"][table["state"] == "sigma-clipped"]) == {"1.6 sigma"}


def test_a_position_finds_patch_and_pixel(scene):
    """A position on the sky means the patch that it is deepest in, and the nearest pixel."""
    corner = SKY_MAP[0].getPatchInfo(0).getOuterBBox().minimum
    ra, dec = SKY_MAP[0].getWcs().pixelToSky(corner.x + 20.3, corner.y + 21.8)
    table = explain_pixel(scene.butler, ra=float(ra), dec=float(dec), band="r", collections=["safe", "warps"])
    assert (table.meta["x"] - corner.x, table.meta["y"] - corner.y) == (20, 22)
    assert "patch: 0" in table.meta["coadd"]


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ({"ra": 150.0}, ExplainError, "either ra and dec, or tract"),
        ({"tract": 0, "patch": 0, "x": 1}, ExplainError, "either ra and dec, or tract"),
        ({"ra": 150.0, "dec": 2.0, "x": 1, "y": 1}, ExplainError, "either ra and dec, or tract"),
        ({"ra": 150.0, "dec": 91.0}, ExplainError, "dec=91.0 is no position"),
        ({"ra": float("nan"), "dec": 2.0}, ExplainError, "ra=nan, dec=2.0 is no position"),
        ({"ra": 10.0, "dec": 2.0}, DatasetNotFoundError, "no deepCoadd covers ra=10.0"),
        ({"tract": 0, "patch": 0, "x": 9999, "y": 1, "band": "i"}, ExplainError, "x=9999, y=1 is not in"),
        ({"tract": 0, "patch": 0, "x": 20, "y": 20}, ExplainError, "bands i, r; give one band"),
    ],
)
def test_places_that_cannot_be_explained(scene, place, error, message):
    """An incomplete place, one outside or one that means several coadds is refused with what to do."""
    with pytest.raises(error, match=message):
        explain_pixel(scene.butler, collections=["safe", "warps"], **place)


def test_command(scene):
    """The command prints the rows as JSON and says that the value is the same."""
    corner = SKY_MAP[0].getPatchInfo(0).getOuterBBox().minimum
    place = ["--tract", "0", "--patch", "0", "--pixel", str(corner.x + 15), str(corner.y + 30), "--band", "i"]
    done = CliRunner().invoke(explain, [str(scene.root), *place, "--collections", "safe,warps"])
    assert done.exit_code == 0, done.output
    assert "masked" in done.stdout
    assert "recomputed from the visits: the same" in done.stderr
    done = CliRunner().invoke(explain, [str(scene.root), *place, "--format", "json", "--collections", "safe"])
    assert '"state": "masked"' in done.stdout
    done = CliRunner().invoke(explain, [str(scene.root), "--ra", "150"])
    assert (done.exit_code, "either ra and dec" in done.output) == (2, True)


def test_select_exposures_and_their_warps(scene):
    """Detector images over a patch come from the registry, and so do the warps of their visits."""
    patch = DataRef(scene.butler, key(), ["calexps", "warps"])
    task = AssembleCoaddTask()
    exposures = task.selectExposures(patch)
    assert {ref.dataId["visit"] for ref in exposures} == set(BANDS["i"])
    some = task.selectExposures(patch, selectDataList=[{"visit": 2}, exposures[3]])
    assert [ref.dataId["visit"] for ref in some] == [2, exposures[3].dataId["visit"]]
    warps = task.getTempExpRefList(patch, some)
    assert [ref.dataId["visit"] for ref in warps] == [ref.dataId["visit"] for ref in some]
    assert {ref.datasetType.name for ref in warps} == {"deepCoadd_directWarp"}


def test_coadds_of_two_sky_maps_are_told_apart(scene):
    """Where two sky maps have a coadd of one place, one must be named; last, for the other map stays."""
    finer = SKY_MAP.config.model_copy(update={"pixelScale": 0.19})
    register_sky_map(scene.butler, "finer", DiscreteSkyMap(finer))
    scene.butler.registry.registerRun("copies")
    coadd = scene.butler.get("deepCoadd", key(), collections="safe")
    scene.butler.put(coadd, "deepCoadd", {**key(), "skymap": "finer"}, run="copies")
    corner = SKY_MAP[0].getPatchInfo(0).getOuterBBox().minimum
    ra, dec = (float(v) for v in SKY_MAP[0].getWcs().pixelToSky(corner.x + 20, corner.y + 20))
    place = {"ra": ra, "dec": dec, "band": "i", "collections": ["copies", "safe", "warps"]}
    # A butler without default collections knows no default sky map either.
    with Butler(scene.root) as butler:
        with pytest.raises(ExplainError, match="skymaps finer, sky; give one skymap"):
            explain_pixel(butler, **place)
        assert explain_pixel(butler, skymap="sky", **place).meta["match"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("deepCoadd_nImage", "deepCoadd_nImage is ImageU of band, skymap, tract, patch, not an exposure of"),
        ("deepCoadd_clipped", "deepCoadd_clipped is AstropyTable"),
        ("deepCoadd_directWarp", "of instrument, skymap, tract, patch, visit, not an exposure of a coadd"),
        ("deepCoad", "did you mean 'deepCoadd'?"),
    ],
)
def test_what_is_no_coadd_is_refused(scene, name, told):
    """Another dataset type of the patch is told to be none, with those that are."""
    words = [str(scene.root), "--tract", "0", "--patch", "0", "--pixel", "9", "9", "--coadd", name]
    done = CliRunner().invoke(explain, words)
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit | ButlerUserError)
    message = str(done.exception) if isinstance(done.exception, ButlerUserError) else done.stderr
    assert told in message
    assert "deepCoadd" in message
