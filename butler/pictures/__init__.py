"""Pictures of images and maps of the sky."""

from .drawing import (
    Picture,
    draw_image,
    draw_picture,
    new_figure_class,
    save_figure,
    sky_axes,
)
from .healpix_maps import rasterize_map
from .mask_overlay import MASK_COLORS
from .scaling import STRETCHES, Scaling, scale_limits
from .sky_outline import SkyOutline

__all__ = [
    "MASK_COLORS",
    "STRETCHES",
    "Picture",
    "Scaling",
    "SkyOutline",
    "draw_image",
    "draw_picture",
    "new_figure_class",
    "rasterize_map",
    "save_figure",
    "scale_limits",
    "sky_axes",
]
