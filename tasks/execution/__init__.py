"""Execution of quantum graphs."""

from .init_outputs import InitOptions, PreparedRun, prepare_run
from .make_task import make_task
from .quantum_context import QuantumContext
from .run_quantum import QuantumJob, QuantumReport, QuantumStatus, run_quantum
from .runner import RunReport, run_graph

__all__ = [
    "InitOptions",
    "PreparedRun",
    "QuantumContext",
    "QuantumJob",
    "QuantumReport",
    "QuantumStatus",
    "RunReport",
    "make_task",
    "prepare_run",
    "run_graph",
    "run_quantum",
]
