"""Calibrated exposures, and handles that watch what is read of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ccd_frames import box

from butler.handles import InMemoryDatasetHandle
from butler.images import (
    DEFAULT_MASK_PLANES,
    Box2I,
    Exposure,
    FilterLabel,
    GaussianPsf,
    Image,
    Mask,
    MaskedImage,
    PhotoCalib,
    SkyWcs,
    VisitInfo,
)
from tasks.struct import Struct
from tasks.warp import MakeDirectWarpConfig, MakeDirectWarpTask

VISIT = 7


def make_calexp(
    image: np.ndarray,
    wcs: SkyWcs,
    *,
    variance: float | np.ndarray = 1.0,
    planes: Mapping[str, int] = DEFAULT_MASK_PLANES,
    xy0: tuple[int, int] = (0, 0),
) -> Exposure:
    """Make a calibrated exposure with a Gaussian PSF."""
    bbox = box(image.shape[1], image.shape[0], *xy0)
    noise = np.broadcast_to(np.asarray(variance, dtype=np.float32), image.shape).copy()
    pixels = MaskedImage(
        Image(image.astype(np.float32), bbox.minimum, "nJy"),
        Mask.from_bbox(bbox, planes),
        Image(noise, bbox.minimum, "nJy**2"),
    )
    return Exposure(
        pixels,
        wcs=wcs,
        psf=GaussianPsf(1.7),
        photoCalib=PhotoCalib(),
        filter=FilterLabel("r", "TEST-r"),
        visitInfo=VisitInfo(VISIT, instrument="TESTCAM"),
    )


@dataclass
class WatchedHandle:
    """A handle that remembers which boxes of pixels were read."""

    exposure: Exposure
    detector: int = 0
    boxes: list[Box2I] = field(default_factory=list)

    @property
    def dataId(self) -> dict[str, Any]:
        """Data ID."""
        return {"instrument": "TESTCAM", "visit": VISIT, "detector": self.detector}

    def get(self, *, component: str | None = None, parameters: Mapping[str, Any] | None = None) -> Any:
        """Read the exposure or a part of it."""
        if component is None:
            self.boxes.append((parameters or {}).get("bbox", self.exposure.bbox))
        handle = InMemoryDatasetHandle(self.exposure, self.dataId, "ExposureF")
        return handle.get(component=component, parameters=parameters)


def patch(wcs: SkyWcs, bbox: Box2I) -> Struct:
    """Make the geometry of a patch."""
    return Struct(wcs=wcs, bbox=bbox)


def make_warp(exposures: list[Exposure], skyInfo: Struct, config: dict[str, Any] | None = None) -> Exposure:
    """Warp exposures, numbered as detectors 0, 1, ..."""
    handles = [WatchedHandle(exposure, detector) for detector, exposure in enumerate(exposures)]
    task = MakeDirectWarpTask(MakeDirectWarpConfig().updated(config or {}))
    warp: Exposure = task.run(handles, skyInfo, VISIT).warp
    return warp


def has_data(warp: Exposure) -> np.ndarray:
    """Return where a warp has data; all planes must agree."""
    there = ~warp.mask.isSet("NO_DATA")
    np.testing.assert_array_equal(np.isfinite(warp.image.array), there)
    np.testing.assert_array_equal(np.isfinite(warp.variance.array), there)
    return there
