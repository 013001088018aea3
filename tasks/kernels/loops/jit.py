"""How the parts of compiled loops are compiled."""

from numba import njit

part = njit(error_model="numpy")
"""Compile a function into those that call it; dividing by zero gives NaN or infinity, as in numpy."""

fused_part = njit(error_model="numpy", fastmath={"contract"})
"""The same, but a product and a sum may be rounded once; NaN and infinity keep their meaning."""
