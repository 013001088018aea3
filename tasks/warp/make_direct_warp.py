"""MakeDirectWarpTask: one visit on the pixels of one patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from butler.errors import ButlerError
from butler.images import (
    Box2I,
    CcdInput,
    CoaddPsf,
    Exposure,
    Image,
    MaskedImage,
    PhotoCalib,
    Polygon,
    SkyWcs,
    TransmissionCurve,
    coadd_ap_corr_map,
)
from connections.errors import NoWorkFound

from ..config import Config
from ..select import WcsSelectImagesTask
from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import PipelineTask, Task
from ..timer import timeMethod
from .bad_pixels import bad_pixels
from .choose_detectors import check_visit_is_chosen, choose_detectors
from .covered_box import covered_box
from .make_direct_warp_config import MakeDirectWarpConfig
from .noise_correlation import aperture_noise_factor
from .noise_realization import noise_realization
from .visit_summary import summary_photo_calib, summary_wcs
from .visit_warp import VisitWarp
from .warper import Warper

__all__ = ["MakeDirectWarpTask"]

_MASKED_FRACTION = "masked_fraction_warp"


class MakeDirectWarpTask(PipelineTask):
    """Resamples the detector images of a visit onto a patch, in nJy.

    Of each detector image only the part that falls on the patch is read, and it stays in the file, where the
    store has files, until the pixels are resampled.
    """

    ConfigClass: ClassVar[type[Config]] = MakeDirectWarpConfig
    _DefaultName: ClassVar[str] = "makeDirectWarp"
    _commandName: ClassVar[str] = "makeCoaddTempExp"
    preWarpInterpolation: Any

    select: WcsSelectImagesTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        self.makeSubtask("select", methods=["run"])
        self.warper = Warper(self.config.warper)
        self.fraction_warper = Warper(self.config.maskedFractionWarper)
        self.makeSubtask("preWarpInterpolation", methods=["run"])

    def runQuantum(self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]) -> None:
        """Make the warp of one visit and patch, and write it.

        Raises
        ------
        NoWorkFound
            Raised if no pixel of the patch has data, or if visit or detector images are not chosen.
        """
        inputs = butlerQC.get(inputRefs)
        data_id = butlerQC.quantum.dataId
        skyInfo = make_sky_info(inputs["sky_map"], data_id["tract"], data_id["patch"])
        calexps = inputs["calexp_list"]
        if self.config.doSelectVisits:
            check_visit_is_chosen(data_id["visit"], inputs["selectedVisits"])
        if self.config.doSelectPreWarp:
            calexps = choose_detectors(
                self.select,
                calexps,
                skyInfo,
                inputs["visit_summary"],
                use_summary_wcs=self.config.useVisitSummaryWcs,
            )
        result = self.run(calexps, skyInfo, data_id["visit"], inputs.get("visit_summary"))
        butlerQC.put(result, outputRefs)

    @timeMethod
    def run(
        self, calexp_list: Sequence[Any], skyInfo: Struct, visit: int, visit_summary: Any = None
    ) -> Struct:
        """Make the warp of one visit.

        Parameters
        ----------
        calexp_list
            Handles of the detector images, in any order; their data IDs have ``detector``. One that cannot
            be read, or is without WCS, PSF or photometric calibration, is left out, with a warning.
        skyInfo
            Geometry of the patch: ``wcs`` and ``bbox`` are used.
        visit
            Visit number.
        visit_summary
            Table with WCS and calibration of each detector; read if ``useVisitSummaryWcs`` or
            ``useVisitSummaryPhotoCalib`` is set.

        Returns
        -------
        result
            ``warp``: box of the patch (grown by the config's border) in nJy (PhotoCalib 1); NaN, NO_DATA and
            infinite variance where there are no data. Its PSF is the `CoaddPsf` of its inputs; filter and
            visitInfo are those of the first detector; aperture corrections are those of the inputs, and None
            if none has any; the card ``NOISECOR`` of its metadata is what
            `aperture_noise_factor` says, the mean over its pixels. ``masked_fraction_warp`` and
            ``noise_warp0`` ... as the config asks for, NaN where there are no data.

        Raises
        ------
        NoWorkFound
            Raised if no pixel has data, though every detector could be used.
        ButlerError, OSError, ValueError
            Raised if no pixel has data and a detector could not be read: what was wrong with the last one.
        """
        noises = [f"noise_warp{i}" for i in range(self.config.numberOfNoiseRealizations)]
        warp = VisitWarp(
            visit,
            skyInfo.bbox.dilatedBy(self.config.border),
            self.config.badMaskPlanes,
            [*noises, *([_MASKED_FRACTION] if self.config.doWarpMaskedFraction else [])],
        )
        first: Exposure | None = None
        failure: Exception | None = None
        for handle in sorted(calexp_list, key=lambda handle: handle.dataId["detector"]):
            try:
                added = self._add_detector(warp, handle, skyInfo, visit_summary)
            except (ButlerError, OSError, ValueError, ArithmeticError) as error:
                detector, failure = handle.dataId["detector"], error
                self.log.warning("visit %d, detector %d cannot be used: %s", visit, detector, error)
                continue
            first = first or added
        inputs = warp.coadd_inputs
        if first is None or not inputs.ccds:
            if failure is not None:
                raise failure
            raise NoWorkFound(
                f"none of the {len(calexp_list)} detector images of visit {visit} has data on the patch"
            )
        self.metadata["goodpix"] = inputs.visits[0].goodpix
        self.metadata["detectors"] = [ccd.ccd for ccd in inputs.ccds]
        exposure = Exposure(
            warp.masked_image,
            wcs=skyInfo.wcs,
            psf=CoaddPsf(inputs.ccds, skyInfo.wcs),
            photoCalib=PhotoCalib(),
            filter=first.filter,
            visitInfo=first.visitInfo,
            coaddInputs=inputs,
            apCorrMap=coadd_ap_corr_map(inputs.ccds, skyInfo.wcs, warp.masked_image.bbox),
            metadata={"NOISECOR": round(warp.noise_factor, 4)},
        )
        others: dict[str, Any] = dict(warp.accompanying)
        for noise in noises:
            others[noise] = MaskedImage(others[noise], exposure.mask, exposure.variance)
        return Struct(warp=exposure, **others)

    def _add_detector(
        self, warp: VisitWarp, handle: Any, skyInfo: Struct, visit_summary: Any
    ) -> Exposure | None:
        """Add one detector image; return the part of it that was read, None if there is nothing to add."""
        detector = int(handle.dataId["detector"])
        config = self.config
        wcs = (
            summary_wcs(visit_summary, detector) if config.useVisitSummaryWcs else handle.get(component="wcs")
        )
        bbox = handle.get(component="bbox")
        if wcs is None:
            self.log.warning("visit %d, detector %d has no WCS; leaving it out", warp.visit, detector)
            return None
        box = covered_box(bbox, wcs, skyInfo.wcs, margin=0, limits=warp.masked_image.bbox)
        kernel = self.warper.kernel_for(wcs, skyInfo.wcs, box) if box else None
        source = box and kernel and covered_box(box, skyInfo.wcs, wcs, margin=kernel.half, limits=bbox)
        if box is None or kernel is None or source is None:
            self.log.debug("visit %d, detector %d lies beside the patch", warp.visit, detector)
            return None
        exposure: Exposure = handle.get(parameters={"bbox": source, "inPlace": True})
        calib = exposure.photoCalib
        if config.useVisitSummaryPhotoCalib:
            calib = summary_photo_calib(visit_summary, detector)
        if exposure.psf is None or calib is None:
            what = "PSF" if exposure.psf is None else "photometric calibration"
            self.log.warning("visit %d, detector %d has no %s; leaving it out", warp.visit, detector, what)
            return None
        # A PSF that fails would fail when the coadd is used, and take the visit with it.
        exposure.psf.computeKernelImage(x=bbox.center[0], y=bbox.center[1])
        filter_name = (exposure.filter and exposure.filter.physical) or ""
        polygon = _usable_polygon(bbox, kernel.half, exposure.validPolygon)
        if polygon is None:
            self.log.warning("visit %d, detector %d: nothing of it is valid", warp.visit, detector)
            return None
        found = exposure.transmissionCurve
        curve = found if isinstance(found, TransmissionCurve) else None
        ccd = CcdInput(
            warp.visit, detector, bbox, 0, 1.0, filter_name, wcs, exposure.psf, polygon.vertices,
            apCorrMap=exposure.apCorrMap, transmissionCurve=curve,
        )  # fmt: skip
        calibrated = self._prepared(exposure.maskedImage, calib)
        warped = self.warper.warp(calibrated, wcs, skyInfo.wcs, box)
        warp.add(
            warped,
            ccd,
            noise_factor=aperture_noise_factor(kernel, wcs, skyInfo.wcs, box),
            accompanying=self._accompanying(calibrated, ccd, skyInfo.wcs, box),
        )
        return exposure

    def _prepared(self, masked_image: MaskedImage, photo_calib: PhotoCalib) -> MaskedImage:
        """Return pixels in nJy, bad ones filled if asked for; the given ones if nothing changes."""
        is_calibrated = photo_calib.calibrationMean == 1.0 and photo_calib.isConstant
        if is_calibrated and not self.config.doPreWarpInterpolation:
            return masked_image
        prepared = MaskedImage(
            replace(masked_image.image, array=masked_image.image.array.astype("float32")),
            replace(masked_image.mask, array=masked_image.mask.array.astype("int32")),
            replace(masked_image.variance, array=masked_image.variance.array.astype("float32")),
        )
        if not is_calibrated:
            photo_calib.calibrate_in_place(prepared)
        if self.config.doPreWarpInterpolation:
            self.preWarpInterpolation.run(prepared)
        return prepared

    def _accompanying(
        self, calibrated: MaskedImage, ccd: CcdInput, target_wcs: SkyWcs, box: Box2I
    ) -> dict[str, Image]:
        """Return what else of a detector is warped, by the name of the output."""
        wcs = ccd.require_wcs()
        images = {}
        for i in range(self.config.numberOfNoiseRealizations):
            seed = (ccd.visit, ccd.ccd, i, self.config.seedOffset)
            noise = noise_realization(
                calibrated, ccd.bbox, seed, use_median_variance=self.config.useMedianVariance
            )
            images[f"noise_warp{i}"] = self.warper.warp(noise, wcs, target_wcs, box).image
        if self.config.doWarpMaskedFraction:
            bad = bad_pixels(calibrated, self.config.badMaskPlanes)
            images[_MASKED_FRACTION] = self.fraction_warper.warp_level(bad, wcs, target_wcs, box)
        return images


def _usable_polygon(bbox: Box2I, half: int, valid: Polygon | None) -> Polygon | None:
    """Return where in a detector image a kernel of a half length fits, and the image is valid."""
    low = (bbox.minX + half - 1.0, bbox.minY + half - 1.0)
    high = (bbox.maxX + 1.0 - half, bbox.maxY + 1.0 - half)
    if low[0] >= high[0] or low[1] >= high[1]:
        return None
    whole = Polygon((low, (high[0], low[1]), high, (low[0], high[1])))
    return whole if valid is None else valid.clipped(low, high)
