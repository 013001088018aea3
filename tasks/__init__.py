"""Tasks that warp exposures and assemble coadds, what tasks are made of, and the runner of both."""

from typing import TYPE_CHECKING

from butler.late import late_names

if TYPE_CHECKING:
    from .config import Config, ConfigurableField
    from .data_ref import DataRef
    from .pipeline_task_config import PipelineTaskConfig
    from .struct import Struct
    from .task import PipelineTask, Task
    from .timer import timeMethod
else:
    __getattr__ = late_names(
        __name__,
        {
            "config": ["Config", "ConfigurableField"],
            "data_ref": ["DataRef"],
            "pipeline_task_config": ["PipelineTaskConfig"],
            "struct": ["Struct"],
            "task": ["PipelineTask", "Task"],
            "timer": ["timeMethod"],
        },
    )

__all__ = [
    "Config",
    "ConfigurableField",
    "DataRef",
    "PipelineTask",
    "PipelineTaskConfig",
    "Struct",
    "Task",
    "timeMethod",
]
