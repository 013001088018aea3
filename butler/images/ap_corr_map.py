"""ApCorrMap: how aperture corrections vary over an image."""

from __future__ import annotations

from .chebyshev_field import ChebyshevBoundedField

__all__ = ["ApCorrMap"]


class ApCorrMap(dict[str, ChebyshevBoundedField]):
    """Aperture corrections and their errors, by the name of the flux that they correct."""
