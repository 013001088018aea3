"""How the parts of compiled loops are compiled."""

from numba import njit

part = njit(error_model="numpy")
"""Compile a function into those that call it; dividing by zero gives NaN or infinity, as in numpy."""
