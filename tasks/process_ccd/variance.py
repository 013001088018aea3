"""EstimateVarianceTask: the noise of each pixel."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from butler.images import Image, MaskedImage

from ..config import Config
from ..errors import TaskError
from ..task import Task

__all__ = ["EstimateVarianceConfig", "EstimateVarianceTask"]


class EstimateVarianceConfig(Config):
    """What the variance is made from."""

    useWeight: bool = Field(
        default=True, description="use the weight or variance map of an exposure that has one"
    )


class EstimateVarianceTask(Task):
    """Fills the variance plane, from a weight map or from counts, gain and read noise.

    The photon noise is that of the pixel's own counts. A weighted mean whose weights come from single
    pixels would therefore be biased low; weights must come from averages of the variance.
    """

    ConfigClass: ClassVar[type[Config]] = EstimateVarianceConfig
    _DefaultName: ClassVar[str] = "estimateVariance"

    def run(
        self,
        maskedImage: MaskedImage,
        *,
        gain: float | None,
        read_noise: float | None,
        weight: Image | None = None,
        variance: Image | None = None,
    ) -> None:
        """Fill the variance, in place; pixels without data become NaN with infinite variance.

        Parameters
        ----------
        maskedImage
            Pixels in counts, sky included; image, mask and variance are changed.
        gain
            Electrons per count; positive. None if not known, which only a weight makes good.
        read_noise
            Electrons, rms; None if not known.
        weight
            Inverse variance of the same box, 1/count²; where it is not finite and positive, NO_DATA is set.
        variance
            Variance of the same box, count², used without a weight; as for a weight where it is not positive.

        Raises
        ------
        TaskError
            Raised if there is neither a weight to use nor both gain and read noise.
        """
        image, mask = maskedImage.image.array, maskedImage.mask
        mask.addMaskPlane("NO_DATA")
        given = variance if weight is None else weight
        if given is not None and self.config.useWeight:
            known = np.isfinite(given.array) & (given.array > 0)
            mask.set_where("NO_DATA", ~known)
            values = np.where(known, given.array, 1.0)
            noise = values if weight is None else 1.0 / values
        else:
            if gain is None or read_noise is None:
                missing = "gain" if gain is None else "read noise"
                raise TaskError(
                    f"no variance: there is no weight map to use, and the {missing} is not known; say in the "
                    "camera mapping where it comes from"
                )
            noise = np.maximum(np.nan_to_num(image), 0.0) / gain + (read_noise / gain) ** 2
        no_data = mask.isSet("NO_DATA")
        image[no_data] = np.nan
        maskedImage.variance.array[:] = np.where(no_data, np.inf, noise)
        maskedImage.variance.unit = f"{maskedImage.image.unit}**2" if maskedImage.image.unit else ""
