"""Tables of several libraries: one kind as another, and parts of them."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .conversions import require_pyarrow, to_arrow, to_astropy, to_numpy, to_pandas
    from .parts import is_table, select_rows_and_columns, table_component, table_part
else:
    __getattr__ = late_names(
        __name__,
        {
            "conversions": ["require_pyarrow", "to_arrow", "to_astropy", "to_numpy", "to_pandas"],
            "parts": ["is_table", "select_rows_and_columns", "table_component", "table_part"],
        },
    )

__all__ = [
    "is_table",
    "require_pyarrow",
    "select_rows_and_columns",
    "table_component",
    "table_part",
    "to_arrow",
    "to_astropy",
    "to_numpy",
    "to_pandas",
]
