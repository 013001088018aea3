"""Tables of one library as those of another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..errors import ButlerUserError, StorageClassError

if TYPE_CHECKING:
    import numpy as np
    import pandas
    import pyarrow
    from astropy.table import Table
    from numpy.typing import NDArray

__all__ = ["require_pyarrow", "to_arrow", "to_astropy", "to_numpy", "to_pandas"]


def require_pyarrow() -> Any:
    """Import pyarrow.

    Raises
    ------
    ButlerUserError
        Raised with the command that installs it.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ButlerUserError(
            "tables in parquet need pyarrow; install it with `pip install 'coadd-butler[parquet]'`"
        ) from error
    return pyarrow


def to_astropy(table: Any) -> Table:
    """Return an astropy table of an arrow table, a structured array or a pandas frame.

    Raises
    ------
    StorageClassError
        Raised if the table has no form in the other library; so do the other functions.
    """
    from astropy.table import Table

    if isinstance(table, Table):
        return table
    if _is(table, "pandas", "DataFrame"):
        return Table.from_pandas(table, index=bool(table.index.name))
    if _is(table, "pyarrow", "Table"):
        from .arrow import arrow_to_astropy

        return arrow_to_astropy(table)
    return Table(_structured(table))


def to_arrow(table: Any) -> pyarrow.Table:
    """Return an arrow table of an astropy table, a structured array or a pandas frame.

    Raises
    ------
    ButlerUserError
        Raised if pyarrow is not installed.
    """
    require_pyarrow()
    if _is(table, "pyarrow", "Table"):
        return table
    if _is(table, "pandas", "DataFrame"):
        import pyarrow as pa

        return pa.Table.from_pandas(table)
    from .arrow import astropy_to_arrow

    return astropy_to_arrow(to_astropy(table))


def to_numpy(table: Any) -> NDArray[np.void]:
    """Return a structured array of a table of another kind; no value may be missing."""
    import numpy as np

    known = to_astropy(table)
    if any(np.ma.is_masked(column) for column in known.itercols()):
        raise StorageClassError("a structured array has no missing values, this table does")
    return np.ma.getdata(known.as_array())


def to_pandas(table: Any) -> pandas.DataFrame:
    """Return a pandas frame of an arrow or astropy table or a structured array.

    Raises
    ------
    ButlerUserError
        Raised if pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ButlerUserError("a DataFrame needs pandas; install it with `pip install pandas`") from error
    if isinstance(table, pd.DataFrame):
        return table
    return to_arrow(table).to_pandas()


def _structured(table: Any) -> NDArray[np.void]:
    import numpy as np

    if not isinstance(table, np.ndarray) or table.dtype.names is None or table.ndim != 1:
        raise StorageClassError(f"a {type(table).__name__} without named columns is no table")
    return table


def _is(obj: object, module: str, name: str) -> bool:
    """Tell whether an object is of a type of a library that nobody may have imported."""
    pytype = getattr(sys.modules.get(module), name, None)
    return pytype is not None and isinstance(obj, pytype)
