"""Small synthetic warps, and handles that watch what is read of them."""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from astropy.time import Time

from butler.handles import InMemoryDatasetHandle
from butler.images import (
    Box2I,
    CcdInput,
    CoaddInputs,
    CoaddPsf,
    Exposure,
    FilterLabel,
    GaussianPsf,
    Image,
    Mask,
    MaskedImage,
    PhotoCalib,
    SkyWcs,
    VisitInfo,
    VisitInput,
)
from tasks.struct import Struct

SCALE = 0.2 / 3600
WCS = SkyWcs.make_tan(crval=(150.0, 2.0), crpix=(100.0, 80.0), cd=[[-SCALE, 0.0], [0.0, SCALE]])
BBOX = Box2I.from_corners((40, 20), (159, 129))
SKY_INFO = Struct(bbox=BBOX, wcs=WCS)


def make_warp(
    visit, image=0.0, *, variance=1.0, bbox=BBOX, sigma=1.8, mask=None, planes=None, wcs=WCS
) -> Exposure:
    """Make a warp of one detector that covers the whole box; scalars and arrays are broadcast."""
    mask_plane = Mask.from_bbox(bbox) if planes is None else Mask.from_bbox(bbox, planes)
    if mask is not None:
        mask_plane.array[:] = mask
    pixels = MaskedImage(
        Image(np.broadcast_to(np.float32(image), bbox.shape).copy(), bbox.minimum, "nJy"),
        mask_plane,
        Image(np.broadcast_to(np.float32(variance), bbox.shape).copy(), bbox.minimum, "nJy**2"),
    )
    ccd = CcdInput(visit, 1, bbox.dilatedBy(5), bbox.area, 1.0, "", wcs, GaussianPsf(sigma))
    inputs = CoaddInputs((VisitInput(visit, bbox, bbox.area, float("nan"), ""),), (ccd,))
    return Exposure(
        pixels,
        wcs=wcs,
        psf=CoaddPsf(inputs.ccds, wcs),
        photoCalib=PhotoCalib(1.0),
        filter=FilterLabel("i", "Cam-I"),
        visitInfo=VisitInfo(visit, Time(60000.0 + visit, format="mjd", scale="tai"), 30.0, "Cam"),
        coaddInputs=inputs,
    )


def data_id(visit, **changes) -> dict:
    """Return the data ID of a warp."""
    return {
        "instrument": "Cam",
        "visit": visit,
        "physical_filter": "Cam-I",
        "band": "i",
        "skymap": "test",
        "tract": 0,
        "patch": 3,
        **changes,
    }


def make_handle(visit, warp) -> InMemoryDatasetHandle:
    """Wrap a warp into a handle that checks requests like those of a repository."""
    return InMemoryDatasetHandle(warp, data_id(visit), "ExposureF")


def make_handles(warps) -> list:
    """Wrap warps into handles with the visits 1, 2, ..."""
    return [make_handle(visit, warp) for visit, warp in enumerate(warps, start=1)]


@dataclass
class LiveBytes:
    """How many bytes of pixels are alive that watched handles have returned."""

    now: int = 0
    peak: int = 0
    n_reads: int = 0
    boxes: set = field(default_factory=set)

    def watch(self, array: np.ndarray) -> np.ndarray:
        """Return a copy that counts until it is collected."""
        copy = array.copy()
        self.now += copy.nbytes
        self.peak = max(self.peak, self.now)
        weakref.finalize(copy, self._forget, copy.nbytes)
        return copy

    def _forget(self, nbytes: int) -> None:
        self.now -= nbytes


@dataclass(frozen=True)
class WatchedHandle:
    """A handle whose pixels are copies that `LiveBytes` counts, as if each had come from a file."""

    inner: InMemoryDatasetHandle
    live: LiveBytes

    @property
    def dataId(self) -> Mapping:
        """Data ID."""
        return self.inner.dataId

    def get(self, *, component=None, parameters=None):
        """Read through the inner handle; whole exposures are not to be asked for."""
        part = self.inner.get(component=component, parameters=parameters)
        self.live.n_reads += 1
        if parameters:
            self.live.boxes.add(parameters["bbox"])
        watch = self.live.watch
        match part:
            case MaskedImage():
                return MaskedImage(
                    replace(part.image, array=watch(part.image.array)),
                    replace(part.mask, array=watch(part.mask.array)),
                    replace(part.variance, array=watch(part.variance.array)),
                )
            case Mask() | Image():
                return replace(part, array=watch(part.array))
            case Exposure():
                raise AssertionError("a whole warp was read")
            case _:
                return part
