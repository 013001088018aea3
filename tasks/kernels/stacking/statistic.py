"""The statistics that a stack can compute."""

from enum import StrEnum

_REFUSED = ("NOTHING", "ERROR", "ORMASK")


class Statistic(StrEnum):
    """One statistic of the good inputs of a pixel, by LSST's name.

    In the formulas ``s^2`` is the weighted sample variance with the reliability debias ``W^2 / (W^2 - W2)``,
    where ``W`` and ``W2`` are the sums of the weights and of their squares, and ``n`` is the number of good
    inputs. Of a single input ``s^2`` is 0 / 0: NaN, or infinite where rounding leaves more than 0.
    """

    MEAN = "MEAN"
    """Weighted mean; variance: squared error of the mean."""

    MEDIAN = "MEDIAN"
    """Unweighted median; variance: ``(pi / 2) s^2 / n``, whatever the error mode."""

    MEANCLIP = "MEANCLIP"
    """Weighted mean of the inputs that sigma clipping keeps; variance: squared error of that mean."""

    VARIANCE = "VARIANCE"
    """``s^2``; variance: ``2 (n - 1) s^4 / n^2``, NaN for one input."""

    VARIANCECLIP = "VARIANCECLIP"
    """``s^2`` of the inputs that sigma clipping keeps; variance: NaN."""

    STDEV = "STDEV"
    """Square root of VARIANCE; variance: 0, meaning no estimate."""

    STDEVCLIP = "STDEVCLIP"
    """Square root of VARIANCECLIP; variance: 0, meaning no estimate."""

    MIN = "MIN"
    """Smallest good input; variance: 0, meaning no estimate."""

    MAX = "MAX"
    """Largest good input; variance: 0, meaning no estimate."""

    SUM = "SUM"
    """Weighted sum; variance: 0, meaning no estimate."""

    IQRANGE = "IQRANGE"
    """Unweighted distance between the quartiles; variance: 0, meaning no estimate."""

    MEANSQUARE = "MEANSQUARE"
    """Weighted mean of the squares; variance: 0, meaning no estimate."""

    NPOINT = "NPOINT"
    """Number of good inputs; variance: 0, meaning no estimate."""

    @property
    def is_clipped(self) -> bool:
        """Whether the statistic is taken after clipping."""
        return self in (Statistic.MEANCLIP, Statistic.VARIANCECLIP, Statistic.STDEVCLIP)

    @classmethod
    def from_name(cls, name: str) -> "Statistic":
        """Find the statistic of a name.

        Parameters
        ----------
        name
            LSST's name, in capitals; a `Statistic` stands for itself.

        Raises
        ------
        ValueError
            If the name is unknown, or names something that a stack does not compute.
        """
        allowed = ", ".join(cls)
        if name in _REFUSED:
            raise ValueError(f"statistic {str(name)!r} cannot be stacked; use exactly one of {allowed}")
        try:
            return cls(name)
        except ValueError:
            raise ValueError(f"unknown statistic {name!r}; use exactly one of {allowed}") from None


STATISTIC_CODE = {statistic: code for code, statistic in enumerate(Statistic)}
"""The number by which compiled code knows a statistic."""
