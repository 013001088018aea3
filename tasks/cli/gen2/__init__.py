"""The command lines of LSST's second generation."""

from .commands import assemble_coadd, make_coadd_temp_exp, make_sky_map, process_ccd

__all__ = ["assemble_coadd", "make_coadd_temp_exp", "make_sky_map", "process_ccd"]
