"""Tasks over a sky: detectors become calibrated ones, these warps, these coadds. They are never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from connections import Input, Output, Pipeline, PipelineTaskConnections, PrerequisiteInput
from tasks import Config, PipelineTaskConfig
from tasks.task import PipelineTask

DICT = "StructuredDataDict"
DETECTOR = ("instrument", "visit", "detector")
PATCH = ("skymap", "tract", "patch")


def older_biases(dataset_type: Any, registry: Any, data_id: Any, collections: Sequence[str]) -> list[Any]:
    """Return the biases of a detector in the order of their runs, the last one first."""
    where = {"instrument": data_id["instrument"], "detector": data_id["detector"]}
    assert data_id.hasRecords()
    return sorted(registry.queryDatasets(dataset_type, collections="*", dataId=where), key=lambda r: r.run)[
        ::-1
    ]


class CalibrateConnections(PipelineTaskConnections, dimensions=DETECTOR):
    image: Input = Input(name="image", storageClass=DICT, dimensions=DETECTOR)
    bias: PrerequisiteInput = PrerequisiteInput(
        name="bias", storageClass=DICT, dimensions=("instrument", "detector"), isCalibration=True, minimum=0
    )
    stars: PrerequisiteInput = PrerequisiteInput(
        name="stars", storageClass=DICT, dimensions=("htm7",), multiple=True, minimum=0
    )
    calibrated: Output = Output(name="calibrated", storageClass=DICT, dimensions=DETECTOR)


class CalibrateConfig(PipelineTaskConfig, pipelineConnections=CalibrateConnections):
    pass


class CalibrateTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = CalibrateConfig
    _DefaultName = "calibrate"


class LookUpConnections(CalibrateConnections, dimensions=DETECTOR):
    bias: PrerequisiteInput = PrerequisiteInput(
        name="bias",
        storageClass=DICT,
        dimensions=("instrument", "detector"),
        isCalibration=True,
        multiple=True,
        lookupFunction=older_biases,
    )


class LookUpConfig(PipelineTaskConfig, pipelineConnections=LookUpConnections):
    pass


class LookUpTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = LookUpConfig
    _DefaultName = "lookUp"


class MeasureConnections(PipelineTaskConnections, dimensions=DETECTOR):
    wcs: Input = Input(name="calexp.wcs", storageClass="Wcs", dimensions=DETECTOR)
    measured: Output = Output(name="measured", storageClass=DICT, dimensions=DETECTOR)


class MeasureConfig(PipelineTaskConfig, pipelineConnections=MeasureConnections):
    pass


class MeasureTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = MeasureConfig
    _DefaultName = "measure"


class WarpConnections(PipelineTaskConnections, dimensions=(*PATCH, "instrument", "visit")):
    calibrated: Input = Input(name="calibrated", storageClass=DICT, dimensions=DETECTOR, multiple=True)
    skyMap: PrerequisiteInput = PrerequisiteInput(
        name="skyMap", storageClass="SkyMap", dimensions=("skymap",)
    )
    warped: Output = Output(name="warped", storageClass=DICT, dimensions=(*PATCH, "instrument", "visit"))


class WarpConfig(PipelineTaskConfig, pipelineConnections=WarpConnections):
    pass


class WarpTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = WarpConfig
    _DefaultName = "warp"


class StackConnections(PipelineTaskConnections, dimensions=(*PATCH, "band")):
    warps: Input = Input(
        name="warped", storageClass=DICT, dimensions=(*PATCH, "instrument", "visit"), multiple=True
    )
    weights: Input | None = Input(
        name="weights",
        storageClass=DICT,
        dimensions=("instrument", "visit"),
        multiple=True,
        deferGraphConstraint=True,
    )
    stacked: Output = Output(name="stacked", storageClass=DICT, dimensions=(*PATCH, "band"))
    depth: Output = Output(name="depth", storageClass=DICT, dimensions=(*PATCH, "band"))

    @classmethod
    def for_config(cls, config: Any) -> StackConnections:
        made = cls() if config.doWeights else cls().without("weights")
        many = made.warps.model_copy(update={"minimum": config.minimum})
        return made.replaced(warps=many)

    def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: Any) -> tuple[Any, Any]:
        """Make no depth where there is a single warp."""
        super().adjustQuantum(inputs, outputs, label, data_id)
        connection, _ = outputs["depth"]
        _, warps = inputs["warps"]
        changed: Mapping[str, Any] = {} if len(warps) > 1 else {"depth": (connection, [])}
        return {}, changed


class StackConfig(PipelineTaskConfig, pipelineConnections=StackConnections):
    minimum: int = 1
    doWeights: bool = False


class StackTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = StackConfig
    _DefaultName = "stack"


def sky_pipeline(*labels: str, **stack: Any) -> Pipeline:
    """Return a pipeline of some of the tasks; from detectors to coadds if none are named."""
    chosen = labels or ("calibrate", "warp", "stack")
    return Pipeline.from_values(
        {
            "description": "from detectors to coadds",
            "tasks": {
                label: {
                    "class": f"graph_tasks:{label[0].upper()}{label[1:]}Task",
                    "config": stack if label == "stack" else {},
                }
                for label in chosen
            },
        }
    )
