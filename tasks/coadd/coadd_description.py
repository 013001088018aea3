"""CoaddDescriptionTask: what a coadd says of itself besides its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from butler.images import CoaddInputs, CoaddPsf, Exposure, PhotoCalib, Psf, coadd_ap_corr_map

from ..errors import TaskError, WarpInputsError
from .coadd_base import CoaddBaseTask
from .coadd_inputs import gather_coadd_inputs
from .coadd_metadata import combined_transmission, common_filter, input_cards
from .scale_zero_point import ScaleZeroPointTask
from .valid_polygons import shrunk_inputs
from .warp_pixels import describe_data_id

__all__ = ["CoaddDescriptionTask"]


class CoaddDescriptionTask(CoaddBaseTask):
    """Filter, inputs, PSF, calibration and header cards of a coadd."""

    scaleZeroPoint: ScaleZeroPointTask

    def assembleMetadata(
        self, coaddExposure: Exposure, tempExpRefList: Sequence[Any], weightList: Sequence[float]
    ) -> None:
        """Give a coadd its filter, inputs, PSF, calibration and header cards, in place.

        Raises
        ------
        WarpError
            Raised if the warps have different bands, or one has no usable record of inputs, or lacks a
            transmission curve that is asked for.
        TaskError
            Raised if the coadd has no WCS.
        """
        if coaddExposure.wcs is None:
            raise TaskError("a coadd needs a WCS")
        coaddExposure.filter = common_filter(tempExpRefList)
        inputs = gather_coadd_inputs(tempExpRefList, weightList)
        coaddExposure.coaddInputs = (
            self.shrinkValidPolygons(inputs) if self.config.doUsePsfMatchedPolygons else inputs
        )
        coaddExposure.psf = self.makePsf(coaddExposure, tempExpRefList)
        ccds = coaddExposure.coaddInputs.ccds
        if self.config.warpType == "direct":
            coaddExposure.apCorrMap = coadd_ap_corr_map(ccds, coaddExposure.wcs, coaddExposure.bbox)
        if self.config.doAttachTransmissionCurve:
            coaddExposure.transmissionCurve = combined_transmission(ccds, coaddExposure.wcs)
        cards: dict[str, Any] = {
            "COADTASK": type(self).__name__,
            "STATISTI": self.config.statistic,
            "SIGCLIP": self.config.sigmaClip,
            "CLIPITER": self.config.clipIter,
            "BADPLANE": ",".join(self.config.badMaskPlanes),
            "RMPLANE": ",".join(self.config.removeMaskPlanes),
            "ERRINPUT": self.config.calcErrorFromInputVariance,
            "WARPTYPE": self.config.resolved_connections().inputWarps.name,
            "WEIGHTS": "inverse of clipped mean variance",
        }
        if self.config.doScaleZeroPoint:
            coaddExposure.photoCalib = self.scaleZeroPoint.getPhotoCalib()
        else:
            coaddExposure.photoCalib = PhotoCalib(1.0)
            cards["BUNIT"] = coaddExposure.image.unit = "nJy"
            coaddExposure.variance.unit = "nJy**2"
        cards |= input_cards(handle.get(component="visitInfo") for handle in tempExpRefList)
        coaddExposure.metadata = {**coaddExposure.metadata, **cards}

    def makePsf(self, coaddExposure: Exposure, tempExpRefList: Sequence[Any]) -> Psf:
        """Return the PSF of a coadd: of its inputs or, of PSF-matched warps, the widest of theirs.

        Raises
        ------
        WarpInputsError
            Raised if a PSF-matched warp has no PSF.
        """
        if self.config.warpType == "direct":
            assert coaddExposure.coaddInputs is not None
            assert coaddExposure.wcs is not None
            return CoaddPsf(coaddExposure.coaddInputs.ccds, coaddExposure.wcs)
        models: list[Psf | None] = [handle.get(component="psf") for handle in tempExpRefList]
        for handle, model in zip(tempExpRefList, models, strict=True):
            if model is None:
                raise WarpInputsError(f"warp {describe_data_id(handle.dataId)} has no PSF; match it again")
        x, y = coaddExposure.bbox.center
        return max((m for m in models if m is not None), key=lambda m: m.computeKernelImage(x=x, y=y).size)

    def shrinkValidPolygons(self, coaddInputs: CoaddInputs) -> CoaddInputs:
        """Return coadd inputs whose detectors end half a matching kernel before their edges."""
        return shrunk_inputs(coaddInputs, -(-self.config.matchingKernelSize // 2))
