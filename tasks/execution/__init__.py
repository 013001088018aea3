"""Execution of quantum graphs."""

from .quantum_context import QuantumContext
from .run_quantum import QuantumJob, QuantumReport, QuantumStatus, run_quantum
from .runner import RunReport, run_graph

__all__ = [
    "QuantumContext",
    "QuantumJob",
    "QuantumReport",
    "QuantumStatus",
    "RunReport",
    "run_graph",
    "run_quantum",
]
