"""TaskMetadata: what a task tells of its own work, as a tree of named values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence, Set
from typing import Any, Final, Self, TypeAlias

__all__ = ["TaskMetadata"]

Scalar: TypeAlias = str | bool | int | float
_KINDS: Final = (str, bool, int, float)


class TaskMetadata(MutableMapping[str, Any]):
    """Named values and lists of them, in a tree whose branches have names too, as in LSST.

    A key is a path, with periods between its names: ``md["assembleCoadd:interpImage.runStartCpuTime"]`` is
    the value ``runStartCpuTime`` of the branch ``assembleCoadd:interpImage``. A value is a text, a number or
    a truth value; `add` makes a list of what is there, and ``md[key]`` is the last member of a list,
    `getArray` is all of it. Members of a list are of one type; integers beside numbers with a fraction become
    such.

    Parameters
    ----------
    values
        Values by key; a mapping makes a branch, a sequence makes a list.

    Raises
    ------
    TypeError
        Raised for a value that is none of these.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._own: dict[str, Any] = {}
        self.update(values or {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the tree of nested dictionaries."""
        return cls(values)

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries, which JSON can hold."""
        return {name: _plain(value) for name, value in self._own.items()}

    def __getitem__(self, key: str) -> Any:
        value = self._found(key)
        if not isinstance(value, list):
            return value
        if not value:
            raise KeyError(f"{key!r} is an empty list; getArray returns it")
        return value[-1]

    def __setitem__(self, key: str, value: Any) -> None:
        branch, name = self._branch(key)
        branch._own[name] = _checked(key, value)

    def __delitem__(self, key: str) -> None:
        self._found(key)
        branch, name = self._branch(key)
        del branch._own[name]

    def __contains__(self, key: object) -> bool:
        try:
            self._found(str(key))
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TaskMetadata):
            return self._own == other._own
        return isinstance(other, Mapping) and self.to_dict() == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def update(self, values: Any = (), /, **named: Any) -> None:
        """Set several values; those of another tree are all of their lists."""
        pairs = values.items() if isinstance(values, Mapping) else values
        for key, value in (*pairs, *named.items()):
            self[key] = value

    def __ior__(self, values: Mapping[str, Any]) -> Self:
        self.update(values)
        return self

    def __repr__(self) -> str:
        return f"TaskMetadata({self.to_dict()!r})"

    def getArray(self, key: str) -> list[Scalar]:
        """Return all members of a list, a new one; of a single value, a list with that.

        Raises
        ------
        KeyError
            Raised if there is no such key, or if it is a branch.
        """
        value = self._found(key)
        if isinstance(value, TaskMetadata):
            raise KeyError(f"{key!r} is a branch; get_dict returns it")
        return list(value) if isinstance(value, list) else [value]

    def getScalar(self, key: str) -> Any:
        """Return a single value, or the last member of a list; the same as ``md[key]``."""
        return self[key]

    def add(self, name: str, value: Scalar | Sequence[Scalar]) -> None:
        """Put a value, or several, behind those that are there.

        Raises
        ------
        TypeError
            Raised if they are of another type than those that are there.
        """
        if name not in self:
            self[name] = value
            return
        added = _checked(name, value)
        if isinstance(added, TaskMetadata):
            raise TypeError(f"{name!r} cannot be added: a branch is set, not added to")
        self[name] = [*self.getArray(name), *(added if isinstance(added, list) else [added])]

    def set_dict(self, key: str, nested: Mapping[str, Any]) -> None:
        """Set a branch to the values of nested dictionaries."""
        self[key] = dict(nested)

    def get_dict(self, key: str) -> dict[str, Any]:
        """Return a branch as nested dictionaries.

        Raises
        ------
        KeyError
            Raised if there is no such key, or if it is no branch.
        """
        value = self._found(key)
        if not isinstance(value, TaskMetadata):
            raise KeyError(f"{key!r} is no branch but a value")
        return value.to_dict()

    def names(self) -> Set[str]:
        """Return the paths of all values and branches."""
        found: set[str] = set()
        for name, value in self._own.items():
            found.add(name)
            if isinstance(value, TaskMetadata):
                found |= {f"{name}.{inner}" for inner in value.names()}
        return found

    def items(self) -> Any:
        """Return names and values of this level; lists are whole."""
        return self._own.items()

    def values(self) -> Any:
        """Return the values of this level; lists are whole."""
        return self._own.values()

    def _found(self, key: str) -> Any:
        value: Any = self
        for name in key.split("."):
            if not isinstance(value, TaskMetadata) or name not in value._own:
                raise KeyError(key)
            value = value._own[name]
        return value

    def _branch(self, key: str) -> tuple[TaskMetadata, str]:
        """Return the branch that a key lies in, made if need be, and its name there."""
        if not isinstance(key, str) or not all(key.split(".")):
            raise KeyError(f"a key is names with periods between them, not {key!r}")
        *path, name = key.split(".")
        branch = self
        for part in path:
            inner = branch._own.setdefault(part, TaskMetadata())
            if not isinstance(inner, TaskMetadata):
                raise KeyError(f"{key!r} cannot be set: {part!r} is a value, no branch")
            branch = inner
        return branch, name


def _checked(key: str, value: Any) -> Any:
    """Return a value as the tree keeps it."""
    if isinstance(value, Mapping):
        # The names are those of this branch; one with a period in it is a path.
        return TaskMetadata(dict(value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        members = [_scalar(key, member) for member in value]
        kinds = {type(member) for member in members}
        if kinds == {int, float}:
            return [float(member) for member in members]
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"{key!r}: members of a list are of one type, not {names}")
        return members
    return _scalar(key, value)


def _scalar(key: str, value: Any) -> Any:
    # Numbers of numpy are as good; an array is none.
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    for kind in _KINDS:
        # Also members of an enumeration and others that are one of these with more to them.
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    raise TypeError(
        f"{key!r} cannot be {value!r:.60}, a {type(value).__name__}: metadata are texts, numbers, truth "
        "values, lists of them and mappings"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, TaskMetadata):
        return value.to_dict()
    return list(value) if isinstance(value, list) else value
