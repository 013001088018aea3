"""quality_mask: the values of a camera's quality image as mask planes."""

from __future__ import annotations

import numpy as np

from ..errors import IngestError
from ..images import Image, Mask
from .companion import QualityRule

__all__ = ["quality_mask"]


def quality_mask(quality: Image, rule: QualityRule) -> Mask:
    """Return the mask that a quality image stands for.

    Parameters
    ----------
    quality
        Values of whole numbers, ``(n_y, n_x)``.
    rule
        What they mean.

    Returns
    -------
    mask
        Of the box of the quality image, with LSST's planes and those that the rule names.

    Raises
    ------
    IngestError
        Raised if the values are no whole numbers.
    """
    values = quality.array
    if values.dtype.kind not in "iu":
        raise IngestError(f"a quality image has whole numbers; this one has pixels of type {values.dtype}")
    mask = Mask.from_bbox(quality.bbox)
    unlisted = values != 0
    for key, planes in (rule.codes or rule.bits).items():
        chosen = values == key if rule.codes else (values >> key) & 1 == 1
        for plane in planes:
            mask.addMaskPlane(plane)
        mask.set_where(planes, chosen)
        if rule.codes:
            unlisted &= ~chosen
    if rule.bits:
        unlisted = values & ~np.array(sum(1 << bit for bit in rule.bits), dtype=np.int64) != 0
    if rule.unlisted:
        mask.addMaskPlane(rule.unlisted)
        mask.set_where(rule.unlisted, unlisted)
    return mask
