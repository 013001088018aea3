"""Pictures of images and maps of the sky."""

from .depth_map import DEPTH_KINDS, depth_map, write_depth_map
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
from .sky_frame import SkyFrame
from .sky_outline import SkyOutline
from .sky_picture import BAND_STYLES, SkyPicture, draw_sky

__all__ = [
    "BAND_STYLES",
    "DEPTH_KINDS",
    "MASK_COLORS",
    "STRETCHES",
    "Picture",
    "Scaling",
    "SkyFrame",
    "SkyOutline",
    "SkyPicture",
    "depth_map",
    "draw_image",
    "draw_picture",
    "draw_sky",
    "new_figure_class",
    "rasterize_map",
    "save_figure",
    "scale_limits",
    "sky_axes",
    "write_depth_map",
]
