"""Config and connections of coadd assembly."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from connections import Input, Output, PipelineTaskConnections, PrerequisiteInput

from ..config import ConfigurableField
from ..kernels.stacking import Statistic
from ..pipeline_task_config import PipelineTaskConfig
from .coadd_psf_config import CoaddPsfConfig
from .input_map import HealSparseInputMapTask
from .interp_image import InterpImageTask
from .scale_zero_point import ScaleZeroPointTask

__all__ = ["AssembleCoaddConfig", "AssembleCoaddConnections"]

_HAVE_VARIANCE: Final = ("MEAN", "MEDIAN", "MEANCLIP", "VARIANCE", "VARIANCECLIP")

_PATCH: Final = ("tract", "patch", "skymap", "band")

_PositiveInt: TypeAlias = Annotated[int, Field(gt=0)]
_Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class AssembleCoaddConnections(
    PipelineTaskConnections,
    dimensions=_PATCH,
    defaultTemplates={"coaddName": "deep", "warpType": "direct", "warpTypeSuffix": "", "fakesType": ""},
):
    """What coadd assembly reads and writes."""

    inputWarps: Input = Input(
        name="{fakesType}{coaddName}Coadd_{warpType}Warp",
        storageClass="ExposureF",
        dimensions=("tract", "patch", "skymap", "instrument", "visit"),
        doc="Warps of single visits, in nJy.",
        multiple=True,
        deferLoad=True,
    )
    skyMap: PrerequisiteInput = PrerequisiteInput(
        name="skyMap", storageClass="SkyMap", dimensions=("skymap",), doc="Geometry of tracts and patches."
    )
    selectedVisits: Input | None = Input(
        name="{coaddName}CoaddVisits",
        storageClass="StructuredDataDict",
        dimensions=("tract", "patch", "skymap", "band", "instrument"),
        doc="Visits to use, in this order.",
        multiple=True,
        deferLoad=True,
    )
    brightObjectMask: PrerequisiteInput | None = PrerequisiteInput(
        name="brightObjectMask",
        storageClass="ObjectMaskCatalog",
        dimensions=_PATCH,
        doc="Circles and boxes to mask.",
        minimum=0,
        deferLoad=True,
    )
    coaddExposure: Output = Output(
        name="{fakesType}{coaddName}Coadd{warpTypeSuffix}",
        storageClass="ExposureF",
        dimensions=_PATCH,
        doc="The coadd.",
    )
    nImage: Output | None = Output(
        name="{coaddName}Coadd_nImage",
        storageClass="ImageU",
        dimensions=_PATCH,
        doc="Number of warps that were used in each pixel.",
    )
    inputMap: Output | None = Output(
        name="{coaddName}Coadd_inputMap",
        storageClass="HealSparseMap",
        dimensions=_PATCH,
        doc="Detectors that were used at each place on the sky.",
    )

    @classmethod
    def for_config(cls, config: Any) -> Self:
        """Name the kind of warps, and leave out what is not read, not made or not wanted."""
        wanted = {
            "selectedVisits": config.doSelectVisits,
            "nImage": config.doNImage,
            "inputMap": config.doInputMap,
            "brightObjectMask": config.doMaskBrightObjects,
        }
        made = cls().without(*(name for name, on in wanted.items() if not on))
        templates = {
            "{warpType}": config.warpType,
            "{warpTypeSuffix}": "" if config.warpType == "direct" else "PsfMatched",
            "{fakesType}": "fakes_" if config.hasFakes else "",
        }
        names = {field: connection.name for field, connection in made.all()}
        for template, value in templates.items():
            names = {field: name.replace(template, value) for field, name in names.items()}
        return made.model_copy(
            update={field: c.model_copy(update={"name": names[field]}) for field, c in made.all()}
        )


class AssembleCoaddConfig(PipelineTaskConfig, pipelineConnections=AssembleCoaddConnections):
    """How warps are combined into a coadd."""

    warpType: Literal["direct", "psfMatched"] = Field(
        default="direct", description="kind of warps that are combined"
    )
    hasFakes: bool = Field(default=False, description="read warps with fake sources, and name the coadd so")
    statistic: str = Field(default="MEANCLIP", description="statistic of the pixels of the warps")
    doOnlineForMean: bool = Field(
        default=False, description="take a MEAN as running sums, warp by warp, instead of strip by strip"
    )
    sigmaClip: float = Field(default=3.0, gt=0, description="clipping limit in standard deviations")
    clipIter: int = Field(default=2, gt=0, description="number of clipping passes")
    doSigmaClip: bool = Field(default=False, description="deprecated: the same as statistic=MEANCLIP")
    calcErrorFromInputVariance: bool = Field(
        default=True, description="variance of the coadd from those of the warps instead of their scatter"
    )
    badMaskPlanes: list[str] = Field(
        default=["NO_DATA", "BAD", "SAT", "EDGE"], description="planes whose pixels are left out"
    )
    removeMaskPlanes: list[str] = Field(
        default=["NOT_DEBLENDED"], description="planes that are cleared before warps are combined"
    )
    maskPropagationThresholds: dict[str, _Fraction] = Field(
        default={"SAT": 0.1},
        description="a plane is set on the coadd if warps with more than this fraction of the weight were "
        "left out and have it",
    )
    subregionSize: tuple[_PositiveInt, _PositiveInt] = Field(
        default=(2000, 2000), description="width and height in pixels of what is combined at a time"
    )
    doInterp: bool = Field(default=True, description="fill pixels without data from their neighbours")
    interpImage: ConfigurableField = InterpImageTask.makeField("how pixels without data are filled")
    doScaleZeroPoint: bool = Field(
        default=False, description="scale warps to one zero point; if not, they must be in nJy"
    )
    scaleZeroPoint: ConfigurableField = ScaleZeroPointTask.makeField("the zero point to scale to")
    doMaskBrightObjects: bool = Field(
        default=False, description="mark the shapes of the catalog brightObjectMask"
    )
    brightObjectMaskName: str = Field(
        default="BRIGHT_OBJECT", pattern=r"^\w+$", description="mask plane of bright objects"
    )
    coaddPsf: CoaddPsfConfig = Field(
        default_factory=CoaddPsfConfig, description="how the PSF of the coadd is made"
    )
    doUsePsfMatchedPolygons: bool = Field(
        default=False, description="shrink the valid polygons of the detectors by half the matching kernel"
    )
    matchingKernelSize: int = Field(
        default=21, gt=0, description="width in pixels of the kernel that PSF-matched warps were made with"
    )
    doAttachTransmissionCurve: bool = Field(
        default=False,
        description="give the coadd the weighted mean of its detector images' transmission curves; each of "
        "them must have one",
    )
    doNImage: bool = Field(default=False, description="make an image of the number of warps used")
    doInputMap: bool = Field(default=False, description="make a map of the detectors used")
    inputMapper: ConfigurableField = HealSparseInputMapTask.makeField("how that map is made")
    doSelectVisits: bool = Field(
        default=False, description="use only warps of the visits that a selection task chose, in its order"
    )
    doWrite: bool = Field(default=True, description="write the results")

    @field_validator("statistic", "doInterp")
    @classmethod
    def _check_statistic(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse unknown statistics, and interpolation with one that has no variance."""
        known = {**info.data, str(info.field_name): value}
        statistic = Statistic.from_name(known["statistic"]) if "statistic" in known else None
        if statistic is not None and known.get("doInterp") and statistic not in _HAVE_VARIANCE:
            raise ValueError(
                f"doInterp needs a statistic with a variance ({', '.join(_HAVE_VARIANCE)}), not {statistic}; "
                "set doInterp=False first"
            )
        return value
