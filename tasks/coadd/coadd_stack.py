"""CoaddStackTask: the pixels of warps, strip by strip, become those of a coadd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from butler.images import Box2I, Exposure, Image, Mask, MaskedImage, SpanSet

from ..kernels.stacking import Statistic
from ..struct import Struct
from .box_tiling import RowStrips
from .coadd_mask_planes import COADD_MASK_PLANES
from .coadd_masks import AltMaskSpans, CoaddMasksTask
from .input_map import CcdInputMap
from .online_mean import OnlineMean
from .scale_zero_point import ImageScaler
from .stack_warps import stack_all, stack_some
from .statistics_control import StatisticsControl
from .warp_pixels import memory_of, read_warp

__all__ = ["CoaddStackTask"]

_N_IMAGE_BYTES: Final = 4
"""Bytes of the number of inputs of a pixel."""


class CoaddStackTask(CoaddMasksTask):
    """How the pixels of warps are combined.

    Warps are read through their handles in strips of rows, as many rows as fit into a fixed amount of
    memory, so that it does not grow with the number of visits.
    """

    def prepareStats(self, mask: int | None = None, planes: Mapping[str, int] = COADD_MASK_PLANES) -> Struct:
        """Return how pixels are combined: ``ctrl``, a `StatisticsControl`, and ``flags``, the statistic.

        Parameters
        ----------
        mask
            Bit mask of the planes whose pixels are left out; that of the config if None.
        planes
            Bit number of each mask plane.

        Raises
        ------
        ConfigError
            Raised if the config names a mask plane that does not exist.
        """
        thresholds = {
            self.plane_bit(plane, planes): value
            for plane, value in self.config.maskPropagationThresholds.items()
        }
        ctrl = StatisticsControl(
            planes=planes,
            and_mask=self.getBadPixelMask(planes) if mask is None else mask,
            num_sigma=self.config.sigmaClip,
            num_iter=self.config.clipIter,
            calc_error_from_input_variance=self.config.calcErrorFromInputVariance,
            mask_propagation_thresholds=thresholds,
        )
        return Struct(ctrl=ctrl, flags=Statistic.from_name(self.config.statistic))

    def assembleOnlineMeanCoadd(
        self,
        coaddExposure: Exposure,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        altMaskList: Sequence[AltMaskSpans | None] | None,
        statsCtrl: StatisticsControl,
        nImage: Image | None = None,
        inputMap: CcdInputMap | None = None,
    ) -> None:
        """Take the mean as running sums, one warp after the other, in place.

        Parameters are those of `assembleSubregion`; the result is the same up to rounding.
        """
        bbox = coaddExposure.bbox
        sums = OnlineMean(bbox, statsCtrl, self.setRejectedMaskMapping(statsCtrl))
        alternatives = altMaskList or [None] * len(tempExpRefList)
        for handle, scaler, weight, spans in zip(
            tempExpRefList, imageScalerList, weightList, alternatives, strict=True
        ):
            for strip in RowStrips(bbox, 1):
                [warp] = self.read_strip(strip, [handle], [scaler], [spans], statsCtrl.planes)
                sums.add(warp, float(np.float32(weight)))
                if inputMap is not None:
                    inputMap.mask_warp_bbox(strip, handle.dataId["visit"], warp.mask, statsCtrl.and_mask)
        sums.write_to(coaddExposure.maskedImage)
        if nImage is not None:
            nImage.array[:] = sums.n_image

    def assembleSubregion(
        self,
        coaddExposure: Exposure,
        bbox: Box2I,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        altMaskList: Sequence[AltMaskSpans | None] | None,
        statsFlags: Statistic,
        statsCtrl: StatisticsControl,
        nImage: Image | None = None,
        inputMap: CcdInputMap | None = None,
        where: SpanSet | None = None,
    ) -> None:
        """Combine one box of the coadd, in place.

        Parameters
        ----------
        coaddExposure
            The coadd.
        bbox
            The box, inside the coadd.
        tempExpRefList, imageScalerList, weightList, altMaskList
            The warps, as for `run`.
        statsFlags, statsCtrl
            The statistic and its options.
        nImage
            Gets the number of warps whose pixel is not left out, after `removeMaskPlanes`.
        inputMap
            Counts the pixels that are left out.
        where
            The pixels to combine, all if None; the others are there already.
        """
        options = {**statsCtrl.stack_options(), "mask_map": self.setRejectedMaskMapping(statsCtrl)}
        stack = stack_all if where is None else partial(stack_some, where=where)
        strips = RowStrips(bbox, len(tempExpRefList), _N_IMAGE_BYTES)
        for strip in strips:
            warps = self.read_strip(strip, tempExpRefList, imageScalerList, altMaskList, statsCtrl.planes)
            strips.note_memory(strip, memory_of(warps))
            target = coaddExposure.maskedImage[strip]
            counts = None if nImage is None else nImage[strip].array
            stack(target, counts, warps, weightList, statistic=statsFlags, **options)
            if inputMap is not None:
                for handle, warp in zip(tempExpRefList, warps, strict=True):
                    inputMap.mask_warp_bbox(strip, handle.dataId["visit"], warp.mask, statsCtrl.and_mask)

    def read_strip(
        self,
        bbox: Box2I,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        altMaskList: Sequence[AltMaskSpans | None] | None,
        planes: Mapping[str, int],
    ) -> list[MaskedImage]:
        """Read a box of all warps, scaled, with alternative masks applied and one set of mask planes."""
        alternatives = altMaskList or [None] * len(tempExpRefList)
        whole = SpanSet.from_bbox(bbox)
        warps = []
        for handle, scaler, spans in zip(tempExpRefList, imageScalerList, alternatives, strict=True):
            warp = read_warp(handle, bbox)
            warp.mask = warp.mask.conformed(planes)
            if spans and any(own.overlaps(whole) for sets in spans.values() for own in sets):
                # The pixels may belong to a file that is mapped into memory, or to the caller.
                warp.mask = Mask(warp.mask.array.copy(), warp.mask.xy0, warp.mask.planes)
                self.applyAltMaskPlanes(warp.mask, spans)
            self.removeMaskPlanes(warp)
            warps.append(warp if scaler is None else scaler.scaled(warp))
        return warps
