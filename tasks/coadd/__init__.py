"""Coadd assembly: warps of many visits in, one deep image out."""

from typing import TYPE_CHECKING

from butler.late import late_names

if TYPE_CHECKING:
    from .artifact_filter import ArtifactRule, ArtifactTest, EpochLimits, Sign, judge_candidate
    from .assemble_coadd import AssembleCoaddTask
    from .assemble_coadd_config import AssembleCoaddConfig, AssembleCoaddConnections
    from .clip_aware_psf import ClipAwareCoaddPsf, psf_without_clipped
    from .clip_decision import ClipDecision, ClipRule, ClipThresholds, decide_clip, overlap_fractions
    from .clip_record import ClipRow, clip_record_table, spans_of_row, spans_of_visit
    from .coadd_base import CoaddBaseTask
    from .coadd_mask_planes import COADD_MASK_PLANES
    from .coadd_psf_config import CoaddPsfConfig
    from .compare_warp import CompareWarpAssembleCoaddTask
    from .compare_warp_config import CompareWarpAssembleCoaddConfig, CompareWarpAssembleCoaddConnections
    from .compare_warp_record import ArtifactRow, artifact_record_table
    from .input_map import CcdInputMap, HealSparseInputMapConfig, HealSparseInputMapTask
    from .interp_image import InterpImageConfig, InterpImageTask
    from .mask_streaks import Line, MaskStreaksConfig, MaskStreaksTask
    from .safe_clip import SafeClipAssembleCoaddTask
    from .safe_clip_config import SafeClipAssembleCoaddConfig, SafeClipAssembleCoaddConnections
    from .scale_variance import ScaleVarianceConfig, ScaleVarianceTask
    from .scale_zero_point import ImageScaler, ScaleZeroPointConfig, ScaleZeroPointTask
    from .statistics_control import StatisticsControl
    from .warp_comparison import WarpComparison
else:
    # A mean needs neither the tables of clipped coadds nor the finding of artifacts.
    __getattr__ = late_names(
        __name__,
        {
            "artifact_filter": ["ArtifactRule", "ArtifactTest", "EpochLimits", "Sign", "judge_candidate"],
            "assemble_coadd": ["AssembleCoaddTask"],
            "assemble_coadd_config": ["AssembleCoaddConfig", "AssembleCoaddConnections"],
            "clip_aware_psf": ["ClipAwareCoaddPsf", "psf_without_clipped"],
            "clip_decision": [
                "ClipDecision",
                "ClipRule",
                "ClipThresholds",
                "decide_clip",
                "overlap_fractions",
            ],
            "clip_record": ["ClipRow", "clip_record_table", "spans_of_row", "spans_of_visit"],
            "coadd_base": ["CoaddBaseTask"],
            "coadd_mask_planes": ["COADD_MASK_PLANES"],
            "coadd_psf_config": ["CoaddPsfConfig"],
            "compare_warp": ["CompareWarpAssembleCoaddTask"],
            "compare_warp_config": ["CompareWarpAssembleCoaddConfig", "CompareWarpAssembleCoaddConnections"],
            "compare_warp_record": ["ArtifactRow", "artifact_record_table"],
            "input_map": ["CcdInputMap", "HealSparseInputMapConfig", "HealSparseInputMapTask"],
            "interp_image": ["InterpImageConfig", "InterpImageTask"],
            "mask_streaks": ["Line", "MaskStreaksConfig", "MaskStreaksTask"],
            "safe_clip": ["SafeClipAssembleCoaddTask"],
            "safe_clip_config": ["SafeClipAssembleCoaddConfig", "SafeClipAssembleCoaddConnections"],
            "scale_variance": ["ScaleVarianceConfig", "ScaleVarianceTask"],
            "scale_zero_point": ["ImageScaler", "ScaleZeroPointConfig", "ScaleZeroPointTask"],
            "statistics_control": ["StatisticsControl"],
            "warp_comparison": ["WarpComparison"],
        },
    )

__all__ = [
    "COADD_MASK_PLANES",
    "ArtifactRow",
    "ArtifactRule",
    "ArtifactTest",
    "AssembleCoaddConfig",
    "AssembleCoaddConnections",
    "AssembleCoaddTask",
    "CcdInputMap",
    "ClipAwareCoaddPsf",
    "ClipDecision",
    "ClipRow",
    "ClipRule",
    "ClipThresholds",
    "CoaddBaseTask",
    "CoaddPsfConfig",
    "CompareWarpAssembleCoaddConfig",
    "CompareWarpAssembleCoaddConnections",
    "CompareWarpAssembleCoaddTask",
    "EpochLimits",
    "HealSparseInputMapConfig",
    "HealSparseInputMapTask",
    "ImageScaler",
    "InterpImageConfig",
    "InterpImageTask",
    "Line",
    "MaskStreaksConfig",
    "MaskStreaksTask",
    "SafeClipAssembleCoaddConfig",
    "SafeClipAssembleCoaddConnections",
    "SafeClipAssembleCoaddTask",
    "ScaleVarianceConfig",
    "ScaleVarianceTask",
    "ScaleZeroPointConfig",
    "ScaleZeroPointTask",
    "Sign",
    "StatisticsControl",
    "WarpComparison",
    "artifact_record_table",
    "clip_record_table",
    "decide_clip",
    "judge_candidate",
    "overlap_fractions",
    "psf_without_clipped",
    "spans_of_row",
    "spans_of_visit",
]
