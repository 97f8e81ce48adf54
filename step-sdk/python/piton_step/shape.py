"""Owns how an input is checked against a dataclass, so that a step reads `order.quantity` and a wrong
input ends as a permanent, clean failure `bad-input` that names the field.
Never guesses: a number in a text is no number.

    @dataclass
    class Order:
        sku: str
        quantity: int
        note: str | None = None

    def execute(ctx, input):
        order = read(Order, input)
"""

import dataclasses
import types
import typing

from .failure import Failure

_NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number",
          bool: "true or false", type(None): "null"}


def read(kind, value):
    """Returns the value as the dataclass `kind`. Fields that it does not have are ignored."""
    return _read(kind, value, "")


def _read(kind, value, path):
    if kind is typing.Any:
        return value
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_union(parts, value, path)
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, value, path)
    _check(origin or kind, value, path)
    if origin is list:
        return [_read(parts[0], item, f"{path}[{index}]") for index, item in enumerate(value)]
    if origin is dict:
        return {key: _read(parts[1], item, _join(path, key)) for key, item in value.items()}
    return float(value) if kind is float else value


def _read_union(kinds, value, path):
    if value is None and type(None) in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not type(None)]
    for kind in kinds[:-1]:
        try:
            return _read(kind, value, path)
        except Failure:
            continue
    return _read(kinds[-1], value, path)


def _read_fields(kind, value, path):
    _check(dict, value, path)
    hints = typing.get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            found[field.name] = _read(hints[field.name], value[field.name], _join(path, field.name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _bad(f"missing field `{_join(path, field.name)}`")
    return kind(**found)


def _check(kind, value, path):
    # In Python true is a number; in JSON it is none.
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float:
        fits = is_number
    elif kind is int:
        fits = is_number and isinstance(value, int)
    else:
        fits = isinstance(value, kind)
    if not fits:
        place = f"field `{path}`" if path else "the input"
        raise _bad(f"{place} must be {_NAMES.get(kind, kind.__name__)}, and is {_NAMES[type(value)]}")


def _join(path, name):
    return f"{path}.{name}" if path else name


def _bad(message):
    return Failure.permanent("bad-input", message, clean=True)
