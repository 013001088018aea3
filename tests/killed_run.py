"""A coordinator to be killed: goes on with a run until all is done."""

from __future__ import annotations

import sys
from pathlib import Path

from toy_pipeline import toy_graph_pipeline

from butler import Butler
from connections import build_graph
from tasks.execution import RunOptions, run_graph

__all__ = ["RUN"]

RUN = "out"


def main(root: Path, processes: int, pause: float) -> int:
    """Do what is not done yet; return the exit status of the run."""
    with Butler(root, writeable=True) as butler:
        graph = build_graph(
            toy_graph_pipeline(pause),
            butler,
            collections=["in"],
            run=RUN,
            skip_existing=True,
            clobber_outputs=True,
        )
        options = RunOptions(retries=1000, retry_pause=0.0)
        return run_graph(graph, butler, processes=processes, options=options).exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
