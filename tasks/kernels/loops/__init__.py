"""Loops that numba compiles; `tasks.kernels.native_loop` finds their machine code, or imports them."""
