"""The options of a stack, checked once and in the form that compiled code takes."""

import math
import operator
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

_MASK_BITS = 32
IQR_TO_SIGMA = 0.741301109252802
"""Standard deviation of a normal distribution over its interquartile range."""


class StackRules(NamedTuple):
    """What the good inputs are, how they are weighted and clipped, and how the output mask is made."""

    weights: npt.NDArray[np.float64]
    """Weight of each image, already rounded to float32; shape ``(n,)``."""

    inverse_variance: bool
    """Whether a pixel's weight is 1 / variance instead of its image's weight."""

    and_mask: np.int32
    """Inputs with any of these bits are rejected."""

    nan_safe: bool
    """Whether non-finite inputs are rejected as well."""

    input_errors: bool
    """Whether the error of a mean comes from the input variances instead of the scatter."""

    num_sigma: float
    """Half-width of the clipping interval, in standard deviations."""

    num_iter: int
    """Number of clipping passes."""

    threshold_bits: npt.NDArray[np.int32]
    """Values of the bits that may come back from rejected inputs, shape ``(n_thresholds,)``."""

    thresholds: npt.NDArray[np.float64]
    """Share of the weight that inputs rejected with a bit must exceed; shape ``(n_thresholds,)``."""

    clipped: np.int32
    """Bits set where anything was clipped."""

    map_from: npt.NDArray[np.int32]
    """Bits looked for in all inputs where anything was rejected, shape ``(n_pairs,)``."""

    map_to: npt.NDArray[np.int32]
    """Bits set where bits of ``map_from`` were found, shape ``(n_pairs,)``."""

    no_good_pixels_mask: np.int32
    """Bits that replace those of good and rejected inputs where no input is good."""


def make_rules(
    weights: npt.ArrayLike | None,
    *,
    n_images: int,
    num_sigma: float,
    num_iter: int,
    and_mask: int,
    nan_safe: bool,
    weighted: bool,
    calc_error_from_input_variance: bool,
    mask_propagation_thresholds: Mapping[int, float] | None,
    clipped: int,
    mask_map: Sequence[tuple[int, int]],
    no_good_pixels_mask: int,
) -> StackRules:
    """Check the options of `statistics_stack`, which describes them.

    Raises
    ------
    ValueError
        If an option is out of its range; the message names the option and the value.
    """
    check_clipping(num_sigma, num_iter)
    inverse_variance = weighted and (weights is None or np.size(weights) == 0)
    rounded = np.ones(n_images)
    if weighted and not inverse_variance:
        rounded = _rounded_weights(cast(npt.ArrayLike, weights), n_images)
    ratio_below_one = not inverse_variance and bool(np.all(rounded >= 0))
    bits, thresholds = _thresholds(mask_propagation_thresholds or {}, ratio_below_one)
    map_from, map_to = _mask_map(mask_map)
    return StackRules(
        weights=rounded,
        inverse_variance=inverse_variance,
        and_mask=mask_value("and_mask", and_mask),
        nan_safe=bool(nan_safe),
        input_errors=bool(calc_error_from_input_variance),
        num_sigma=float(num_sigma),
        num_iter=operator.index(num_iter),
        threshold_bits=bits,
        thresholds=thresholds,
        clipped=mask_value("clipped", clipped),
        map_from=map_from,
        map_to=map_to,
        no_good_pixels_mask=mask_value("no_good_pixels_mask", no_good_pixels_mask),
    )


def check_clipping(num_sigma: float, num_iter: int) -> None:
    """Raise ValueError if clipping is impossible."""
    if not (math.isfinite(num_sigma) and num_sigma >= 0):
        raise ValueError(f"num_sigma must be finite and not negative, got {num_sigma!r}")
    if num_iter < 1:
        raise ValueError(f"num_iter must be at least 1, got {num_iter!r}")


def mask_value(option: str, value: int) -> np.int32:
    """Give the 32 bits of a mask value, which may be written signed or unsigned."""
    if not -(2**31) <= value < 2**32:
        raise ValueError(f"{option} must fit into 32 bits, got {value!r}")
    return np.int32(((operator.index(value) + 2**31) & 0xFFFFFFFF) - 2**31)


def _rounded_weights(weights: npt.ArrayLike, n_images: int) -> npt.NDArray[np.float64]:
    """Check the weights and round them to float32."""
    given = np.asarray(weights, np.float64)
    if given.shape != (n_images,):
        raise ValueError(f"weights must have shape ({n_images},), one per image, got {given.shape}")
    return given.astype(np.float32).astype(np.float64)


def _thresholds(
    thresholds: Mapping[int, float], ratio_below_one: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """List bit values and thresholds.

    LSST keeps thresholds as a list up to the highest bit named, with 1.0 for the others. A share of the
    weight can exceed 1.0 only if weights are negative; without these, thresholds from 1.0 on are left out.
    """
    for bit, threshold in thresholds.items():
        if not 0 <= bit < _MASK_BITS:
            raise ValueError(f"mask_propagation_thresholds has bit {bit!r}; bits are 0 to {_MASK_BITS - 1}")
        if not (math.isfinite(threshold) and threshold >= 0):
            raise ValueError(
                f"mask_propagation_thresholds[{bit}] must be finite and not negative, got {threshold!r}"
            )
    dense = [(bit, thresholds.get(bit, 1.0)) for bit in range(max(thresholds, default=-1) + 1)]
    kept = [(bit, threshold) for bit, threshold in dense if threshold < 1 or not ratio_below_one]
    values = [mask_value("bit", 1 << bit) for bit, _ in kept]
    return np.array(values, np.int32), np.array([threshold for _, threshold in kept], np.float64)


def _mask_map(pairs: Sequence[tuple[int, int]]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Split the pairs of the mask map."""
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"mask_map must be a list of (from, to) pairs, got {pairs!r}")
    table = [[mask_value("mask_map", value) for value in pair] for pair in pairs]
    map_from, map_to = np.array(table, np.int32).reshape(-1, 2).T.copy()
    return map_from, map_to
