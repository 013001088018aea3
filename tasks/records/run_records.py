"""RunRecords: methods with which a task keeps its own records, as LSST's second-generation tasks do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from butler import DatasetType
from connections import ConfigRecord, Override

from ..data_ref import DataRef
from ..errors import RunConflictError, TaskError
from .packages import PACKAGES, version_differences, versions_in_use
from .schema_differences import schema_differences

if TYPE_CHECKING:
    from butler import Butler
    from butler.task_metadata import TaskMetadata

__all__ = ["RunRecords"]


class _Task(Protocol):
    """A task, as far as its records need it."""

    config: Any

    def getName(self) -> str:
        """Return the name."""

    def getFullMetadata(self) -> TaskMetadata:
        """Return the metadata of the task and all below it."""

    def getAllSchemaCatalogs(self) -> dict[str, Any]:
        """Return empty catalogs by dataset type."""


class RunRecords:
    """Writes config, schemas, versions and metadata of a task into the butler's run, for scripts.

    Runs of pipelines do the same in their init phase (`prepare_run`). What the run has already is compared;
    if it differs that is an error, or with `clobber` it is replaced. With `doBackup` what is replaced is kept
    in the run ``RUN.backup1``, or the first such number that is free: the highest number is the newest.
    """

    def writeConfig(self: _Task, butler: Butler, clobber: bool = False, doBackup: bool = True) -> None:
        """Write the config as ``NAME_config``, or compare it with the one that the run has.

        Raises
        ------
        RunConflictError
            Raised with the fields that differ, and who set them.
        TaskError
            Raised if the butler has no run to write to.
        """
        name, run = self.getName(), _run_of(butler)
        task_class = f"{type(self).__module__}:{type(self).__qualname__}"
        # Nobody wrote down who set them.
        history = (Override(field, value, "a script") for field, value in self.config.changes().items())
        record = ConfigRecord(name, task_class, self.config.to_simple(), tuple(history))

        def differences(known: Mapping[str, Any]) -> list[str]:
            return ConfigRecord.from_simple(name, known).differences(record, run)

        kind = DatasetType(f"{name}_config", (), "Config")
        _keep(butler, kind, record.to_simple(), differences, clobber=clobber, backup=doBackup)

    def writeSchemas(self: _Task, butler: Butler, clobber: bool = False, doBackup: bool = True) -> None:
        """Write each of `getAllSchemaCatalogs` as ``DATASETTYPE_schema``; see `writeConfig`."""
        for name, catalog in self.getAllSchemaCatalogs().items():
            kind = DatasetType(f"{name}_schema", (), "AstropyTable")

            def differences(known: Any, catalog: Any = catalog) -> list[str]:
                return schema_differences(known, catalog)

            _keep(butler, kind, catalog, differences, clobber=clobber, backup=doBackup)

    def writePackageVersions(
        self: _Task,
        butler: Butler,
        clobber: bool = False,
        doBackup: bool = True,
        dataset: str = PACKAGES.name,
    ) -> None:
        """Write the versions of all packages as ``dataset``; new ones are added. See `writeConfig`."""
        _run_of(butler)
        kind = DatasetType(dataset, PACKAGES.dimensions, PACKAGES.storageClass_name)
        butler.registry.registerDatasetType(kind)
        versions = versions_in_use([f"{type(self).__module__}:{type(self).__qualname__}"])
        ref = butler.find_dataset(kind.name, collections=butler.run)
        known: dict[str, str] = {} if ref is None else butler.get(ref)
        differing = version_differences(known, versions)
        extended = {**known, **versions}
        if ref is not None and not differing and extended != known:
            _replace(butler, ref, extended, kind)
            return
        _keep(butler, kind, extended, lambda _: differing, clobber=clobber, backup=doBackup)

    def writeMetadata(self: _Task, dataRef: DataRef) -> None:
        """Write the metadata of the task and all below it as ``NAME_metadata``, in place of what is there.

        Parameters
        ----------
        dataRef
            What the task worked on, and where to write; the dimensions are those of the task's connections.

        Raises
        ------
        TaskError
            Raised if there is no run to write to.
        """
        kind = DatasetType(
            f"{self.getName()}_metadata", self.config.resolved_connections().dimensions, "TaskMetadata"
        )
        dataRef.replace(self.getFullMetadata(), kind)


def _run_of(butler: Butler) -> str:
    if butler.run is None:
        raise TaskError("the butler has no run to write to; open it with Butler(REPO, run=RUN)")
    return butler.run


def _keep(
    butler: Butler,
    kind: DatasetType,
    value: Any,
    differences: Callable[[Any], list[str]],
    *,
    clobber: bool,
    backup: bool,
) -> None:
    """Write a dataset of the run as a whole, or compare it with the one that is there."""
    run = _run_of(butler)
    butler.registry.registerDatasetType(kind)
    ref = butler.find_dataset(kind.name, collections=run)
    if ref is None:
        butler.put(value, kind)
        return
    known = butler.get(ref)
    lines = differences(known)
    if not lines:
        return
    if not clobber:
        told = "\n".join(lines)
        raise RunConflictError(
            f"run {run!r} has another {kind.name}:\n{told}\nuse a new run, or replace it (clobber=True)"
        )
    if backup:
        butler.put(known, kind, run=_free_run(butler, run))
    _replace(butler, ref, value, kind)


def _free_run(butler: Butler, run: str) -> str:
    taken = set(butler.collections.query("*"))
    number = 1
    while f"{run}.backup{number}" in taken:
        number += 1
    name = f"{run}.backup{number}"
    butler.registry.registerRun(name)
    return name


def _replace(butler: Butler, ref: Any, value: Any, kind: DatasetType) -> None:
    with butler.transaction():
        butler.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
        butler.put(value, kind, ref.dataId)
