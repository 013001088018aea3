"""Coadds of what a repository has, made by a script without a pipeline: `runDataRef`."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from two_patches import BANDS, CAMERA, SKY_MAP, WARP, assemble, fill, key

from butler import Butler, DatasetType
from butler.errors import DimensionNameError
from connections.errors import NoWorkFound
from connections.pipeline_node import dataset_type
from tasks import DataRef
from tasks.coadd import (
    AssembleCoaddConfig,
    AssembleCoaddTask,
    CompareWarpAssembleCoaddConfig,
    CompareWarpAssembleCoaddTask,
    SafeClipAssembleCoaddTask,
)
from tasks.errors import RunConflictError, TaskError

INPUTS = ("warps", "skymaps", "calexps")
VISITS = list(BANDS["i"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Make the repository, and the coadds of pipelines in it."""
    root = tmp_path_factory.mktemp("patches") / "repo"
    Butler.makeRepo(root)
    with Butler(root, run="warps") as butler:
        fill(butler)
        plans = {
            "safe": assemble(butler, "coadd-safeclip", "safe", doWrite=True),
            "mean": assemble(butler, "coadd-direct", "mean", statistic="MEAN"),
        }
        yield SimpleNamespace(root=root, butler=butler, plans=plans)


def patch(scene, run=None, **changes):
    """Refer to a patch in the repository."""
    return DataRef(scene.butler, {**key(), **changes}, INPUTS, run)


def mean_task(**values):
    """Make the task for a plain mean that writes nothing, unless told otherwise."""
    return AssembleCoaddTask(AssembleCoaddConfig(**{"statistic": "MEAN", "doWrite": False, **values}))


def visits_of(result):
    return [handle.dataId["visit"] for handle in result.warpRefList]


@pytest.mark.parametrize(
    ("run", "task_class"), [("safe", SafeClipAssembleCoaddTask), ("mean", AssembleCoaddTask)]
)
def test_it_makes_and_writes_what_the_pipeline_does(scene, run, task_class):
    """Pixels, and the names of all that is written, are those of the pipeline's quantum."""
    [node] = scene.plans[run].pipeline.nodes
    ref = patch(scene, f"{run}/script")
    result = task_class(node.config).runDataRef(ref)
    for name in node.outputs.values():
        assert scene.butler.find_dataset(name.name, key(), collections=ref.run)
    theirs, ours = (scene.butler.get("deepCoadd", key(), collections=r) for r in (run, ref.run))
    for plane in ("image", "variance", "mask"):
        np.testing.assert_array_equal(getattr(ours, plane).array, getattr(theirs, plane).array)
        np.testing.assert_array_equal(getattr(result.coaddExposure, plane).array, getattr(ours, plane).array)
    assert ours.metadata["NGIVEN"] == theirs.metadata["NGIVEN"] == len(VISITS)
    assert visits_of(result) == VISITS


def test_detector_images_choose_the_visits(scene, caplog):
    """Warps are those of the visits named, by data IDs or refs; a list that names none is no coadd."""
    task = mean_task()
    exposures = task.selectExposures(patch(scene))
    chosen = task.runDataRef(patch(scene), [{"visit": 2}, exposures[3]])
    assert visits_of(chosen) == [2, exposures[3].dataId["visit"]]
    by_filter = task.runDataRef(patch(scene), [{"physical_filter": "Cam-i", "tract": 0}])
    assert visits_of(by_filter) == VISITS
    assert task.runDataRef(patch(scene), [{"visit": 99}]) is None
    assert task.runDataRef(patch(scene), []) is None
    assert "no warp of skymap=sky, tract=0, patch=0, band=i can be used: there are no warps" in caplog.text
    with pytest.raises(DimensionNameError, match=r"'vist' is no dimension.*'visit'"):
        task.runDataRef(patch(scene), [{"vist": 2}])


def test_warps_may_be_named_themselves(scene):
    """Refs and handles of warps are taken as they are; two lists that may disagree are refused."""
    task = mean_task()
    warps = patch(scene).query("deepCoadd_directWarp")
    assert visits_of(task.runDataRef(patch(scene), warpRefList=warps[2:4])) == VISITS[2:4]
    handles = patch(scene).handles("deepCoadd_directWarp")
    assert visits_of(task.runDataRef(patch(scene), warpRefList=handles[:1])) == VISITS[:1]
    with pytest.raises(TaskError, match="not both"):
        task.runDataRef(patch(scene), [{"visit": 2}], warps)


def test_the_sky_info_of_a_patch(scene):
    """The geometry is that of the sky map; a patch or sky map that is not there is told."""
    info = AssembleCoaddTask().getSkyInfo(patch(scene))
    own = SKY_MAP[0].getPatchInfo(0)
    assert (info.bbox, info.patchInfo.getIndex()) == (own.getOuterBBox(), own.getIndex())
    assert info.tractInfo.getId() == 0
    assert info.wcs == SKY_MAP[0].getWcs()
    assert info.skyMap == SKY_MAP
    with pytest.raises(LookupError, match="99"):
        AssembleCoaddTask().getSkyInfo(patch(scene, patch=99))
    with pytest.raises(LookupError, match="no skyMap"):
        AssembleCoaddTask().getSkyInfo(patch(scene, skymap="other"))


def test_what_is_there_is_not_written_over(scene, monkeypatch):
    """A run that has the coadd, or no run at all, is refused before anything is stacked."""
    task = mean_task(doWrite=True, doNImage=True)
    task.runDataRef(patch(scene, "once"))
    monkeypatch.setattr(AssembleCoaddTask, "run", None)
    with pytest.raises(RunConflictError, match=r"run 'once' has the deepCoadd of .*'patch': 0"):
        task.runDataRef(patch(scene, "once"))
    with Butler(scene.root) as reader, pytest.raises(TaskError, match="no run to write into"):
        task.runDataRef(DataRef(reader, key(), INPUTS))


def test_chosen_visits_and_bright_objects(scene, caplog):
    """The choice of a selection task and the catalog of bright objects are those of the patch."""
    task = mean_task(doSelectVisits=True)
    with pytest.raises(TaskError, match=r"no deepCoaddVisits of .*patch=0.*doSelectVisits=False"):
        task.runDataRef(patch(scene))
    kinds = task.config.resolved_connections()
    choice = dataset_type(kinds.inputs["selectedVisits"])
    scene.butler.registry.registerDatasetType(choice)
    scene.butler.put({4: True, 2: True}, choice, {**key(), **CAMERA})
    assert visits_of(task.runDataRef(patch(scene))) == [4, 2]
    assert len(task.metadata.getArray("unselectedWarps")) == len(VISITS) - 2

    task = mean_task(doMaskBrightObjects=True)
    coadd = task.runDataRef(patch(scene)).coaddExposure
    assert "no catalog of bright objects" in caplog.text
    catalog = dataset_type(task.config.resolved_connections().prerequisiteInputs["brightObjectMask"])
    scene.butler.registry.registerDatasetType(catalog)
    x, y = coadd.bbox.center
    ra, dec = coadd.wcs.pixelToSky(x, y)
    scene.butler.put(Table({"ra": [ra], "dec": [dec], "radius": [3.2 * 0.2 / 3600]}), catalog, key())
    coadd = task.runDataRef(patch(scene)).coaddExposure
    assert 25 <= coadd.mask.isSet("BRIGHT_OBJECT").sum() <= 32


def test_compared_warps_of_one_patch(scene):
    """CompareWarp finds the PSF-matched warps of the same visits; without them there is no coadd."""
    config = CompareWarpAssembleCoaddConfig(doWrite=False)
    task = CompareWarpAssembleCoaddTask(config)
    assert task.runDataRef(patch(scene)) is None
    matched = DatasetType("deepCoadd_psfMatchedWarp", WARP.dimensions, "ExposureF")
    scene.butler.registry.registerDatasetType(matched)
    for handle in patch(scene).handles(WARP.name)[:4]:
        scene.butler.put(handle.get(), matched, handle.dataId)
    result = task.runDataRef(patch(scene), [{"visit": visit} for visit in VISITS[1:]])
    assert visits_of(result) == VISITS[1:4]
    assert [row.visit for row in result.templateCoadd.coaddInputs.visits] == VISITS[1:4]
    with pytest.raises(NoWorkFound):
        task.makeSupplementaryData(patch(scene, patch=1))
    writing = CompareWarpAssembleCoaddTask(CompareWarpAssembleCoaddConfig(doWriteArtifactMasks=True))
    writing.runDataRef(patch(scene, "masks"))
    refs = scene.butler.query_datasets("compare_warp_artifact_mask", "masks")
    assert [ref.dataId["visit"] for ref in refs] == VISITS
    with pytest.raises(RunConflictError, match="already"):
        writing.runDataRef(patch(scene, "masks"))
