"""Execution of quantum graphs."""

from .executor import Executor
from .in_process import InProcessExecutor
from .init_outputs import InitOptions, PreparedRun, prepare_run
from .interruption import StopNow
from .make_task import make_task
from .quantum_context import ExecutionResources, QuantumContext
from .quantum_job import QuantumJob, RunSetup
from .quantum_report import QuantumReport
from .quantum_status import QuantumCaveats, QuantumStatus
from .run_options import RunListener, RunOptions, StartMethod
from .run_progress import RunProgress
from .run_quantum import run_quantum
from .run_report import RunReport
from .runner import run_graph
from .scheduler import Scheduler
from .worker_pool import WorkerPool

__all__ = [
    "ExecutionResources",
    "Executor",
    "InProcessExecutor",
    "InitOptions",
    "PreparedRun",
    "QuantumCaveats",
    "QuantumContext",
    "QuantumJob",
    "QuantumReport",
    "QuantumStatus",
    "RunListener",
    "RunOptions",
    "RunProgress",
    "RunReport",
    "RunSetup",
    "Scheduler",
    "StartMethod",
    "StopNow",
    "WorkerPool",
    "make_task",
    "prepare_run",
    "run_graph",
    "run_quantum",
]
