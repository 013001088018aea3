"""Template models: the static sky as a model of each visit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from butler.images import Exposure

from .scale_zero_point import ImageScaler
from .seeing_match import TemplateModel
from .warp_pixels import read_warp

__all__ = ["template_models"]


def template_models(
    staticSky: Exposure, matched: Sequence[Any], scalers: Sequence[ImageScaler | None], sigma: float
) -> list[TemplateModel]:
    """Return a model for each visit: the same for all, if there are more than two.

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
    image, variance = staticSky.image.array, staticSky.variance.array
    if len(matched) != 2:
        return [TemplateModel(image, variance, sigma)] * len(matched)
    models = []
    for handle, scaler in zip(reversed(matched), reversed(scalers), strict=True):
        other = read_warp(handle, staticSky.bbox)
        shown = (other if scaler is None else scaler.scaled(other)).image.array
        models.append(TemplateModel(image, variance, sigma, shown=shown.astype(np.float32)))
    return models
