"""Conversion of JSON to frozen dataclasses by their type hints; unknown fields are ignored."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from cifra_client.errors import UnexpectedResponse

_T = TypeVar("_T")


def json_field(key: str) -> Any:
    """Declare a field that has another name in the JSON."""
    return field(metadata={"key": key})


def load(dataclass_type: type[_T], value: object) -> _T:
    """Convert a JSON object to this dataclass. Raises UnexpectedResponse."""
    try:
        loaded = _object(dataclass_type, value)
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedResponse(f"not a valid {dataclass_type.__name__}: {error!r}") from error
    if not isinstance(loaded, dataclass_type):
        raise UnexpectedResponse(f"not a {dataclass_type.__name__}")
    return loaded


def _object(dataclass_type: Any, value: Any) -> Any:
    hints = get_type_hints(dataclass_type)
    return dataclass_type(
        **{
            each.name: _value(hints[each.name], value[_key(each)])
            for each in fields(dataclass_type)
            if _key(each) in value or each.default is MISSING
        }
    )


def _key(of: Field[Any]) -> str:
    return str(of.metadata.get("key", of.name))


def _value(hint: Any, value: Any) -> Any:
    """Convert a value to its type hint. Raises KeyError, TypeError or ValueError."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        others = [part for part in parts if part is not types.NoneType]
        return None if value is None else _value(others[0], value)
    if origin is tuple:
        return tuple(_value(parts[0], part) for part in value)
    if origin is Mapping:
        return {str(key): _value(parts[1], part) for key, part in value.items()}
    if is_dataclass(hint):
        return _object(hint, value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    return _scalar(hint, value)


def _scalar(hint: Any, value: Any) -> Any:
    """Convert a number, string or bool; an int is accepted as a float, a bool as neither."""
    if hint is Any:
        return value
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"{value!r} instead of a {hint.__name__}")
    return float(value) if hint is float else value
