"""Stacking images pixel by pixel into a statistic, with LSST's rules for masks, weights and errors."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..native_loop import NativeLoop
from ..threads import in_threads
from .clip_block import new_clip_block
from .mean_block import new_mean_block
from .outputs import Outputs, Target, check_target, new_target
from .planes import PlanesLike, PlaneTable, readable_planes
from .rules import StackRules, make_rules
from .scratch import new_scratch
from .statistic import STATISTIC_CODE, Statistic

_STRIP_ROWS = 16  # enough to make the start of a strip cheap, few enough to keep all threads busy

_clip_rows = NativeLoop("tasks.kernels.stacking.clip_rows", "clip_rows")
_mean_rows = NativeLoop("tasks.kernels.stacking.mean_rows", "mean_rows")
_stack_rows = NativeLoop("tasks.kernels.stacking.stack_rows", "stack_rows")


class StackResult(NamedTuple):
    """A stacked image; all planes have the shape ``(n_y, n_x)`` of one input and belong to the caller."""

    image: npt.NDArray[np.float32]
    """The statistic; NaN where no input is good."""

    variance: npt.NDArray[np.float32]
    """Variance of the statistic as `Statistic` defines it; NaN where no input is good."""

    mask: npt.NDArray[np.int32]
    """Output mask."""

    n_image: npt.NDArray[np.int32]
    """Number of inputs without any bit of ``and_mask``. NaN and later clipping are not considered."""


def statistics_stack(
    images: PlanesLike,
    variances: PlanesLike,
    masks: PlanesLike,
    weights: npt.ArrayLike | None,
    *,
    statistic: str,
    num_sigma: float = 3.0,
    num_iter: int = 2,
    and_mask: int = 0,
    nan_safe: bool = True,
    weighted: bool = True,
    calc_error_from_input_variance: bool = True,
    mask_propagation_thresholds: Mapping[int, float] | None = None,
    clipped: int = 0,
    mask_map: Sequence[tuple[int, int]] = (),
    no_good_pixels_mask: int = 256,
    target: Target | None = None,
) -> StackResult:
    """Stack images into one statistic of the good inputs of each pixel.

    An input is good if its mask has no bit of ``and_mask`` and, with ``nan_safe``, its value is finite; its
    variance is never tested. Sums are float64, in list order, and rounded to float32 once at the end, so that
    results equal those of LSST's ``statisticsStack`` in every bit. Rows are shared out among as many threads
    as ``numba.get_num_threads`` says.

    Parameters
    ----------
    images, variances
        The images to stack and their variances: float32 arrays of shape ``(n, n_y, n_x)``, or ``n`` arrays of
        shape ``(n_y, n_x)``. They may be views into mapped files, of either byte order, and are read in
        place.
    masks
        Their masks, likewise, of type int32.
    weights
        One weight per image, in list order; rounded to float32. None or an empty list gives each pixel the
        weight 1 / variance. Weights are not tested: a good input with weight 0 counts as an input.
    statistic
        Which statistic; see `Statistic`.
    num_sigma
        Half-width of the clipping interval, in standard deviations.
    num_iter
        Number of clipping passes, the first about the median.
    and_mask
        Bits that reject an input.
    nan_safe
        Whether to reject values that are not finite.
    weighted
        Whether to use weights; without, all weights are 1 and ``weights`` is ignored.
    calc_error_from_input_variance
        Whether the variance of a mean comes from the input variances, or else from the scatter of the inputs.
    mask_propagation_thresholds
        For a bit *number*: set that bit in the output where the inputs rejected with it have more than this
        share of the weight of themselves and the good inputs.
    clipped
        Bits to set where clipping removed anything.
    mask_map
        Pairs of bits (from, to): where any input is rejected, and any input, good or not, has bits of
        ``from``, set the bits of ``to``.
    no_good_pixels_mask
        Bits that a pixel without any good input has instead of those from good and rejected inputs.
    target
        Image, variance and mask to write to: arrays of the shape of an input, in this machine's byte order,
        without gaps between the pixels of a row; new ones if None.

    Returns
    -------
    StackResult
        The stacked image; its planes are those of the target.

    Raises
    ------
    ValueError
        If there are no images or no pixels, if numbers, shapes or types of planes and weights do not agree,
        if the statistic is not one of `Statistic`, or if another option is out of its range.
    """
    planes = _matching_planes(images, variances, masks)
    rules = make_rules(
        weights,
        n_images=len(planes[0]),
        num_sigma=num_sigma,
        num_iter=num_iter,
        and_mask=and_mask,
        nan_safe=nan_safe,
        weighted=weighted,
        calc_error_from_input_variance=calc_error_from_input_variance,
        mask_propagation_thresholds=mask_propagation_thresholds,
        clipped=clipped,
        mask_map=mask_map,
        no_good_pixels_mask=no_good_pixels_mask,
    )
    shape = planes[0][0].shape
    if target is not None:
        check_target(target, shape)
    [result] = _stack(planes, rules, [Statistic.from_name(statistic)], [target or new_target(shape)])
    return result


def mean_and_meanclip_stack(
    images: PlanesLike,
    variances: PlanesLike,
    masks: PlanesLike,
    weights: npt.ArrayLike | None,
    *,
    num_sigma: float = 3.0,
    num_iter: int = 2,
    and_mask: int = 0,
    nan_safe: bool = True,
    weighted: bool = True,
    calc_error_from_input_variance: bool = True,
    mask_propagation_thresholds: Mapping[int, float] | None = None,
    clipped: int = 0,
    mask_map: Sequence[tuple[int, int]] = (),
    no_good_pixels_mask: int = 256,
    targets: tuple[Target, Target] | None = None,
) -> tuple[StackResult, StackResult]:
    """Stack images into MEAN and MEANCLIP, reading each input once.

    Parameters are those of `statistics_stack`, and so are the errors; ``targets`` are those of both results.

    Returns
    -------
    mean, meanclip : StackResult
        Equal in every bit to what two calls of `statistics_stack` give. ``n_image`` is one array, shared by
        both.
    """
    planes = _matching_planes(images, variances, masks)
    rules = make_rules(
        weights,
        n_images=len(planes[0]),
        num_sigma=num_sigma,
        num_iter=num_iter,
        and_mask=and_mask,
        nan_safe=nan_safe,
        weighted=weighted,
        calc_error_from_input_variance=calc_error_from_input_variance,
        mask_propagation_thresholds=mask_propagation_thresholds,
        clipped=clipped,
        mask_map=mask_map,
        no_good_pixels_mask=no_good_pixels_mask,
    )
    shape = planes[0][0].shape
    for target in targets or ():
        check_target(target, shape)
    own = targets or (new_target(shape), new_target(shape))
    mean, meanclip = _stack(planes, rules, [Statistic.MEAN, Statistic.MEANCLIP], own)
    return mean, meanclip


def _matching_planes(
    images: PlanesLike, variances: PlanesLike, masks: PlanesLike
) -> tuple[list[npt.NDArray[Any]], ...]:
    """Check that there are pixels, and as many planes of each kind, all of one shape."""
    kinds = {
        "image": readable_planes(images, "image", np.float32),
        "variance": readable_planes(variances, "variance", np.float32),
        "mask": readable_planes(masks, "mask", np.int32),
    }
    if not kinds["image"]:
        raise ValueError("no images to stack: got an empty list, expected at least one image")
    shape = kinds["image"][0].shape
    if 0 in shape:
        raise ValueError(f"image 0 has no pixels: its shape is {shape}")
    for kind, planes in kinds.items():
        if len(planes) != len(kinds["image"]):
            raise ValueError(
                f"got {len(kinds['image'])} images, but the number of planes of kind {kind} is {len(planes)}"
            )
        for i, plane in enumerate(planes):
            if plane.shape != shape:
                raise ValueError(f"{kind} {i} has shape {plane.shape}, but image 0 has {shape}")
    return tuple(kinds.values())


def _stack(
    planes: tuple[list[npt.NDArray[Any]], ...],
    rules: StackRules,
    statistics: Sequence[Statistic],
    targets: Sequence[Target],
) -> list[StackResult]:
    """Compute statistics in one pass over the pixels, in strips of rows that threads take one by one."""
    shape = planes[0][0].shape
    n_image = np.empty(shape, np.int32)
    outputs = Outputs.from_planes(targets, n_image)
    table = PlaneTable.from_planes(planes)
    codes = np.array([STATISTIC_CODE[statistic] for statistic in statistics], np.int64)
    usual = rules.nan_safe and rules.input_errors and not rules.inverse_variance

    def stack_strip(y_begin: int) -> None:
        y_end = min(y_begin + _STRIP_ROWS, shape[0])
        if usual and statistics == [Statistic.MEAN]:
            _mean_rows(table, rules, new_mean_block(rules), outputs, y_begin, y_end)
        elif usual and statistics in ([Statistic.MEANCLIP], [Statistic.MEAN, Statistic.MEANCLIP]):
            block, clip = new_mean_block(rules), new_clip_block(rules.weights.size, shape[1])
            _clip_rows(table, rules, len(statistics) == 2, block, clip, outputs, y_begin, y_end)
        else:
            _stack_rows(table, rules, codes, new_scratch(rules, shape[1]), outputs, y_begin, y_end)

    in_threads(stack_strip, range(0, shape[0], _STRIP_ROWS))
    return [StackResult(*target, n_image) for target in targets]
