"""What a handler's own signature says: which payload it takes, and whether it is awaited."""

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from sea_mq.event import Event


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives something to await."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))


def payload_of(function: Callable[..., Any], *, many: bool, asked: bool) -> TypeAdapter[Any]:
    """What validates the payload that the function's second parameter is annotated with.

    Raises:
        TypeError: its signature does not fit; the message says what to write.
    """
    named = getattr(function, "__qualname__", repr(function))
    event = "events: list[Event[Model]]" if many else "event: Event[Model]"
    write = f"{named}: write it as (tx, {event}{', asked' if asked else ''}), with the payload's own model"
    try:
        signature = inspect.signature(function)
        signature.bind(*range(3 if asked else 2))
    except (TypeError, ValueError, NameError) as error:
        raise TypeError(f"{write}; {error}") from None
    parameter = list(signature.parameters.values())[1]
    annotation = _resolved(function, parameter.annotation, write)
    if many:
        annotation = get_args(annotation)[0] if get_origin(annotation) is list else None
    if get_origin(annotation) is not Event:
        raise TypeError(f"{write}; {parameter.name} is annotated with {_shown(parameter.annotation)}")
    (payload,) = get_args(annotation)
    try:
        return TypeAdapter(payload)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise TypeError(f"{write}; pydantic cannot validate {_shown(payload)}: {error}") from None


def _resolved(function: Callable[..., Any], annotation: Any, write: str) -> Any:
    """Annotations are text in a module with ``from __future__ import annotations``."""
    if not isinstance(annotation, str):
        return annotation
    whole = inspect.unwrap(function)
    whole = getattr(whole, "__func__", whole)
    try:
        known = inspect.getclosurevars(whole).nonlocals
        return eval(annotation, getattr(whole, "__globals__", {}), dict(known))
    except (NameError, AttributeError, TypeError) as error:
        raise TypeError(f"{write}; {annotation} cannot be resolved where it is written: {error}") from None


def _shown(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "nothing"
    return getattr(annotation, "__qualname__", None) or str(annotation)
