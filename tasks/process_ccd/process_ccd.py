"""ProcessCcdTask: from a flattened detector image to a calibrated exposure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from astropy.time import TimeDelta

from butler.images import (
    Box2I,
    Exposure,
    FilterLabel,
    Image,
    Mask,
    MaskedImage,
    PhotoCalib,
    Psf,
    VisitInfo,
)
from butler.ingest import CameraMapping, CardRule, quality_mask
from connections.errors import NoWorkFound

from ..background import SubtractBackgroundTask
from ..config import Config
from ..detection import SourceDetectionTask
from ..errors import TaskError
from ..struct import Struct
from ..task import PipelineTask, Task
from ..timer import timeMethod
from .cosmic_rays import FindCosmicRaysTask
from .defects import MaskDefectsTask
from .match_reference import MatchReferenceTask
from .measure_psf import MeasurePsfTask
from .measure_stars import MeasureStarsTask
from .photometric_scale import GivenZeroPointTask, ScaleInputs
from .process_ccd_config import ProcessCcdConfig
from .repair import RepairTask
from .summary_stats import ComputeExposureSummaryStatsTask
from .variance import EstimateVarianceTask

__all__ = ["ProcessCcdTask"]


class ProcessCcdTask(PipelineTask):
    """Gives a detector image variance, mask, PSF and calibration, and takes out background and defects."""

    ConfigClass: ClassVar[type[Config]] = ProcessCcdConfig
    _DefaultName: ClassVar[str] = "processCcd"
    _commandName: ClassVar[str] = "processCcd"

    maskDefects: MaskDefectsTask
    estimateVariance: EstimateVarianceTask
    background: SubtractBackgroundTask
    measurePsf: MeasurePsfTask
    cosmicRays: FindCosmicRaysTask
    repair: RepairTask
    detection: SourceDetectionTask
    measureStars: MeasureStarsTask
    matchReference: MatchReferenceTask
    photometricScale: GivenZeroPointTask
    summaryStats: ComputeExposureSummaryStatsTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        for subtask in (
            "maskDefects",
            "estimateVariance",
            "background",
            "measurePsf",
            "cosmicRays",
            "repair",
            "detection",
            "measureStars",
            "matchReference",
            "photometricScale",
            "summaryStats",
        ):
            self.makeSubtask(subtask, methods=["detectFootprints" if subtask == "detection" else "run"])

    def runQuantum(self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]) -> None:
        """Process one detector image; filter and time are found through the camera mapping.

        Raises
        ------
        IngestError
            Raised if the header lacks what the camera mapping looks for.
        TaskError
            Raised as by `run`.
        """
        inputs = butlerQC.get(inputRefs)
        camera = CameraMapping.parse(inputs["camera"], "the dataset camera")
        inputs["camera"] = camera
        inputs["inputExposure"] = _described(inputs["inputExposure"], camera, butlerQC.quantum.dataId)
        butlerQC.put(self.run(**inputs), outputRefs)

    @timeMethod
    def run(
        self,
        inputExposure: Exposure,
        camera: CameraMapping,
        defects: Image | None = None,
        weight: Image | None = None,
        variance: Image | None = None,
        quality: Image | None = None,
        psfexModel: Psf | None = None,
        zeroPoint: Mapping[str, Any] | None = None,
        referenceCatalog: Any = None,
    ) -> Struct:
        """Process one detector image.

        Parameters
        ----------
        inputExposure
            Image in counts with WCS, and header cards as metadata; not changed. Its variance is not used.
        camera
            Mapping that reads the header (its `detector_properties`).
        defects
            Image that is not 0 where the detector is bad; it covers the exposure.
        weight
            Inverse variance, 1/count², 0 where there are no data; it covers the exposure.
        variance
            Variance, count², used if there is no weight; it covers the exposure.
        quality
            Quality codes or bits, to which the camera mapping gives mask planes; it covers the exposure.
        psfexModel
            Model of the PSF that PSFEx made.
        zeroPoint
            ``zero_point``: AB magnitude of one count in the whole exposure; over that of the header.
        referenceCatalog
            Table of stars with known positions and magnitudes.

        Returns
        -------
        result
            ``outputExposure``: in nJy (PhotoCalib 1), with PSF, mask, variance and quality numbers. Its
            metadata are the cards of the input and SEEING (FWHM of the PSF, pixels), SKYLEVEL and SKYNOISE
            (counts), NPSFSTAR, NCR (number of cosmic rays) and MAGZP (AB magnitude of one count).

        Raises
        ------
        IngestError
            Raised if the header lacks what the camera mapping looks for.
        TaskError
            Raised if there is no WCS, no way to a PSF or a zero point, or if defects or weight do not cover
            the exposure.
        NoWorkFound
            Raised if no pixel is good.
        """
        if inputExposure.wcs is None:
            raise TaskError("the exposure has no WCS; solve its astrometry before processCcd")
        detector = camera.detector_properties(inputExposure.metadata)
        exposure = _copied(inputExposure)
        bbox = exposure.bbox
        flags = _quality_mask(_cropped(quality, bbox, "quality image"), camera)
        self.maskDefects.run(
            exposure.maskedImage,
            math.inf if detector.saturation is None else detector.saturation,
            _cropped(defects, bbox, "defects image"),
            flags,
        )
        self.estimateVariance.run(
            exposure.maskedImage,
            gain=detector.gain,
            read_noise=detector.read_noise,
            weight=_cropped(weight, bbox, "weight map"),
            variance=_cropped(variance, bbox, "variance map"),
        )
        if exposure.mask.isSet(["BAD", "SAT", "NO_DATA"]).all():
            counts = {name: int(exposure.mask.isSet(name).sum()) for name in ("NO_DATA", "SAT", "BAD")}
            told = ", ".join(f"{count} are {name}" for name, count in counts.items())
            raise NoWorkFound(f"no pixel of the detector image {bbox} is good: {told}")
        sky = self.background.run(exposure.maskedImage) if self.config.doSubtractBackground else None
        measured = self.measurePsf.run(exposure.maskedImage, detector.seeing, psfexModel)
        exposure.psf = measured.psf
        cards: dict[str, Any] = {} if sky is None else {"SKYLEVEL": sky.level, "SKYNOISE": sky.noise}
        cards |= {"SEEING": measured.fwhm, "NPSFSTAR": measured.n_stars}
        if self.config.doFindCosmicRays:
            cards["NCR"] = self.cosmicRays.run(exposure.maskedImage, measured.psf)
        if self.config.doRepair:
            self.repair.run(exposure.maskedImage)
        if self.config.doDetection:
            self.detection.detectFootprints(exposure)
        given = detector.zero_point if zeroPoint is None else _zero_point_of(zeroPoint)
        cards["MAGZP"] = self._calibrate(exposure, given, referenceCatalog, sky, measured.n_stars)
        self.metadata.update(cards)
        exposure.metadata = {**inputExposure.metadata, **cards}
        return Struct(outputExposure=exposure)

    def _calibrate(
        self, exposure: Exposure, given: float | None, catalog: Any, sky: Struct | None, n_psf_stars: int
    ) -> float:
        """Measure the quality of an exposure in counts, turn it into nJy, and return its zero point."""
        assert exposure.wcs is not None
        stars = self.measureStars.run(exposure)
        match = None if catalog is None else self.matchReference.run(stars, exposure.wcs, catalog)
        scale = self.photometricScale.run(exposure, ScaleInputs(given, stars, catalog, match))
        exposure.summaryStats = self.summaryStats.run(
            exposure, stars, scale, sky=sky, nPsfStar=n_psf_stars, match=match
        )
        PhotoCalib.from_magnitude_zero_point(scale.zero_point).calibrate_in_place(exposure.maskedImage)
        exposure.photoCalib = PhotoCalib()
        return scale.zero_point


def _copied(exposure: Exposure) -> Exposure:
    """Return an exposure with pixels of its own, and zero variance."""
    image = Image(np.array(exposure.image.array, dtype=np.float32, order="C"), exposure.image.xy0)
    image.unit = exposure.image.unit
    mask = replace(exposure.mask, array=exposure.mask.array.copy())
    return replace(exposure, maskedImage=MaskedImage(image, mask, Image.from_bbox(image.bbox)))


def _zero_point_of(values: Mapping[str, Any]) -> float:
    """Return the number in a dataset of a zero point."""
    zero_point = values.get("zero_point")
    if isinstance(zero_point, bool) or not isinstance(zero_point, int | float):
        raise TaskError(f"the dataset zeroPoint holds {dict(values)}; it must have zero_point, a number")
    return zero_point


def _cropped(plane: Image | None, bbox: Box2I, what: str) -> Image | None:
    """Return the part of a detector's image that belongs to an exposure."""
    if plane is None:
        return None
    if plane.dimensions == bbox.dimensions:
        # Pixel for pixel, whether or not each of the two files says from where it was cut.
        return replace(plane, xy0=bbox.minimum)
    if not plane.bbox.contains(bbox):
        raise TaskError(
            f"the {what} covers {plane.bbox}, not all of the exposure {bbox}; give one of this detector"
        )
    return plane[bbox]


def _quality_mask(quality: Image | None, camera: CameraMapping) -> Mask | None:
    """Return the mask planes that a quality image stands for."""
    if quality is None:
        return None
    if camera.quality is None:
        raise TaskError("the camera mapping does not say what the values of the quality image mean")
    return quality_mask(quality, camera.quality)


def _described(exposure: Exposure, camera: CameraMapping, data_id: Mapping[str, Any]) -> Exposure:
    """Return an exposure with filter and visit, as far as it has none."""
    # What the data ID knows need not be found again: it may have come from the name of the file.
    known = {name: CardRule(value=data_id[name]) for name in ("visit", "detector", "band") if name in data_id}
    description = camera.model_copy(update=known).describe(exposure.metadata, "the exposure's header")
    label = FilterLabel(description.band, str(data_id.get("physical_filter", description.physical_filter)))
    middle = description.begin + TimeDelta(0.5 * description.exposure_time, format="sec")
    visit = VisitInfo(description.visit, middle, description.exposure_time, description.instrument)
    return replace(exposure, filter=exposure.filter or label, visitInfo=exposure.visitInfo or visit)
