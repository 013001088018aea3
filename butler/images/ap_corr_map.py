"""ApCorrMap: how aperture corrections vary over an image."""

from __future__ import annotations

from .bounded_field import BoundedField

__all__ = ["ApCorrMap"]


class ApCorrMap(dict[str, BoundedField]):
    """Aperture corrections and their errors, by the name of the flux that they correct."""
