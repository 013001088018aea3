"""CoaddMasksTask: the masks of warps before they are combined, and those of a coadd afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from butler.errors import ButlerUserError
from butler.images import Exposure, Mask, MaskedImage, SpanSet

from ..errors import TaskError
from .bright_objects import mask_bright_objects
from .coadd_base import CoaddBaseTask
from .interp_image import InterpImageTask
from .statistics_control import StatisticsControl
from .warp_pixels import describe_data_id

__all__ = ["AltMaskSpans", "CoaddMasksTask"]

AltMaskSpans: TypeAlias = Mapping[str, Sequence[SpanSet]]
"""Pixels to set in the mask of one warp, by plane."""


class CoaddMasksTask(CoaddBaseTask):
    """Mask algebra of coadds, and what is done to a coadd when its pixels are there."""

    interpImage: InterpImageTask

    def applyAltMaskPlanes(self, mask: Mask, altMaskSpans: AltMaskSpans) -> Mask:
        """Set planes of a mask at given pixels, in place; pixels outside the mask are left out.

        Returns
        -------
        mask
            The same mask.
        """
        for plane, span_sets in altMaskSpans.items():
            mask.addMaskPlane(plane)
            for spans in span_sets:
                spans.clippedTo(mask.bbox).setMask(mask, mask.getPlaneBitMask(plane))
        return mask

    def removeMaskPlanes(self, maskedImage: MaskedImage) -> None:
        """Clear the planes of ``removeMaskPlanes``; the masked image gets a new mask if there are any.

        A plane that the mask does not have is told in the log, at debug level.
        """
        mask = maskedImage.mask
        present = [name for name in self.config.removeMaskPlanes if name in mask.planes]
        for name in self.config.removeMaskPlanes:
            if name not in mask.planes:
                self.log.debug("there is no mask plane %r to remove", name)
        if present:
            maskedImage.mask = Mask(mask.array.copy(), mask.xy0, mask.planes)
            maskedImage.mask.clear(present)

    @staticmethod
    def setRejectedMaskMapping(statsCtrl: StatisticsControl) -> list[tuple[int, int]]:
        """Return which planes of pixels that were left out become which planes of the coadd.

        What was left out for another reason than EDGE, NO_DATA or CLIPPED is REJECTED; EDGE becomes
        SENSOR_EDGE, and CLIPPED stays.
        """
        edge, no_data, clipped = (statsCtrl.bits([name]) for name in ("EDGE", "NO_DATA", "CLIPPED"))
        return [
            (statsCtrl.and_mask & ~(edge | no_data | clipped), statsCtrl.bits(["REJECTED"])),
            (edge, statsCtrl.bits(["SENSOR_EDGE"])),
            (clipped, clipped),
        ]

    def setInexactPsf(self, mask: Mask) -> None:
        """Set INEXACT_PSF, in place, where a warp is missing, so that the CoaddPsf is not quite right."""
        mask.addMaskPlane("INEXACT_PSF")
        mask.set_where(
            "INEXACT_PSF", mask.any_of(mask.known_bit_mask(["SENSOR_EDGE", "CLIPPED", "REJECTED"]))
        )

    def processResults(
        self,
        coaddExposure: Exposure,
        brightObjectMasks: Any = None,
        dataId: Mapping[str, Any] | None = None,
    ) -> None:
        """Fill pixels without data, make bad variances infinite, and mark bright objects.

        Parameters
        ----------
        coaddExposure
            The coadd; changed in place.
        brightObjectMasks
            Catalog from `readBrightObjectMasks`; None if there is none.
        dataId
            Data ID, for messages.
        """
        if self.config.doInterp:
            n_filled = self.interpImage.run(coaddExposure.maskedImage, planeName="NO_DATA")
            self.log.info("filled %d pixels of %s", n_filled, describe_data_id(dataId or {}) or "the coadd")
        variance = coaddExposure.variance.array
        np.copyto(variance, np.inf, where=~(variance > 0))
        if self.config.doMaskBrightObjects:
            self.setBrightObjectMasks(coaddExposure, brightObjectMasks, dataId)

    def readBrightObjectMasks(self, dataRef: Any) -> Any:
        """Return the catalog of a handle; None, with a warning, if there is none or it cannot be read."""
        if dataRef is None:
            return None
        try:
            return dataRef.get()
        except (ButlerUserError, OSError) as error:
            self.log.warning("the bright objects cannot be read: %s", error)
            return None

    def setBrightObjectMasks(
        self, exposure: Exposure, brightObjectMasks: Any, dataId: Mapping[str, Any] | None = None
    ) -> None:
        """Mark the circles and boxes of a catalog in the plane ``brightObjectMaskName``, in place.

        Raises
        ------
        BrightObjectError
            Raised if the catalog cannot be used.
        TaskError
            Raised if the exposure has no WCS.
        """
        where = describe_data_id(dataId or {}) or "the coadd"
        if brightObjectMasks is None:
            self.log.warning("there is no catalog of bright objects for %s", where)
            return
        if exposure.wcs is None:
            raise TaskError(f"{where} has no WCS; bright objects cannot be placed")
        plane = self.config.brightObjectMaskName
        n_shapes = mask_bright_objects(exposure.mask, exposure.wcs, brightObjectMasks, plane)
        self.log.info("marked %d bright objects on %s", n_shapes, where)
