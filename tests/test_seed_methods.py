"""Every method on LSST's page of SafeClipAssembleCoaddTask: its parameters, and where it is tested."""

import ast
import inspect
from pathlib import Path

import pytest

from tasks import Config, Task
from tasks.coadd import (
    COADD_MASK_PLANES,
    AssembleCoaddTask,
    CompareWarpAssembleCoaddTask,
    SafeClipAssembleCoaddTask,
)

WARPS = "tempExpRefList, imageScalerList, weightList"
STACK = f"{WARPS}, altMaskList"
HERE = Path(__file__).parent

SIGNATURES = {
    "applyAltMaskPlanes": "mask, altMaskSpans",
    "applyOverrides": "config",
    "assembleMetadata": "coaddExposure, tempExpRefList, weightList",
    "assembleOnlineMeanCoadd": f"coaddExposure, {STACK}, statsCtrl, nImage=None",
    "assembleSubregion": f"coaddExposure, bbox, {STACK}, statsFlags, statsCtrl, nImage=None",
    "buildDifferenceImage": f"skyInfo, {WARPS}",
    "detectClip": "exp, tempExpRefList",
    "detectClipBig": "clipList, clipFootprints, clipIndices, detectionFootprints, maskClipValue, "
    "maskDetValue, coaddBBox",
    "emptyMetadata": "",
    "filterWarps": "inputs, goodVisits",
    "getAllSchemaCatalogs": "",
    "getBadPixelMask": "",
    "getCoaddDatasetName": "warpType='direct'",
    "getFullMetadata": "",
    "getFullName": "",
    "getName": "",
    "getResourceConfig": "",
    "getSchemaCatalogs": "",
    "getSkyInfo": "patchRef",
    "getTaskDict": "",
    "getTempExpDatasetName": "warpType='direct'",
    "getTempExpRefList": "patchRef, calExpRefList",
    "makeField": "doc",
    "makeSubtask": "name",
    "makeSupplementaryData": "dataRef, selectDataList=None, warpRefList=None",
    "makeSupplementaryDataGen3": "butlerQC, inputRefs, outputRefs",
    "parseAndRun": "args=None, config=None, log=None, doReturnResults=False",
    "prepareInputs": "refList",
    "prepareStats": "mask=None",
    "processResults": "coaddExposure, brightObjectMasks=None, dataId=None",
    "readBrightObjectMasks": "dataRef",
    "removeMaskPlanes": "maskedImage",
    "run": f"skyInfo, {WARPS}",
    "runDataRef": "dataRef, selectDataList=None, warpRefList=None",
    "runQuantum": "butlerQC, inputRefs, outputRefs",
    # LSST's list of exposures is [] by default; here None stands for all that the registry knows.
    "selectExposures": "patchRef, skyInfo=None, selectDataList=None",
    "setBrightObjectMasks": "exposure, brightObjectMasks, dataId=None",
    "setInexactPsf": "mask",
    "setRejectedMaskMapping": "statsCtrl",
    "shrinkValidPolygons": "coaddInputs",
    "timer": "name, logLevel=10",
    "writeConfig": "butler, clobber=False, doBackup=True",
    "writeMetadata": "dataRef",
    "writePackageVersions": "butler, clobber=False, doBackup=True, dataset='packages'",
    "writeSchemas": "butler, clobber=False, doBackup=True",
}
TESTS = {
    "applyAltMaskPlanes": "assemble_coadd.rejected_pixels_become_planes_of_the_coadd",
    "applyOverrides": "parse_and_run.settings_apply_in_their_order",
    "assembleMetadata": "assemble_coadd.coadd_carries_inputs_psf_and_metadata",
    "assembleOnlineMeanCoadd": "coadd_parts.online_mean_is_the_mean",
    "assembleSubregion": "assemble_coadd.mean_equals_numpy",
    "buildDifferenceImage": "safe_clip.difference_is_mean_minus_clipped_mean",
    "detectClip": "safe_clip.detect_clip_counts_in_the_masks",
    "detectClipBig": "safe_clip.detect_clip_big_takes_the_whole_detection",
    "emptyMetadata": "connections.subtasks_have_full_names_and_metadata",
    "filterWarps": "assemble_coadd.filter_warps_keeps_the_order_of_the_list",
    "getAllSchemaCatalogs": "run_records.schemas_are_kept_and_compared",
    "getBadPixelMask": "assemble_coadd.planes_are_matched_by_name",
    "getCoaddDatasetName": "assemble_coadd.dataset_names_follow_the_config",
    "getFullMetadata": "connections.subtasks_have_full_names_and_metadata",
    "getFullName": "connections.subtasks_have_full_names_and_metadata",
    "getName": "run_records.a_config_is_kept_once_and_compared",
    "getResourceConfig": "coadd_parts.framework_methods_of_the_task",
    "getSchemaCatalogs": "run_records.schemas_are_kept_and_compared",
    "getSkyInfo": "run_data_ref.the_sky_info_of_a_patch",
    "getTaskDict": "connections.subtasks_have_full_names_and_metadata",
    "getTempExpDatasetName": "assemble_coadd.dataset_names_follow_the_config",
    "getTempExpRefList": "explain.select_exposures_and_their_warps",
    "makeField": "seed_methods.a_field_holds_a_task",
    "makeSubtask": "seed_methods.a_field_holds_a_task",
    "makeSupplementaryData": "run_data_ref.compared_warps_of_one_patch",
    "makeSupplementaryDataGen3": "compare_warp.unselected_visits_are_not_in_the_static_sky",
    "parseAndRun": "parse_and_run.the_words_of_the_command_run_the_task",
    "prepareInputs": "assemble_coadd.weights_are_inverse_variances",
    "prepareStats": "seed_methods.statistics_and_what_becomes_of_rejected_planes",
    "processResults": "assemble_coadd.pixels_without_data_are_interpolated",
    "readBrightObjectMasks": "coadd_parts.unreadable_bright_objects_are_a_warning",
    "removeMaskPlanes": "assemble_coadd.removed_planes_are_gone_and_the_warps_untouched",
    "run": "safe_clip.trail_is_gone_and_stars_stay",
    "runDataRef": "run_data_ref.it_makes_and_writes_what_the_pipeline_does",
    "runQuantum": "assemble_coadd.run_quantum_writes_the_outputs",
    "selectExposures": "explain.select_exposures_and_their_warps",
    "setBrightObjectMasks": "coadd_parts.task_marks_bright_objects",
    "setInexactPsf": "assemble_coadd.rejected_pixels_become_planes_of_the_coadd",
    "setRejectedMaskMapping": "seed_methods.statistics_and_what_becomes_of_rejected_planes",
    "shrinkValidPolygons": "coadd_parts.coadd_takes_shrunk_polygons_if_asked",
    "timer": "connections.subtasks_have_full_names_and_metadata",
    "writeConfig": "run_records.a_config_is_kept_once_and_compared",
    "writeMetadata": "run_records.metadata_are_those_of_the_last_time",
    "writePackageVersions": "run_records.versions_are_kept_compared_and_extended",
    "writeSchemas": "run_records.schemas_are_kept_and_compared",
}
OF_SAFE_CLIP = {"buildDifferenceImage", "detectClip", "detectClipBig"}
STATIC = {"setRejectedMaskMapping"}
OF_CLASS = {"applyOverrides", "makeField", "parseAndRun"}


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize(
    "task_class", [AssembleCoaddTask, SafeClipAssembleCoaddTask, CompareWarpAssembleCoaddTask]
)
def test_methods_take_what_they_took(task_class, name):
    """Parameters have the names, order and defaults of LSST's; those that ours has beyond are optional."""
    if name in OF_SAFE_CLIP and task_class is not SafeClipAssembleCoaddTask:
        return
    wanted = list(inspect.signature(eval(f"lambda {SIGNATURES[name]}: None")).parameters.values())
    found = list(inspect.signature(getattr(task_class, name)).parameters.values())
    is_bound = name in STATIC | OF_CLASS
    found = found if is_bound else found[1:]
    assert [p.name for p in found[: len(wanted)]] == [p.name for p in wanted]
    defaults = [(p.name, p.default) for p in found[: len(wanted)] if p.default is not p.empty]
    assert defaults == [(p.name, p.default) for p in wanted if p.default is not p.empty]
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    assert all(p.default is not p.empty or p.kind in variadic for p in found[len(wanted) :])
    kind = inspect.getattr_static(task_class, name)
    assert isinstance(kind, staticmethod) is (name in STATIC)
    assert isinstance(kind, classmethod) is (name in OF_CLASS)


def test_every_method_has_a_test_of_its_behaviour():
    """The tests that the table names are there."""
    assert TESTS.keys() == SIGNATURES.keys()
    for module in {place.partition(".")[0] for place in TESTS.values()}:
        tree = ast.parse((HERE / f"test_{module}.py").read_text())
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        wanted = {place.partition(".") for place in TESTS.values()}
        assert {f"test_{name}" for home, _, name in wanted if home == module} <= found, module


def test_quanta_may_run_at_once():
    """canMultiprocess is the one attribute of the page."""
    assert SafeClipAssembleCoaddTask.canMultiprocess is True


def test_a_field_holds_a_task():
    """makeField makes a config field of a task, and makeSubtask the task in it, under its parent's name."""

    class OuterConfig(Config):
        coadd: object = SafeClipAssembleCoaddTask.makeField("a coadd")

    class OuterTask(Task):
        ConfigClass = OuterConfig
        _DefaultName = "outer"

    assert OuterConfig.model_fields["coadd"].description == "a coadd"
    outer = OuterTask()
    outer.makeSubtask("coadd")
    assert type(outer.coadd) is SafeClipAssembleCoaddTask
    assert outer.coadd.clipDetection.getFullName() == "outer.coadd.clipDetection"
    assert outer.coadd.config.statistic == "MEAN"


def test_statistics_and_what_becomes_of_rejected_planes():
    """The options of a stack are those of the config; the mask argument takes the place of badMaskPlanes."""
    task = AssembleCoaddTask()
    stats = task.prepareStats()
    assert (stats.flags, stats.ctrl.num_sigma, stats.ctrl.num_iter) == ("MEANCLIP", 3.0, 2)
    planes = COADD_MASK_PLANES
    bits = {name: 1 << bit for name, bit in planes.items()}
    assert (
        stats.ctrl.and_mask
        == task.getBadPixelMask()
        == sum(bits[name] for name in ("NO_DATA", "BAD", "SAT", "EDGE"))
    )
    assert stats.ctrl.mask_propagation_thresholds == {planes["SAT"]: 0.1}
    assert task.setRejectedMaskMapping(stats.ctrl) == [
        (bits["BAD"] | bits["SAT"], bits["REJECTED"]),
        (bits["EDGE"], bits["SENSOR_EDGE"]),
        (bits["CLIPPED"], bits["CLIPPED"]),
    ]
    own = task.prepareStats(bits["CR"] | bits["CLIPPED"]).ctrl
    assert task.setRejectedMaskMapping(own)[0] == (bits["CR"], bits["REJECTED"])
