"""Task: a configured piece of work, and PipelineTask: one that a pipeline can run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from pydantic import Field

from butler.errors import did_you_mean
from butler.task_metadata import TaskMetadata
from connections.errors import ConfigError
from connections.task_class import load_task

from .command_line import CommandLine
from .config import Config, ConfigurableField
from .pipeline_task_config import PipelineTaskConfig
from .records import RunRecords
from .struct import Struct
from .timer import timed

__all__ = ["PipelineTask", "Task"]


class Task:
    """A configured piece of work with a name, a logger, metadata and subtasks.

    Parameters
    ----------
    config
        Settings; the defaults of `ConfigClass` if not given.
    name
        Name; the class's own if not given.
    parentTask
        The task that this one is part of.

    Raises
    ------
    TypeError
        Raised if the config is that of another task.
    """

    ConfigClass: ClassVar[type[Config]] = Config
    _DefaultName: ClassVar[str] = "task"
    canMultiprocess: ClassVar[bool] = True
    """Whether quanta of the task may run in several processes at once."""

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        self.config: Any = self.ConfigClass() if config is None else config
        self.check_config(self.config)
        self._name = name or self._DefaultName
        self._parent = parentTask
        self._subtasks: dict[str, Task] = {}
        self.metadata = TaskMetadata()
        self.log = logging.getLogger(self.getFullName())

    @classmethod
    def check_config(cls, config: Any) -> None:
        """Refuse the config of another task.

        Raises
        ------
        TypeError
            Raised with both classes.
        """
        if not isinstance(config, cls.ConfigClass):
            wanted, got = cls.ConfigClass.__name__, type(config).__name__
            raise TypeError(f"{cls.__name__} needs a {wanted}, not a {got}")

    @classmethod
    def makeField(cls, doc: str) -> Any:
        """Return a config field that holds this task as a retargetable subtask."""
        target = f"{cls.__module__}:{cls.__qualname__}"
        return Field(default_factory=lambda: ConfigurableField(target), description=doc)

    @classmethod
    def applyOverrides(cls, config: Any) -> None:
        """Change a config after the settings of the camera, and before those of pipelines and users.

        A subclass overrides it where a default depends on others that a camera sets.
        """

    def makeSubtask(self, name: str, *, methods: Sequence[str] = (), **kwargs: Any) -> None:
        """Make the subtask of config field ``name`` and keep it as the attribute of that name.

        Parameters
        ----------
        name
            Name of the field, and of the subtask.
        methods
            What this task calls of it, and so whatever it is retargeted to must have.
        **kwargs
            More arguments of the subtask's class.

        Raises
        ------
        ConfigError
            Raised if no field of that name holds a subtask, with the nearest that does, or if the subtask
            lacks one of the methods.
        """
        fields = {key: getattr(self.config, key) for key in type(self.config).model_fields}
        subtasks = [key for key, value in fields.items() if isinstance(value, ConfigurableField)]
        if name not in subtasks:
            hint = did_you_mean(name, subtasks) or "; it has none"
            raise ConfigError(f"{type(self.config).__name__} has no subtask {name!r}{hint}")
        field = fields[name]
        task_class = load_task(field.target)
        if missing := [method for method in methods if not callable(getattr(task_class, method, None))]:
            raise ConfigError(
                f"{type(self).__name__} needs a subtask {name!r} with the methods {', '.join(methods)}; "
                f"{field.target} has no {' and no '.join(missing)}"
            )
        task = task_class(config=field.value, name=name, parentTask=self, **kwargs)
        self._subtasks[name] = task
        setattr(self, name, task)

    def getName(self) -> str:
        """Return the name within the parent task."""
        return self._name

    def getFullName(self) -> str:
        """Return the names of all parents and this task, joined by periods."""
        return f"{self._parent.getFullName()}.{self._name}" if self._parent else self._name

    def getTaskDict(self) -> dict[str, Task]:
        """Return this task and all below it by full name."""
        tasks = {self.getFullName(): self}
        for subtask in self._subtasks.values():
            tasks.update(subtask.getTaskDict())
        return tasks

    def emptyMetadata(self) -> None:
        """Forget the metadata of this task and all below it."""
        for task in self.getTaskDict().values():
            task.metadata.clear()

    def getFullMetadata(self) -> TaskMetadata:
        """Return the metadata of this task and all below it; keys are ``top:sub.item``.

        A task without metadata has no branch.
        """
        tasks = self.getTaskDict().items()
        return TaskMetadata({n.replace(".", ":"): task.metadata for n, task in tasks if task.metadata})

    def getSchemaCatalogs(self) -> dict[str, Any]:
        """Return empty catalogs with the columns of what this task makes, by dataset type; here none."""
        return {}

    def getAllSchemaCatalogs(self) -> dict[str, Any]:
        """Return the `getSchemaCatalogs` of the top-level task and all below it."""
        top = self
        while top._parent is not None:
            top = top._parent
        return {
            name: catalog
            for task in top.getTaskDict().values()
            for name, catalog in task.getSchemaCatalogs().items()
        }

    def timer(self, name: str, logLevel: int = logging.DEBUG) -> AbstractContextManager[None]:
        """Have a block's clock, CPU time (s) and peak memory (kiB) at its start and end in the metadata.

        What it took is logged as well, at ``logLevel``. See `timed` for the keys, and `timeMethod` for whole
        methods.
        """
        return timed(name, self.metadata, self.log, logLevel)


class PipelineTask(Task, RunRecords, CommandLine):
    """A task whose inputs and outputs are connections.

    A subclass defines `run`, which gets inputs by connection name and returns a `Struct` with the
    outputs by connection name; it does no input or output itself.

    Parameters
    ----------
    config
        Settings; the defaults of `ConfigClass` if not given.
    initInputs
        Objects of the init inputs by connection; a task that declares some looks at them in its own
        ``__init__``.
    **names
        ``name`` and ``parentTask``, as for `Task`.
    """

    ConfigClass: ClassVar[type[Config]] = PipelineTaskConfig

    def __init__(
        self, config: Any = None, *, initInputs: Mapping[str, Any] | None = None, **names: Any
    ) -> None:
        super().__init__(config, **names)

    def getResourceConfig(self) -> Any:
        """Return the field ``resources`` of the config, if it has one."""
        return getattr(self.config, "resources", None)

    def run(self, *args: Any, **kwargs: Any) -> Struct:
        """Do the work; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} does not define run")

    def runQuantum(self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]) -> None:
        """Read the inputs of one quantum, run, and write the outputs.

        Parameters
        ----------
        butlerQC
            The quantum's butler: `get` and `put` for its own datasets only.
        inputRefs, outputRefs
            Dataset refs by connection name; a list where the connection is `multiple`.
        """
        butlerQC.put(self.run(**butlerQC.get(inputRefs)), outputRefs)
