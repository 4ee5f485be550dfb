"""Field types that request bodies share.

A field's description doubles as its error message: "FIELD must be DESCRIPTION".
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema

from app.domain.credentials import MAX_EMAIL


def _integral_float_to_int(value: object) -> object:
    """Convert 5.0 to 5: JSON has one number type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digit_string_to_int(value: object) -> object:
    return int(value) if isinstance(value, str) and value in _DIGITS else value


def _legacy_flag_to_bool(value: object) -> object:
    return _FLAGS[value] if isinstance(value, int | str) and value in _FLAGS else value


_DIGITS = frozenset("0123456789")
_FLAGS: dict[object, bool] = {0: False, 1: True, "false": False, "true": True}

Text = Annotated[str, Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
EmailText = Annotated[
    str, Field(description="text", json_schema_extra={"format": "email", "maxLength": MAX_EMAIL})
]
Flag = StrictBool
ACCEPT_INTEGRAL_FLOAT = BeforeValidator(_integral_float_to_int)
Digit = Annotated[int, Field(strict=True, ge=0, le=9), ACCEPT_INTEGRAL_FLOAT]
LegacyDigit = Annotated[
    Digit,
    BeforeValidator(_digit_string_to_int),
    WithJsonSchema({"enum": [*range(10), *sorted(_DIGITS)]}),
]
"""A digit, also as a string; old clients send both."""
LegacyFlag = Annotated[
    Flag, BeforeValidator(_legacy_flag_to_bool), WithJsonSchema({"enum": [False, True, *_FLAGS]})
]
"""A boolean, also as 0, 1 or a string; old clients send all of them."""

DIGIT_FIELD = Field(description="a whole number from 0 to 9")
FLAG_FIELD = Field(description="true or false")
