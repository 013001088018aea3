"""MakeDirectWarpTask: one visit on the pixels of one patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from butler.images import Box2I, CcdInput, CoaddPsf, Exposure, MaskedImage, PhotoCalib
from connections.errors import NoWorkFound

from ..config import Config
from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import PipelineTask, Task
from .covered_box import covered_box
from .make_direct_warp_config import MakeDirectWarpConfig
from .visit_warp import VisitWarp
from .warper import Warper

__all__ = ["MakeDirectWarpTask"]


class MakeDirectWarpTask(PipelineTask):
    """Resamples the detector images of a visit onto a patch, in nJy.

    Of each detector image only the part that falls on the patch is read.
    """

    ConfigClass: ClassVar[type[Config]] = MakeDirectWarpConfig
    _DefaultName: ClassVar[str] = "makeDirectWarp"

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        self.warper = Warper(self.config.warper)

    def runQuantum(self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]) -> None:
        """Make the warp of one visit and patch, and write it.

        Raises
        ------
        NoWorkFound
            Raised if no pixel of the patch has data.
        """
        inputs = butlerQC.get(inputRefs)
        data_id = butlerQC.quantum.dataId
        skyInfo = make_sky_info(inputs["sky_map"], data_id["tract"], data_id["patch"])
        butlerQC.put(self.run(inputs["calexp_list"], skyInfo, data_id["visit"]), outputRefs)

    def run(self, calexp_list: Sequence[Any], skyInfo: Struct, visit: int) -> Struct:
        """Make the warp of one visit.

        Parameters
        ----------
        calexp_list
            Handles of the detector images, in any order; their data IDs have ``detector``. One without
            WCS, PSF or photometric calibration is left out, with a warning.
        skyInfo
            Geometry of the patch: ``wcs`` and ``bbox`` are used.
        visit
            Visit number.

        Returns
        -------
        result
            ``warp``: box of the patch (grown by the config's border) in nJy (PhotoCalib 1); NaN, NO_DATA and
            infinite variance where there are no data. Its PSF is the `CoaddPsf` of its inputs; filter and
            visitInfo are those of the first detector.

        Raises
        ------
        NoWorkFound
            Raised if no pixel has data.
        """
        warp = VisitWarp(visit, skyInfo.bbox.dilatedBy(self.config.border))
        first: Exposure | None = None
        for handle in sorted(calexp_list, key=lambda handle: handle.dataId["detector"]):
            exposure = self._add_detector(warp, handle, skyInfo)
            first = first or exposure
        inputs = warp.coadd_inputs
        if first is None or not inputs.ccds:
            raise NoWorkFound(
                f"none of the {len(calexp_list)} detector images of visit {visit} has data on the patch"
            )
        self.metadata["goodpix"] = inputs.visits[0].goodpix
        self.metadata["detectors"] = [ccd.ccd for ccd in inputs.ccds]
        return Struct(
            warp=Exposure(
                warp.masked_image,
                wcs=skyInfo.wcs,
                psf=CoaddPsf(inputs.ccds, skyInfo.wcs),
                photoCalib=PhotoCalib(),
                filter=first.filter,
                visitInfo=first.visitInfo,
                coaddInputs=inputs,
            )
        )

    def _add_detector(self, warp: VisitWarp, handle: Any, skyInfo: Struct) -> Exposure | None:
        """Add one detector image; return the part of it that was read, None if there is nothing to add."""
        detector = int(handle.dataId["detector"])
        wcs, bbox = handle.get(component="wcs"), handle.get(component="bbox")
        if wcs is None:
            self.log.warning("visit %d, detector %d has no WCS; leaving it out", warp.visit, detector)
            return None
        target: Box2I = warp.masked_image.bbox
        box = covered_box(bbox, wcs, skyInfo.wcs, margin=0, limits=target)
        reach = self.warper.kernel_for(wcs, skyInfo.wcs, box).half if box else 0
        source = box and covered_box(box, skyInfo.wcs, wcs, margin=reach, limits=bbox)
        if box is None or source is None:
            self.log.debug("visit %d, detector %d lies beside the patch", warp.visit, detector)
            return None
        exposure: Exposure = handle.get(parameters={"bbox": source})
        if exposure.psf is None or exposure.photoCalib is None:
            what = "PSF" if exposure.psf is None else "photometric calibration"
            self.log.warning("visit %d, detector %d has no %s; leaving it out", warp.visit, detector, what)
            return None
        calibrated = _calibrated(exposure.maskedImage, exposure.photoCalib)
        warped = self.warper.warp(calibrated, wcs, skyInfo.wcs, box)
        filter_name = (exposure.filter and exposure.filter.physical) or ""
        warp.add(warped, CcdInput(warp.visit, detector, bbox, 0, 1.0, filter_name, wcs, exposure.psf))
        return exposure


def _calibrated(masked_image: MaskedImage, photo_calib: PhotoCalib) -> MaskedImage:
    """Return pixels in nJy; the given ones if they are."""
    if photo_calib.calibrationMean == 1.0 and photo_calib.isConstant:
        return masked_image
    calibrated = MaskedImage(
        replace(masked_image.image, array=masked_image.image.array.astype("float32")),
        masked_image.mask,
        replace(masked_image.variance, array=masked_image.variance.array.astype("float32")),
    )
    photo_calib.calibrate_in_place(calibrated)
    return calibrated
