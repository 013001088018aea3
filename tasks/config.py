"""Config: the checked settings of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from butler.errors import ButlerUserError, did_you_mean
from connections.errors import ConfigError
from connections.overrides import flat_fields
from connections.task_class import load_task

__all__ = ["Config", "ConfigurableField"]


class Config(BaseModel):
    """Settings of a task, checked whenever they change.

    An unknown field is refused with the nearest known name, as is a value of the wrong type and a number
    that is not finite.

    Examples
    --------
    >>> class BlurConfig(Config):
    ...     sigma: float = 1.5
    >>> BlurConfig().updated({"sigma": 2.0}).sigma
    2.0
    """

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, validate_default=True, allow_inf_nan=False
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _config_error(type(self), error) from None

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise _config_error(type(self), error, name) from None

    def setDefaults(self) -> None:
        """Change defaults of inherited fields; called before any value is applied."""

    @model_validator(mode="wrap")
    @classmethod
    def _defaults_first(cls, values: Any, handler: Any) -> Self:
        """Apply the given values over what `setDefaults` leaves."""
        if not isinstance(values, Mapping) or cls.setDefaults is Config.setDefaults:
            return handler(values)  # type: ignore[no-any-return]
        instance: Self = handler({})
        instance.setDefaults()
        merged = {name: getattr(instance, name) for name in cls.model_fields}
        return handler({**merged, **values})  # type: ignore[no-any-return]

    def changes(self) -> dict[str, Any]:
        """Return the plain values that differ from the defaults, by field path."""
        defaults = dict(flat_fields(type(self)().to_simple()))
        return {
            field: value
            for field, value in flat_fields(self.to_simple())
            if field not in defaults or defaults[field] != value
        }

    def updated(self, overrides: Mapping[str, Any]) -> Self:
        """Return a copy with overrides applied in order.

        One that is right only beside a later one, as the lower of two limits that are both raised, comes
        after it.

        Parameters
        ----------
        overrides
            Values by field path, ``"clipDetection.thresholdValue": 3``; nested mappings are allowed.
            ``"clipDetection.target": "module:Class"`` retargets a subtask.

        Raises
        ------
        ConfigError
            Raised if a field does not exist or a value does not fit.
        """
        copy = self.model_copy(deep=True)
        _apply_all(partial(_apply, copy), overrides)
        return copy

    def to_simple(self) -> dict[str, Any]:
        """Return plain values that JSON and YAML can hold."""
        return self.model_dump(mode="json")


class ConfigurableField(BaseModel):
    """A subtask that can be replaced: which task, and its config.

    Fields of the subtask's config are read through this object (``config.clipDetection.thresholdValue``).

    Parameters
    ----------
    target
        The task, ``"package.module:Class"``.
    value
        Its config; the class's defaults if not given.
    """

    model_config = ConfigDict(extra="forbid")

    target: str
    value: SerializeAsAny[Config] = Field(default_factory=Config)

    def __init__(self, target: str, value: Config | Mapping[str, Any] | None = None, **extra: Any) -> None:
        config_class = load_task(target).ConfigClass
        if value is None:
            value = config_class()
        elif isinstance(value, Mapping):
            value = config_class().updated(value)
        super().__init__(target=target, value=value, **extra)

    @model_validator(mode="wrap")
    @classmethod
    def _from_mapping(cls, values: Any, handler: Any) -> Self:
        """Find the config class of a target that comes as plain values."""
        if isinstance(values, Mapping) and not isinstance(values.get("target"), str):
            raise ValueError("a subtask needs its target, 'package.module:Class'")
        if isinstance(values, Mapping) and isinstance(values.get("value"), Mapping):
            return cls(values["target"], values["value"])
        return handler(values)  # type: ignore[no-any-return]

    def retarget(self, target: str) -> None:
        """Replace the subtask by another task with its default config."""
        replacement = ConfigurableField(target)
        self.target = replacement.target
        self.value = replacement.value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("target", "value"):
            return super().__getattr__(name)  # type: ignore[misc]
        return getattr(self.value, name)


def _apply_all(apply: Callable[[list[str], Any], None], values: Mapping[str, Any]) -> None:
    """Set fields in order, those that were refused once more after the others."""
    left = dict(values)
    while left:
        refused: dict[str, ConfigError] = {}
        for path, value in left.items():
            try:
                apply(path.split("."), value)
            except ConfigError as error:
                refused[path] = error
        if len(refused) == len(left):
            raise next(iter(refused.values()))
        left = {path: left[path] for path in refused}


def _apply(config: Config, path: list[str], value: Any) -> None:
    """Set one field, walking down into nested configs and subtasks."""
    name, *rest = path
    if name not in type(config).model_fields:
        raise _unknown_field(type(config), name)
    current = getattr(config, name)
    if isinstance(current, ConfigurableField):
        _apply_to_subtask(current, rest, value)
    elif isinstance(current, Config) and (rest or isinstance(value, Mapping)):
        _apply_all(partial(_apply, current), {".".join(rest): value} if rest else value)
    elif isinstance(current, dict) and rest:
        setattr(config, name, {**current, ".".join(rest): value})
    elif rest:
        raise ConfigError(f"{type(config).__name__}.{name} has no field {rest[0]!r}: it is a plain value")
    else:
        setattr(config, name, value)


def _apply_to_subtask(field: ConfigurableField, path: list[str], value: Any) -> None:
    if path == ["target"]:
        field.retarget(value)
    elif path[:1] == ["value"] and "value" not in type(field.value).model_fields:
        # As `Config.to_simple` writes it.
        _apply_to_subtask(field, path[1:], value)
    elif path:
        _apply(field.value, path, value)
    elif isinstance(value, Mapping):
        _apply_all(partial(_apply_to_subtask, field), value)
    else:
        raise ConfigError(f"a subtask is set field by field or by .target, not to {value!r}")


def _unknown_field(cls: type[Config], name: str) -> ConfigError:
    return ConfigError(f"{cls.__name__} has no field {name!r}{did_you_mean(name, cls.model_fields)}")


def _config_error(cls: type[Config], error: ValidationError, name: str | None = None) -> ConfigError:
    """Say the first fault that pydantic found in one line."""
    fault = error.errors(include_url=False)[0]
    location = [str(part) for part in fault["loc"]] or ([name] if name else [])
    if fault["type"] in ("extra_forbidden", "no_such_attribute"):
        return _unknown_field(cls, location[-1])
    where = ".".join([cls.__name__, *location])
    if isinstance(cause := fault.get("ctx", {}).get("error"), ButlerUserError):
        return ConfigError(f"{where}: {cause}")
    reason = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"] and fault["type"] == "value_error":
        # What several fields together cannot be: the reason says it, the whole config would not.
        return ConfigError(f"{where}: {reason}")
    return ConfigError(f"{where} cannot be {fault['input']!r}: {reason}")
