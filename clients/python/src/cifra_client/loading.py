"""JSON into frozen dataclasses, by their type hints; fields that nobody asked for are left out."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from cifra_client.errors import UnexpectedResponse

_T = TypeVar("_T")


def json_field(key: str) -> Any:
    """A field that the JSON has under another name."""
    return field(metadata={"key": key})


def load(shape: type[_T], value: object) -> _T:
    """Make one of this dataclass from a JSON object. Raises UnexpectedResponse."""
    try:
        made = _object(shape, value)
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedResponse(f"not the {shape.__name__} of a Cifra: {error!r}") from error
    if not isinstance(made, shape):
        raise UnexpectedResponse(f"not a {shape.__name__}")
    return made


def _object(shape: Any, value: Any) -> Any:
    hints = get_type_hints(shape)
    return shape(
        **{
            each.name: _value(hints[each.name], value[_key(each)])
            for each in fields(shape)
            if _key(each) in value or each.default is MISSING
        }
    )


def _key(of: Field[Any]) -> str:
    return str(of.metadata.get("key", of.name))


def _value(hint: Any, value: Any) -> Any:
    """A value as its hint wants it. Raises KeyError, TypeError or ValueError."""
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
    """A number, a text or a flag; a whole number is a number too, a flag is none."""
    if hint is Any:
        return value
    wanted = (int, float) if hint is float else hint
    if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"{value!r} where a {hint.__name__} should be")
    return float(value) if hint is float else value
