"""The commands: processCcd, makeSkyMap, makeCoaddTempExp and assembleCoadd."""

from __future__ import annotations

from .arguments import Gen2Parser
from .command import Gen2Command

__all__ = ["assemble_coadd", "make_coadd_temp_exp", "make_sky_map", "process_ccd"]

process_ccd = Gen2Command(
    Gen2Parser("processCcd", "Calibrate flattened detector images."), "task_commands:PROCESS_CCD"
)
make_sky_map = Gen2Command(
    Gen2Parser("makeSkyMap", "Register a sky map, or one tract around exposures."),
    "make_sky_map:register_gen2_sky_map",
)
make_coadd_temp_exp = Gen2Command(
    Gen2Parser("makeCoaddTempExp", "Resample exposures onto the patches of a sky map.", selects=True),
    "task_commands:MAKE_COADD_TEMP_EXP",
)
assemble_coadd = Gen2Command(
    Gen2Parser(
        "assembleCoadd",
        "Assemble warps into coadds; SafeClip, unless another task is chosen.",
        selects=True,
        meta=True,
    ),
    "task_commands:ASSEMBLE_COADD",
)
