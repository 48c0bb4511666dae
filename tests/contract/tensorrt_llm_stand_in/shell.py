"""What every generated class is made of: arguments checked and recorded, then the behaviour, or a plain record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour_of
from tests.contract.tensorrt_llm_stand_in.signature import Argument, Overload, acceptable, bind

if TYPE_CHECKING:
    from tests.contract.tensorrt_llm_stand_in.library import Library
    from tests.contract.tensorrt_llm_stand_in.spec import Attribute, Spec


class Shell:
    """An object of the library."""

    _spec: ClassVar[Spec]
    _library: ClassVar[Library]
    _values: dict[str, Any]
    _behaviour: Any

    def __init__(self, *positional: Any, **keywords: Any) -> None:
        spec, library = type(self)._spec, type(self)._library
        _start(self)
        if spec.kind == "pydantic":
            keywords = _known(spec, keywords)
        if not spec.constructors:
            raise TypeError(f"{spec.symbol}: No constructor defined!")
        try:
            bound = library.bind(spec.symbol, spec.constructors, positional, keywords)
        except TypeError as error:
            if spec.kind == "pydantic" and not positional:
                raise ValueError(f"1 validation error for {spec.name}: {error}") from None
            raise
        library.recorder.add(
            spec.symbol, "__init__", {k: v for k, v in bound.items() if k in keywords or positional}
        )
        self._values.update({name: value for name, value in bound.items() if name in spec.attributes})
        for name, attribute in spec.attributes.items():
            if name not in self._values and attribute.default not in (None, "<required>"):
                self._values[name] = library.default(attribute.default)
        implementation = behaviour_of(spec.symbol)
        if implementation is not None:
            context = Context(library, spec.symbol, type(self), self)
            object.__setattr__(self, "_behaviour", implementation(context, **bound))

    def __setattr__(self, name: str, value: Any) -> None:
        spec = type(self)._spec
        attribute = spec.attributes.get(name)
        if attribute is None:
            if hasattr(self._behaviour, "set_other"):
                self._behaviour.set_other(name, value)
                return
            raise AttributeError(f"'{spec.name}' object has no attribute {name!r}")
        if attribute.read_only:
            raise AttributeError(f"property {name!r} of {spec.name!r} object has no setter")
        _check(spec, attribute, value, type(self)._library)
        if keeps(self._behaviour, name):
            setattr(self._behaviour, name, value)
        else:
            self._values[name] = value

    def __getattr__(self, name: str) -> Any:
        spec = type(self)._spec
        other = getattr(self._behaviour, "get_other", None)
        if name not in spec.attributes and other is not None and not name.startswith("_"):
            return other(name)
        raise AttributeError(f"'{spec.name}' object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"{type(self)._spec.name}({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"

    def __eq__(self, other: object) -> bool:
        if type(self)._spec.kind in ("dataclass", "pydantic") and type(other) is type(self):
            return bool(self._plain() == other._plain())
        return self is other

    __hash__ = object.__hash__

    def _plain(self) -> dict[str, Any]:
        """The attributes, for the record of calls."""
        values = dict(self._values)
        plain = getattr(self._behaviour, "plain", None)
        return {**values, **plain()} if plain is not None else values


def blank(cls: type[Shell], values: dict[str, Any]) -> Shell:
    """Return an object whose constructor was not called, for what only the library makes."""
    shell = cls.__new__(cls)
    _start(shell)
    shell._values.update({name: value for name, value in values.items() if name in cls._spec.attributes})
    return shell


def _start(shell: Shell) -> None:
    object.__setattr__(shell, "_values", {})
    object.__setattr__(shell, "_behaviour", None)


def _known(spec: Spec, keywords: dict[str, Any]) -> dict[str, Any]:
    names = {argument.name for overload in spec.constructors for argument in overload.arguments}
    unknown = [name for name in keywords if name not in names]
    if unknown and spec.extra == "forbid":
        raise ValueError(f"1 validation error for {spec.name}: {unknown[0]}: Extra inputs are not permitted")
    return {name: value for name, value in keywords.items() if name in names}


def _check(spec: Spec, attribute: Attribute, value: Any, library: Library) -> None:
    argument = Argument(attribute.name, attribute.annotation, attribute.default)
    allowed = attribute.allowed is None or any(
        value is a or (type(a) is type(value) and a == value) for a in attribute.allowed
    )
    if acceptable(value, argument, library.find(spec.symbol)) and allowed:
        return
    wanted = attribute.annotation if attribute.allowed is None else f"one of {list(attribute.allowed)}"
    text = f"{spec.name}.{attribute.name} must be {wanted}, not {type(value).__name__} {value!r}"
    if spec.kind == "pydantic":
        raise ValueError(f"1 validation error for {text}")
    raise (AssertionError if attribute.allowed is not None else TypeError)(text)


def keeps(behaviour: Any, name: str) -> bool:
    """Say whether a behaviour has an attribute of its own, as a property or as a plain one."""
    return behaviour is not None and (
        hasattr(type(behaviour), name) or name in getattr(behaviour, "__dict__", ())
    )


def attribute_property(name: str) -> property:
    """Return the descriptor of an attribute: the behaviour's where it has one of that name, else the value kept."""

    def read(self: Shell) -> Any:
        if keeps(self._behaviour, name):
            return getattr(self._behaviour, name)
        return self._values.get(name)

    return property(read)


def method(spec: Spec, name: str, overloads: tuple[Overload, ...]) -> Callable[..., Any]:
    """Return an instance method of a class."""

    def call(self: Shell, *positional: Any, **keywords: Any) -> Any:
        library = type(self)._library
        if name == "__exit__":
            names = [argument.name for argument in overloads[0].arguments]
            keywords, positional = dict(zip(names, positional, strict=True)), ()
        bound = library.bind(f"{spec.name}.{name}", overloads, positional, keywords)
        if name not in getattr(self._behaviour, "quiet", ()):
            library.recorder.add(spec.symbol, name, bound if positional else {k: bound[k] for k in keywords})
        implementation = getattr(self._behaviour, name, None)
        if implementation is not None:
            return implementation(**bound)
        return self if name in ("__enter__", "__aiter__", "__iter__") else None

    call.__name__ = name
    call.__doc__ = "\n".join(f"{name}{overload}" for overload in overloads)
    return call


def class_method(spec: Spec, name: str, overloads: tuple[Overload, ...]) -> Any:
    """Return a class or static method of a class."""

    def call(cls: type[Shell], *positional: Any, **keywords: Any) -> Any:
        library = cls._library
        bound = library.bind(f"{cls._spec.name}.{name}", overloads, positional, keywords)
        library.recorder.add(cls._spec.symbol, name, bound if positional else {k: bound[k] for k in keywords})
        implementation = getattr(behaviour_of(cls._spec.symbol), name, None)
        if implementation is None:
            raise NotImplementedError(f"{cls._spec.symbol}.{name}")
        return implementation(Context(library, cls._spec.symbol, cls), **bound)

    call.__name__ = name
    return classmethod(call)


__all__ = ["Shell", "attribute_property", "blank", "bind", "class_method", "method"]
