"""In-memory values: boxes, images, masks, exposures and what they carry."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .ap_corr_map import ApCorrMap
    from .bounded_field import BoundedField
    from .chebyshev_field import ChebyshevBoundedField
    from .coadd_bounded_field import CoaddBoundedField, coadd_ap_corr_map
    from .coadd_inputs import CcdInput, CoaddInputs, VisitInput
    from .coadd_psf import CoaddPsf
    from .coadd_transmission_curve import CoaddTransmissionCurve
    from .exposure import Exposure
    from .filter_label import FilterLabel
    from .footprint import Footprint, Peak
    from .geometry import ORIGIN, Box2I, Extent2I, Point2I
    from .image import Image
    from .mask import DEFAULT_MASK_PLANES, Mask
    from .masked_image import MaskedImage
    from .moments import Moments, adaptive_moments
    from .photo_calib import PhotoCalib
    from .pixel_types import converted_pixels, with_pixel_type
    from .polygon import Polygon
    from .polynomial_psf import PolynomialPsf, PsfexPsf, polynomial_terms
    from .projection_cards import is_wcs_card
    from .psf import GaussianPsf, InvalidPsfError, KernelPsf, Psf, determinant_radius
    from .sky_wcs import SkyWcs
    from .span_set import Span, SpanSet
    from .summary_stats import ExposureSummaryStats
    from .transmission_curve import TransmissionCurve
    from .visit_info import VisitInfo
else:
    __getattr__ = late_names(
        __name__,
        {
            "ap_corr_map": ["ApCorrMap"],
            "bounded_field": ["BoundedField"],
            "chebyshev_field": ["ChebyshevBoundedField"],
            "coadd_bounded_field": ["CoaddBoundedField", "coadd_ap_corr_map"],
            "coadd_inputs": ["CcdInput", "CoaddInputs", "VisitInput"],
            "coadd_psf": ["CoaddPsf"],
            "coadd_transmission_curve": ["CoaddTransmissionCurve"],
            "exposure": ["Exposure"],
            "filter_label": ["FilterLabel"],
            "footprint": ["Footprint", "Peak"],
            "geometry": ["ORIGIN", "Box2I", "Extent2I", "Point2I"],
            "image": ["Image"],
            "mask": ["DEFAULT_MASK_PLANES", "Mask"],
            "masked_image": ["MaskedImage"],
            "moments": ["Moments", "adaptive_moments"],
            "photo_calib": ["PhotoCalib"],
            "pixel_types": ["converted_pixels", "with_pixel_type"],
            "polygon": ["Polygon"],
            "polynomial_psf": ["PolynomialPsf", "PsfexPsf", "polynomial_terms"],
            "psf": ["GaussianPsf", "InvalidPsfError", "KernelPsf", "Psf", "determinant_radius"],
            "projection_cards": ["is_wcs_card"],
            "sky_wcs": ["SkyWcs"],
            "span_set": ["Span", "SpanSet"],
            "summary_stats": ["ExposureSummaryStats"],
            "transmission_curve": ["TransmissionCurve"],
            "visit_info": ["VisitInfo"],
        },
    )

__all__ = [
    "DEFAULT_MASK_PLANES",
    "ORIGIN",
    "ApCorrMap",
    "BoundedField",
    "Box2I",
    "CcdInput",
    "ChebyshevBoundedField",
    "CoaddBoundedField",
    "CoaddInputs",
    "CoaddPsf",
    "CoaddTransmissionCurve",
    "Exposure",
    "ExposureSummaryStats",
    "Extent2I",
    "FilterLabel",
    "Footprint",
    "GaussianPsf",
    "Image",
    "InvalidPsfError",
    "KernelPsf",
    "Mask",
    "MaskedImage",
    "Moments",
    "Peak",
    "PhotoCalib",
    "Point2I",
    "Polygon",
    "PolynomialPsf",
    "Psf",
    "PsfexPsf",
    "SkyWcs",
    "Span",
    "SpanSet",
    "TransmissionCurve",
    "VisitInfo",
    "VisitInput",
    "adaptive_moments",
    "coadd_ap_corr_map",
    "converted_pixels",
    "determinant_radius",
    "is_wcs_card",
    "polynomial_terms",
    "with_pixel_type",
]
