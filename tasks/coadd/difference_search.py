"""Difference search: what single visits show beyond a template, strip by strip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, MaskedImage, SpanSet
from butler.images.mask import bit_mask_value

from ..kernels import (
    Expectation,
    TemplateRows,
    components_of_pixels,
    difference_rows,
    differing_pixels,
    kernel_width,
)
from .difference_detection_config import DifferenceDetectionConfig
from .scale_zero_point import ImageScaler
from .seeing_match import TemplateModel
from .template_sample import SeeingFit
from .warp_pixels import read_warp

__all__ = ["DifferenceSearch"]

_STRIP_ROWS: Final = 128
_BROADER: Final = (1.5,)
"""Widths of Gaussians that make broad seeing of good one, in units of the largest PSF's sigma."""


class DifferenceSearch:
    """Looks for pixels of visits that differ from a template by more than noise and seeing explain.

    Each visit's difference is smoothed by its PSF and compared with its error. Only a strip of rows of one
    visit is in memory at a time, and what the template shows there serves all visits.

    Parameters
    ----------
    template
        The template; kept, not copied.
    sigmas
        Size of the PSF of each visit, pixels.
    bad_planes
        Mask planes of pixels that are left out.
    config
        What counts as a difference.
    """

    def __init__(
        self,
        template: MaskedImage,
        sigmas: Sequence[float],
        bad_planes: Sequence[str],
        config: DifferenceDetectionConfig,
    ) -> None:
        self._template, self._sigmas = template, sigmas
        self._bad_planes, self._config = bad_planes, config
        planes = template.image.array, template.variance.array
        self._model = TemplateModel(*planes, max(sigmas), broader=_BROADER)
        self._correlations: list[float] = []
        self._halves = [kernel_width(sigma) // 2 for sigma in sigmas]

    def run(self, handles: Sequence[Any], scalers: Sequence[ImageScaler | None]) -> list[SpanSet]:
        """Return for each visit the pixels in which it differs, grown.

        Parameters
        ----------
        handles, scalers
            Handles of the warps, and their scalers.
        """
        self._correlations = [_noise_correlation(handle) for handle in handles]
        fits = self._fits(handles, scalers)
        brighter: list[list[NDArray[np.int64]]] = [[] for _ in handles]
        fainter: list[list[NDArray[np.int64]]] = [[] for _ in handles]
        reach = max(self._halves)
        bbox = self._template.bbox
        for begin, end in self._strips():
            first, last = max(begin - reach, 0), min(end + reach, bbox.height)
            rows, smoothed = self._model.rows(first, last), self._model.smoothed(first, last)
            for i, (handle, scaler) in enumerate(zip(handles, scalers, strict=True)):
                warp = self._read(handle, scaler, first, last)
                surface = fits[i].surface(first, last, smoothed)
                signs = self._compare(warp, rows, surface, fits[i].expectation, i)
                signs = signs[begin - first : end - first]
                places = np.flatnonzero(signs)
                sign = signs.ravel()[places]
                places += begin * bbox.width
                brighter[i].append(places[sign > 0])
                fainter[i].append(places[sign < 0])
        return [
            self._grown([np.concatenate(own) for own in both], sigma)
            for *both, sigma in zip(brighter, fainter, self._sigmas, strict=True)
        ]

    def _strips(self) -> Iterator[tuple[int, int]]:
        height = self._template.bbox.height
        for begin in range(0, height, _STRIP_ROWS):
            yield begin, min(begin + _STRIP_ROWS, height)

    def _rows(self, first: int, last: int) -> Box2I:
        """Return the box of some rows."""
        whole = self._template.bbox
        return Box2I.from_corners((whole.minX, whole.minY + first), (whole.maxX, whole.minY + last - 1))

    def _read(self, handle: Any, scaler: ImageScaler | None, first: int, last: int) -> MaskedImage:
        """Read some rows of a warp."""
        warp = read_warp(handle, self._rows(first, last))
        return warp if scaler is None else scaler.scaled(warp)

    def _fits(self, handles: Sequence[Any], scalers: Sequence[ImageScaler | None]) -> list[SeeingFit]:
        """Fit the template to each warp."""
        scales = [1.0 if scaler is None else scaler.scale for scaler in scalers]

        def pixels(number: int, y: slice, x: slice) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
            warp = read_warp(handles[number], self._rows(y.start, y.stop))
            chosen = slice(None, None, y.step), x
            image = warp.image.array[chosen].astype(np.float32) * np.float32(scales[number])
            return image, warp.mask.array[chosen] & self._bad(warp) == 0

        fits = [self._fit(handle, scale) for handle, scale in zip(handles, scales, strict=True)]
        return self._model.with_skies(fits, pixels)

    def _fit(self, handle: Any, scale: float) -> SeeingFit:
        """Fit the template to a warp."""
        warp = read_warp(handle, self._template.bbox)
        mask, bad = warp.mask.array, self._bad(warp)
        pixels = warp.image.array, warp.variance.array
        return self._model.fit(*pixels, lambda y, x: mask[y, x] & bad == 0, scale=scale)

    def _bad(self, warp: MaskedImage) -> Any:
        """Return the bits of the planes that are left out."""
        return bit_mask_value(warp.mask.known_bit_mask(self._bad_planes))

    def _compare(
        self,
        warp: MaskedImage,
        rows: TemplateRows,
        surface: NDArray[np.float32],
        expectation: Expectation,
        number: int,
    ) -> NDArray[np.int8]:
        """Return where some rows of a visit differ, ``(n_y, n_x)``: the sign of the difference, or 0."""
        sigma, half = self._sigmas[number], self._halves[number]
        image, variance = (np.asarray(p.array, np.float32) for p in (warp.image, warp.variance))
        bad = warp.mask.any_of(warp.mask.known_bit_mask(self._bad_planes))
        difference, error = difference_rows(
            rows,
            expectation,
            surface,
            (image, variance, bad),
            level=float(self._model.level),
            # Smoothing takes errors for independent; those of a model are alike over the whole PSF.
            alike=4 * math.pi * sigma**2,
            correlation=self._correlations[number],
        )
        return differing_pixels(difference, error, sigma, half, self._config.thresholdValue)

    def _grown(self, both: Sequence[NDArray[np.int64]], sigma: float) -> SpanSet:
        """Return the pixels of each sign that are enough together, grown."""
        bbox = self._template.bbox
        radius = int(self._config.nSigmaToGrow * sigma + 0.5)
        grown = SpanSet()
        for places in both:
            parts = components_of_pixels(places, (bbox.height, bbox.width))
            kept = (parts.areas() >= self._config.minPixels)[parts.label - 1]
            y, x0, x1 = (own[kept] for own in (parts.y, parts.x0, parts.x1))
            spans = SpanSet.from_arrays(y + bbox.minY, x0 + bbox.minX, x1 + bbox.minX)
            grown = grown.union(spans.dilated(radius))
        return grown.clippedTo(bbox)


def _noise_correlation(handle: Any) -> float:
    """Return by what the noise of a sum of a warp's pixels exceeds that of independent ones."""
    found = float((handle.get(component="metadata") or {}).get("NOISECOR", 1.0))
    return max(found, 1.0) if math.isfinite(found) else 1.0
