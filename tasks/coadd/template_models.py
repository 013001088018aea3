"""Template models: the static sky as a model of each visit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from butler.images import Box2I, Exposure

from .scale_zero_point import ImageScaler
from .seeing_match import TemplateModel
from .warp_pixels import read_warp

__all__ = ["TemplateModels"]


class TemplateModels:
    """The static sky as a model of each visit: the same for all that see all of it, if they are not two.

    No clipped mean of two leaves anything out. The static sky then has half of each artifact, and at places
    as bright as that the artifact itself would be the scatter; so the other visit tells what is bright.

    Parameters
    ----------
    staticSky
        The static sky.
    matched, scalers
        Handles of the PSF-matched warps, and their scalers.
    sigma
        Size of the PSF, pixels.
    """

    def __init__(
        self, staticSky: Exposure, matched: Sequence[Any], scalers: Sequence[ImageScaler | None], sigma: float
    ) -> None:
        self._sky, self._matched, self._scalers, self._sigma = staticSky, matched, scalers, sigma

    def of_visit(self, number: int, box: Box2I) -> TemplateModel:
        """Return the model of one of the visits.

        Parameters
        ----------
        number
            Which visit.
        box
            The pixels that the visit may have, in a box of the static sky.
        """
        if len(self._matched) != 2:
            return self._whole if box == self._sky.bbox else self._model(self._sky[box])
        handle, scaler = self._matched[1 - number], self._scalers[1 - number]
        other = read_warp(handle, box)
        shown = (other if scaler is None else scaler.scaled(other)).image.array
        return self._model(self._sky[box], shown=shown.astype(np.float32))

    @cached_property
    def _whole(self) -> TemplateModel:
        return self._model(self._sky)

    def _model(self, sky: Exposure, **options: Any) -> TemplateModel:
        return TemplateModel(sky.image.array, sky.variance.array, self._sigma, **options)
