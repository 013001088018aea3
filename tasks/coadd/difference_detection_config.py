"""Config of what counts as a difference of a visit and a template."""

from __future__ import annotations

from pydantic import Field

from ..config import Config

__all__ = ["DifferenceDetectionConfig"]


class DifferenceDetectionConfig(Config):
    """What counts as a difference; either sign does."""

    thresholdValue: float = Field(
        default=5.0, gt=0, description="least ratio of the difference, smoothed by the PSF, and its error"
    )
    minPixels: int = Field(default=4, ge=1, description="smallest number of pixels, before growth")
    nSigmaToGrow: float = Field(default=2.4, ge=0, description="growth in units of the PSF's sigma")
