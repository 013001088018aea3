"""select_labels: the tasks that a selection such as ``makeWarp..assembleCoadd`` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from butler.errors import did_you_mean

from .errors import PipelineError

__all__ = ["select_labels"]


def select_labels(selection: str, labels: Sequence[str], subsets: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the labels that a selection names, in the order of the pipeline.

    Parameters
    ----------
    selection
        Labels, names of subsets and ranges, joined by commas. A range ``a..b`` takes all tasks from one label
        to another in the order of the pipeline; ``a..`` and ``..b`` reach its end and its beginning.
    labels
        Labels of the pipeline, in order.
    subsets
        Labels by name of the subset.

    Raises
    ------
    PipelineError
        Raised for a name that there is not, or a range that runs backwards.
    """
    chosen: set[str] = set()
    for part in (text.strip() for text in selection.split(",")):
        first, dots, last = part.partition("..")
        if dots:
            begin = _position(first, labels) if first else 0
            end = _position(last, labels) if last else len(labels) - 1
            if begin > end:
                raise PipelineError(f"{part!r} runs backwards: {last} comes before {first}")
            chosen.update(labels[begin : end + 1])
        elif part in subsets:
            chosen.update(subsets[part])
        else:
            chosen.add(labels[_position(part, [*labels, *subsets])])
    return [label for label in labels if label in chosen]


def _position(name: str, known: Sequence[str]) -> int:
    if name not in known:
        raise PipelineError(f"no task {name!r}{did_you_mean(name, known)}")
    return known.index(name)
