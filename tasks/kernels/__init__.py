"""Arrays in, arrays out: the numerical loops, which know nothing of datasets or exposures."""

from typing import TYPE_CHECKING

from butler.late import late_names

if TYPE_CHECKING:
    from .detect import DetectedSet, Detections, Polarity, ThresholdType, detect_footprints
    from .differing import differing_pixels
    from .expected import Expectation, TemplateRows, difference_rows, expected_rows, knot_places, look_up
    from .fill_defects import filled_defects, narrow_defects
    from .interpolate import fallback_value, interpolate_rows, kriging_weights
    from .label import Components, components_of_pixels, find_components, label_components
    from .match_psf import MatchingKernel, match_residual, matching_kernel
    from .medians import slice_medians
    from .resample_planes import MaskedPlanes, map_nodes, resample, resample_image
    from .resampling_kernels import RESAMPLING_KERNELS, ResamplingKernel, lanczos_taps, resampling_kernel
    from .run_counts import LabelledRuns, count_in_runs
    from .sky_medians import cell_medians, template_lattice
    from .smooth import gaussian_kernel, kernel_width, smooth_gaussian, smooth_plane
    from .spline_surface import SplineTaps, spline_at, spline_rows
    from .stacking import (
        StackResult,
        Statistic,
        clipped_mean,
        mean_and_meanclip_stack,
        statistics_stack,
    )
    from .varying_convolution import convolve_varying, spread_bits
else:
    # Each loop that is imported takes a while; a task needs few of them.
    __getattr__ = late_names(
        __name__,
        {
            "detect": ["DetectedSet", "Detections", "Polarity", "ThresholdType", "detect_footprints"],
            "differing": ["differing_pixels"],
            "expected": [
                "Expectation",
                "TemplateRows",
                "difference_rows",
                "expected_rows",
                "knot_places",
                "look_up",
            ],
            "fill_defects": ["filled_defects", "narrow_defects"],
            "interpolate": ["fallback_value", "interpolate_rows", "kriging_weights"],
            "label": ["Components", "components_of_pixels", "find_components", "label_components"],
            "match_psf": ["MatchingKernel", "match_residual", "matching_kernel"],
            "medians": ["slice_medians"],
            "resample_planes": ["MaskedPlanes", "map_nodes", "resample", "resample_image"],
            "resampling_kernels": [
                "RESAMPLING_KERNELS",
                "ResamplingKernel",
                "lanczos_taps",
                "resampling_kernel",
            ],
            "run_counts": ["LabelledRuns", "count_in_runs"],
            "sky_medians": ["cell_medians", "template_lattice"],
            "smooth": ["gaussian_kernel", "kernel_width", "smooth_gaussian", "smooth_plane"],
            "spline_surface": ["SplineTaps", "spline_at", "spline_rows"],
            "stacking": [
                "StackResult",
                "Statistic",
                "clipped_mean",
                "mean_and_meanclip_stack",
                "statistics_stack",
            ],
            "varying_convolution": ["convolve_varying", "spread_bits"],
        },
    )

__all__ = [
    "RESAMPLING_KERNELS",
    "Components",
    "DetectedSet",
    "Detections",
    "Expectation",
    "LabelledRuns",
    "MaskedPlanes",
    "MatchingKernel",
    "Polarity",
    "ResamplingKernel",
    "SplineTaps",
    "StackResult",
    "Statistic",
    "TemplateRows",
    "ThresholdType",
    "cell_medians",
    "clipped_mean",
    "components_of_pixels",
    "convolve_varying",
    "count_in_runs",
    "detect_footprints",
    "difference_rows",
    "differing_pixels",
    "expected_rows",
    "fallback_value",
    "filled_defects",
    "find_components",
    "gaussian_kernel",
    "interpolate_rows",
    "kernel_width",
    "knot_places",
    "kriging_weights",
    "label_components",
    "lanczos_taps",
    "look_up",
    "map_nodes",
    "match_residual",
    "matching_kernel",
    "mean_and_meanclip_stack",
    "narrow_defects",
    "resample",
    "resample_image",
    "resampling_kernel",
    "slice_medians",
    "smooth_gaussian",
    "smooth_plane",
    "spline_at",
    "spline_rows",
    "spread_bits",
    "statistics_stack",
    "template_lattice",
]
