"""In-memory values: boxes, images, masks, exposures and what they carry."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .ap_corr_map import ApCorrMap
    from .chebyshev_field import ChebyshevBoundedField
    from .coadd_inputs import CcdInput, CoaddInputs, VisitInput
    from .coadd_psf import CoaddPsf, InvalidPsfError
    from .exposure import Exposure
    from .filter_label import FilterLabel
    from .footprint import Footprint, Peak
    from .geometry import ORIGIN, Box2I, Extent2I, Point2I
    from .image import Image
    from .mask import DEFAULT_MASK_PLANES, Mask
    from .masked_image import MaskedImage
    from .photo_calib import PhotoCalib
    from .pixel_types import converted_pixels, with_pixel_type
    from .polygon import Polygon
    from .psf import GaussianPsf, KernelPsf, Psf, determinant_radius
    from .sky_wcs import SkyWcs
    from .span_set import Span, SpanSet
    from .visit_info import VisitInfo
else:
    __getattr__ = late_names(
        __name__,
        {
            "ap_corr_map": ["ApCorrMap"],
            "chebyshev_field": ["ChebyshevBoundedField"],
            "coadd_inputs": ["CcdInput", "CoaddInputs", "VisitInput"],
            "coadd_psf": ["CoaddPsf", "InvalidPsfError"],
            "exposure": ["Exposure"],
            "filter_label": ["FilterLabel"],
            "footprint": ["Footprint", "Peak"],
            "geometry": ["ORIGIN", "Box2I", "Extent2I", "Point2I"],
            "image": ["Image"],
            "mask": ["DEFAULT_MASK_PLANES", "Mask"],
            "masked_image": ["MaskedImage"],
            "photo_calib": ["PhotoCalib"],
            "pixel_types": ["converted_pixels", "with_pixel_type"],
            "polygon": ["Polygon"],
            "psf": ["GaussianPsf", "KernelPsf", "Psf", "determinant_radius"],
            "sky_wcs": ["SkyWcs"],
            "span_set": ["Span", "SpanSet"],
            "visit_info": ["VisitInfo"],
        },
    )

__all__ = [
    "DEFAULT_MASK_PLANES",
    "ORIGIN",
    "ApCorrMap",
    "Box2I",
    "CcdInput",
    "ChebyshevBoundedField",
    "CoaddInputs",
    "CoaddPsf",
    "Exposure",
    "Extent2I",
    "FilterLabel",
    "Footprint",
    "GaussianPsf",
    "Image",
    "InvalidPsfError",
    "KernelPsf",
    "Mask",
    "MaskedImage",
    "Peak",
    "PhotoCalib",
    "Point2I",
    "Polygon",
    "Psf",
    "SkyWcs",
    "Span",
    "SpanSet",
    "VisitInfo",
    "VisitInput",
    "converted_pixels",
    "determinant_radius",
    "with_pixel_type",
]
