"""Config and connections of the choice of visits."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from connections import Input, Output, PipelineTaskConnections, PrerequisiteInput

from ..pipeline_task_config import PipelineTaskConfig

__all__ = [
    "BestSeeingQuantileSelectVisitsConfig",
    "BestSeeingSelectVisitsConfig",
    "SelectVisitsConfig",
    "SelectVisitsConnections",
]

_PATCH: Final = ("tract", "patch", "skymap", "band", "instrument")


class SelectVisitsConnections(
    PipelineTaskConnections, dimensions=_PATCH, defaultTemplates={"coaddName": "goodSeeing"}
):
    """Datasets of the tasks that choose visits."""

    skyMap: PrerequisiteInput = PrerequisiteInput(
        name="skyMap", storageClass="SkyMap", dimensions=("skymap",), doc="geometry of tracts and patches"
    )
    visitSummaries: Input = Input(
        name="visitSummary",
        storageClass="ExposureCatalog",
        dimensions=("instrument", "visit"),
        doc="quality of the visits whose region overlaps that of the patch",
        multiple=True,
        deferLoad=True,
    )
    goodVisits: Output = Output(
        name="{coaddName}Visits",
        storageClass="StructuredDataDict",
        dimensions=_PATCH,
        doc="chosen visits, best seeing first: number of the visit, True",
    )
    visitRecord: Output = Output(
        name="{coaddName}Visits_record",
        storageClass="AstropyTable",
        dimensions=_PATCH,
        doc="all visits with their seeing, rank, and why one was dropped",
    )


class SelectVisitsConfig(PipelineTaskConfig, pipelineConnections=SelectVisitsConnections):
    """Limits that all choices of visits share."""

    minPsfFwhm: float | None = Field(
        default=None, ge=0, description="smallest FWHM of a visit, arcseconds; none if 0 or None"
    )
    maxPsfFwhm: float | None = Field(
        default=None, ge=0, description="largest FWHM of a visit, arcseconds; none if 0 or None"
    )
    doConfirmOverlap: bool = Field(
        default=True, description="drop visits none of whose detector images touches the patch"
    )
    minMJD: float | None = Field(default=None, description="earliest middle of an exposure, MJD in TAI")
    maxMJD: float | None = Field(default=None, description="latest middle of an exposure, MJD in TAI")
    visitSummaryMinValues: dict[str, float] | None = Field(
        default=None, description="columns of the visit summary, and the least mean over the visit of each"
    )


class BestSeeingSelectVisitsConfig(SelectVisitsConfig):
    """Limits, and the number of visits."""

    nVisitsMax: int = Field(default=12, ge=-1, description="number of visits that are taken; -1 for all")
    minPsfFwhm: float | None = Field(
        default=0.0, ge=0, description="smallest FWHM of a visit, arcseconds; none if 0 or None"
    )
    maxPsfFwhm: float | None = Field(
        default=1.5, ge=0, description="largest FWHM of a visit, arcseconds; none if 0 or None"
    )


class BestSeeingQuantileSelectVisitsConfig(SelectVisitsConfig):
    """Limits, and the part of the visits that is taken."""

    qMin: float = Field(default=0.0, ge=0, le=1, description="lower end of the part, ordered by seeing")
    qMax: float = Field(default=0.33, ge=0, le=1, description="upper end of the part")
    nVisitsMin: int = Field(default=6, ge=0, description="least number of visits, as far as there are such")
