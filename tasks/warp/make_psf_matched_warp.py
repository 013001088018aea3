"""MakePsfMatchedWarpTask: the warp of a visit, with a model PSF instead of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, CcdInput, CoaddInputs, CoaddPsf, Exposure, MaskedImage, SkyWcs
from connections.errors import NoWorkFound

from ..config import Config
from ..errors import PsfMatchError, WarpGeometryError, WarpInputsError
from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import PipelineTask, Task
from ..timer import timeMethod
from .defects import without_defects
from .detector_outline import detector_outline, outline_box, outline_eroded, outline_mask
from .make_psf_matched_warp_config import MakePsfMatchedWarpConfig
from .model_psf_match import KernelGrid, ModelPsfMatchTask

__all__ = ["MakePsfMatchedWarpTask"]

_BEYOND: Final = 128
"""Pixels up to which a PSF model is believed beyond its detector; farther out, its PSF is that of there."""


class MakePsfMatchedWarpTask(PipelineTask):
    """Convolves a direct warp, detector by detector, so that its PSF becomes a model's.

    A detector that cannot be matched is left out, with a warning and its reason in the metadata; the others
    make the warp.
    """

    ConfigClass: ClassVar[type[Config]] = MakePsfMatchedWarpConfig
    _DefaultName: ClassVar[str] = "makePsfMatchedWarp"

    psfMatch: ModelPsfMatchTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        self.makeSubtask("psfMatch", methods=["run"])

    def runQuantum(self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]) -> None:
        """Match the warp of one visit and patch, and write it.

        Raises
        ------
        NoWorkFound
            Raised if no pixel of the patch has data.
        """
        inputs = butlerQC.get(inputRefs)
        data_id = butlerQC.quantum.dataId
        skyInfo = make_sky_info(inputs["sky_map"], data_id["tract"], data_id["patch"])
        butlerQC.put(self.run(inputs["direct_warp"], skyInfo.bbox), outputRefs)

    @timeMethod
    def run(self, direct_warp: Exposure, bbox: Box2I) -> Struct:
        """Match a warp to the model PSF.

        Parameters
        ----------
        direct_warp
            The warp, with the record of its inputs. Pixels beyond the patch (the ``border`` of
            `MakeDirectWarpTask`) serve those next to its edge.
        bbox
            Outer box of the patch.

        Returns
        -------
        result
            ``psf_matched_warp``: the patch, with the model as its PSF. NaN, NO_DATA and infinite variance are
            where the kernel's box touches a pixel without data or another detector's. Where detectors
            overlap, the one of the lower number is used. Its inputs are the detectors that have pixels, their
            valid polygons shrunk by the reach of the kernel. Header cards: ``MATCHRES``, the largest
            difference of matched PSF and model as a fraction of the model's peak; ``MATCHFWH``, the model's
            FWHM in pixels; ``KERNSIZE``, the width of the largest kernel. The card ``NOISECOR`` of the direct
            warp has gone into the variance.

        Raises
        ------
        NoWorkFound
            Raised if no pixel has data; the message says what became of each detector.
        WarpInputsError
            Raised if the warp has no WCS, or does not say what it was made of.
        WarpGeometryError
            Raised if the warp does not contain the patch.
        """
        if direct_warp.wcs is None or direct_warp.coaddInputs is None or not direct_warp.coaddInputs.ccds:
            raise WarpInputsError("a warp needs a WCS and the record of its detectors to be matched")
        if not direct_warp.bbox.contains(bbox):
            raise WarpGeometryError(
                f"the warp {direct_warp.bbox} does not contain the patch {bbox}; "
                "make it again with this sky map"
            )
        output = MaskedImage.without_data(bbox, direct_warp.mask.planes)
        output.image.unit, output.variance.unit = direct_warp.image.unit, direct_warp.variance.unit
        used: list[tuple[CcdInput, KernelGrid]] = []
        skipped: list[str] = []
        for ccd in direct_warp.coaddInputs.ccds:
            try:
                found = self._add_detector(output, direct_warp, direct_warp.wcs, ccd)
            except PsfMatchError as error:
                skipped.append(f"detector {ccd.ccd}: {error}")
                self.log.warning("visit %d, %s; leaving it out", ccd.visit, skipped[-1])
                continue
            if found is not None:
                used.append(found)
        self._record(used, skipped)
        if not used:
            raise NoWorkFound(
                f"no pixel of the warp can be matched: {'; '.join(skipped) or 'kernels fit nowhere'}"
            )
        return Struct(psf_matched_warp=self._finished(output, direct_warp, used))

    def _add_detector(
        self, output: MaskedImage, direct_warp: Exposure, wcs: SkyWcs, ccd: CcdInput
    ) -> tuple[CcdInput, KernelGrid] | None:
        """Match the pixels of one detector into the output; None if it has none in the patch."""
        outline = detector_outline(ccd, wcs) if ccd.wcs is not None else None
        if outline is None:
            raise PsfMatchError("its place in the warp is not known")
        near = output.bbox.dilatedBy(self.psfMatch.config.reach)
        limits = near.clippedTo(direct_warp.bbox)
        box = outline_box(outline, limits)
        target = outline_box(outline, output.bbox)
        if box is None or target is None:
            return None
        source = direct_warp.maskedImage[box]
        own = MaskedImage(source.image, replace(source.mask, array=source.mask.array.copy()), source.variance)
        foreign = ~outline_mask(outline, box)
        own.mask.array[foreign] = own.mask.getPlaneBitMask("NO_DATA")
        own = without_defects(own, foreign, self.config.fillPlanes, self.config.modelPsf.defaultFwhm)
        result = self.psfMatch.run(own, _psf_at(ccd, wcs), self.config.modelPsf.model())
        polygon = outline_eroded(outline, result.grid.size // 2)
        matched, part = result.matched[target], output[target]
        taken = ~matched.mask.isSet("NO_DATA") & part.mask.isSet("NO_DATA")
        # An empty polygon would stand for the whole detector.
        if not len(polygon) or not taken.any():
            return None
        for plane, new in (
            (part.image, matched.image),
            (part.variance, matched.variance),
            (part.mask, matched.mask),
        ):
            plane.array[taken] = new.array[taken]
        row = replace(ccd, goodpix=int(taken.sum()), validPolygon=_in_detector(polygon, ccd, wcs))
        return row, result.grid

    def _record(self, used: list[tuple[CcdInput, KernelGrid]], skipped: list[str]) -> None:
        """Keep what was done with each detector in the metadata."""
        grids = [grid for _, grid in used]
        self.metadata |= {
            "detectors": [ccd.ccd for ccd, _ in used],
            "goodpix": [ccd.goodpix for ccd, _ in used],
            "kernelSize": [grid.size for grid in grids],
            "matchResidual": [grid.residual for grid in grids],
            "kernelNoise": [grid.noise for grid in grids],
            "kernelSum": [float(grid.kernels.sum(axis=(2, 3)).mean()) for grid in grids],
            "condition": [grid.condition for grid in grids],
            "skippedDetectors": skipped,
        }

    def _finished(
        self, output: MaskedImage, direct_warp: Exposure, used: list[tuple[CcdInput, KernelGrid]]
    ) -> Exposure:
        """Return the output with everything that is known about it."""
        inputs = direct_warp.coaddInputs or CoaddInputs()
        cards = dict(direct_warp.metadata)
        correlation = float(cards.pop("NOISECOR", 1.0))
        if self.config.doCorrectNoise and correlation > 0:
            # Resampled noise is smooth over few pixels, and so passes the broader matching kernel.
            output.variance.array *= np.float32(correlation)
        goodpix = sum(ccd.goodpix for ccd, _ in used)
        visits = tuple(replace(row, bbox=output.bbox, goodpix=goodpix) for row in inputs.visits)
        return replace(
            direct_warp,
            maskedImage=output,
            psf=self.config.modelPsf.apply(),
            # Measured with the PSFs of the detectors, they do not hold for the model.
            apCorrMap=None,
            coaddInputs=CoaddInputs(visits, tuple(ccd for ccd, _ in used)),
            metadata={
                **cards,
                "MATCHRES": max(grid.residual for _, grid in used),
                "MATCHFWH": self.config.modelPsf.defaultFwhm,
                "KERNSIZE": max(grid.size for _, grid in used),
            },
        )


def _psf_at(ccd: CcdInput, wcs: SkyWcs) -> Callable[[float, float], NDArray[np.float64]]:
    """Return what gives the PSF of a detector at a position of the warp, also next to the detector."""
    detector_wcs, (first, _, last, _) = ccd.require_wcs(), ccd.bbox.dilatedBy(_BEYOND).corners
    # The position is rounded to a pixel of the warp, and must not leave the box by that.
    psf = CoaddPsf((replace(ccd, bbox=ccd.bbox.dilatedBy(2 * _BEYOND), validPolygon=(), weight=1.0),), wcs)

    def at(x: float, y: float) -> NDArray[np.float64]:
        own = np.clip(detector_wcs.skyToPixel(*wcs.pixelToSky(x, y)), first, last)
        near_x, near_y = (float(v) for v in wcs.skyToPixel(*detector_wcs.pixelToSky(*own)))
        try:
            return psf.computeKernelImage(x=near_x, y=near_y)
        except ValueError as error:
            raise PsfMatchError(f"its PSF at ({x:g}, {y:g}) cannot be computed: {error}") from error

    return at


def _in_detector(outline: NDArray[np.float64], ccd: CcdInput, wcs: SkyWcs) -> tuple[tuple[float, float], ...]:
    """Return vertices in the detector's pixels."""
    x, y = ccd.require_wcs().skyToPixel(*wcs.pixelToSky(*outline.T))
    return tuple((float(px), float(py)) for px, py in zip(x, y, strict=True))
