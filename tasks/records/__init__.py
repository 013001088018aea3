"""What a run keeps once: configs, schemas, versions; and how it is compared."""

from .packages import PACKAGES, version_differences, versions_in_use
from .run_records import RunRecords
from .schema_differences import schema_differences

__all__ = ["PACKAGES", "RunRecords", "schema_differences", "version_differences", "versions_in_use"]
