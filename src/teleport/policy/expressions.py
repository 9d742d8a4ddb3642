"""Expressions: a parsed text under a language, compiled to nested closures and run over a scope of named values.

Mistakes (an unknown name or function, a wrong number or kind of arguments, a bad pattern) are found when it is
compiled and told with their column. Running may still fail with BadParameter where a function cannot read a value;
whoever asks decides what that means: an allow that fails does not allow, a deny that fails denies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from teleport.foundation.errors import BadParameter
from teleport.policy import patterns
from teleport.policy.grammar import (
    Both,
    Call,
    Compare,
    Either,
    Index,
    Literal,
    Member,
    Name,
    Node,
    Not,
    dotted,
    parse,
    problem,
)
from teleport.policy.languages import Function, Language
from teleport.policy.shapes import (
    LIST,
    NUMBER,
    OPEN,
    TEXT,
    TRUTH,
    AnyShape,
    Fields,
    MapOf,
    Shape,
    as_list,
    as_text,
    below,
    describe,
    equal,
    has_member,
    member,
)

Scope: TypeAlias = Mapping[str, object]
Run: TypeAlias = Callable[[Scope], object]


class Expression:
    """A condition. `labels` are the label keys it reads, None when it may read any."""

    __slots__ = ("_run", "is_constant", "labels", "language", "text")

    def __init__(self, text: str, language: Language, constants: Scope | None = None) -> None:
        """`constants` are names known beforehand (the user, mostly), folded in. Raises BadParameter."""
        compiler = _Compiler(text, language, constants or {})
        part = compiler.compile(parse(text))
        if part.shape not in (TRUTH, OPEN):
            raise problem(text, 1, f"the {language.name} must be true or false, not a {describe(part.shape)}")
        self.text = text
        self.language = language
        self.labels = None if compiler.reads_any_label else frozenset(compiler.label_keys)
        self.is_constant = part.is_constant
        self._run = part.run

    def holds(self, scope: Scope) -> bool:
        """Raises BadParameter when a function cannot read a value."""
        return self._run(scope) is True


class Value:
    """An expression that gives a value of one of `shapes` (a map, a list, a text)."""

    __slots__ = ("_run", "shape", "text")

    def __init__(self, text: str, language: Language, shapes: tuple[AnyShape, ...]) -> None:
        """Raises BadParameter."""
        part = _Compiler(text, language, {}).compile(parse(text))
        if part.shape not in shapes and part.shape is not OPEN:
            wanted = " or ".join(dict.fromkeys(describe(shape) for shape in shapes))
            raise problem(text, 1, f"the {language.name} must give a {wanted}, not a {describe(part.shape)}")
        self.text = text
        self.shape = part.shape
        self._run = part.run

    def of(self, scope: Scope) -> object:
        """Raises BadParameter when a function cannot read a value."""
        return self._run(scope)


def check(text: str, language: Language) -> None:
    """Raises BadParameter, with the column, for an expression that cannot be used."""
    Expression(text, language)


class _Part(NamedTuple):
    shape: AnyShape
    run: Run
    is_constant: bool


class _Compiler:
    def __init__(self, text: str, language: Language, constants: Scope) -> None:
        self._text = text
        self._language = language
        self._constants = constants
        self._compiled: dict[int, _Part] = {}
        self.label_keys: set[str] = set()
        self.reads_any_label = False

    def compile(self, node: Node) -> _Part:
        """Each node once, however often it is looked at: the trees of long chains would take for ever otherwise."""
        found = self._compiled.get(id(node))
        if found is None:
            found = self._compiled[id(node)] = self._compile(node)
        return found

    def _compile(self, node: Node) -> _Part:
        match node:
            case Literal(value=value):
                shape = TRUTH if isinstance(value, bool) else TEXT if isinstance(value, str) else NUMBER
                return _Part(shape, lambda _scope: value, True)
            case Name():
                return self._name(node)
            case Member() | Index():
                return self._lookup(node)
            case Call():
                return self._call(node)
            case Not(operand=operand):
                part = self._truth(operand)
                return self._fold(TRUTH, lambda scope: part.run(scope) is not True, part)
            case Compare():
                return self._compare(node)
            case Both(operands=operands):
                return self._junction([self._truth(operand) for operand in operands], stops_at=False)
            case Either(operands=operands):
                return self._junction([self._truth(operand) for operand in operands], stops_at=True)

    def _mistake(self, node: Node, what: str) -> BadParameter:
        return problem(self._text, node.column, f"{what} ({self._language.name})")

    def _fold(self, shape: AnyShape, run: Run, *parts: _Part) -> _Part:
        """What depends on constants alone is run once, now."""
        if not all(part.is_constant for part in parts):
            return _Part(shape, run, False)
        value = run({})
        return _Part(shape, lambda _scope: value, True)

    def _name(self, node: Name) -> _Part:
        name = node.name
        shape = self._language.names.get(name)
        if shape is None:
            known = ", ".join(self._language.names)
            raise self._mistake(node, f"unknown name {name!r}, expected one of {known}")
        if name == "labels":
            self.reads_any_label = True
        if name in self._constants:
            value = self._constants[name]
            return _Part(shape, lambda _scope: value, True)
        return _Part(shape, lambda scope: scope.get(name, ""), False)

    def _lookup(self, node: Member | Index) -> _Part:
        label = self._label(node)
        if label is not None:
            return label
        base = self.compile(node.base)
        if isinstance(node, Index) and not (isinstance(node.key, Literal) and isinstance(node.key.value, str)):
            return self._computed_lookup(node, base)
        name = node.name if isinstance(node, Member) else str(node.key.value)  # type: ignore[union-attr]
        shape = below(base.shape, name)
        if shape is None:
            raise self._mistake(node, self._no_field(node, base.shape, name))
        missing: object = () if shape is LIST else ""
        return self._fold(shape, lambda scope: member(base.run(scope), name, missing), base)

    def _no_field(self, node: Member | Index, shape: AnyShape, name: str) -> str:
        known = f", expected one of {', '.join(shape.names)}" if isinstance(shape, Fields) else ""
        return f"{dotted(node.base) or 'the value'} has no field {name!r}{known}"

    def _computed_lookup(self, node: Index, base: _Part) -> _Part:
        if not isinstance(base.shape, MapOf) and base.shape is not OPEN:
            raise self._mistake(node, "only maps can be asked for a computed key")
        key = self._argument(node.key, TEXT)
        shape = base.shape.values if isinstance(base.shape, MapOf) else OPEN
        missing: object = () if shape is LIST else ""
        return self._fold(shape, lambda scope: member(base.run(scope), as_text(key.run(scope)), missing), base, key)

    def _label(self, node: Member | Index) -> _Part | None:
        """`labels.x` and `labels["x"]`, the most frequent of all, without a detour."""
        if not (isinstance(node.base, Name) and node.base.name == "labels" and "labels" in self._language.names):
            return None
        key = node.name if isinstance(node, Member) else node.key.value if isinstance(node.key, Literal) else None
        if not isinstance(key, str):
            return None
        self.label_keys.add(key)
        return _Part(TEXT, lambda scope: scope["labels"].get(key, ""), False)  # type: ignore[attr-defined]

    def _truth(self, node: Node) -> _Part:
        part = self.compile(node)
        if part.shape not in (TRUTH, OPEN):
            raise self._mistake(node, f"expected something true or false, found a {describe(part.shape)}")
        return part

    def _junction(self, parts: list[_Part], stops_at: bool) -> _Part:
        runs = tuple(part.run for part in parts)

        def run(scope: Scope) -> bool:
            for one in runs:
                if (one(scope) is True) is stops_at:
                    return stops_at
            return not stops_at

        return self._fold(TRUTH, run, *parts)

    def _compare(self, node: Compare) -> _Part:
        left, right = self.compile(node.left), self.compile(node.right)
        for part in (left, right):
            if not isinstance(part.shape, Shape) or (part.shape is LIST and not self._language.compares_lists):
                raise self._mistake(node, f"a {describe(part.shape)} cannot be compared, use contains")
        if left.shape is not right.shape and OPEN not in (left.shape, right.shape):
            raise self._mistake(node, f"a {describe(left.shape)} is never equal to a {describe(right.shape)}")
        a, b, wanted = left.run, right.run, node.is_equal
        if left.shape is TEXT and right.shape is TEXT:
            return self._fold(TRUTH, lambda scope: (a(scope) == b(scope)) is wanted, left, right)
        return self._fold(TRUTH, lambda scope: equal(a(scope), b(scope)) is wanted, left, right)

    # calls

    def _call(self, node: Call) -> _Part:
        name = dotted(node.callee)
        if name in self._language.special:
            return self._special(name, node)
        function = self._language.functions.get(name)
        arguments = node.arguments
        if function is None and isinstance(node.callee, Member) and node.callee.name in self._language.methods:
            name = self._method(node.callee)
            function = self._language.functions.get(name)
            arguments = (node.callee.base, *arguments)
        if function is None:
            known = ", ".join(sorted({*self._language.functions, *self._language.special}))
            raise self._mistake(node, f"unknown function {name or '?'!r}, expected one of {known}")
        self._count(node, name, function, len(arguments))
        wanted = [*function.parameters, *[function.rest or OPEN] * (len(arguments) - len(function.parameters))]
        # where a text in makes a text out, the first goes in as it is
        first = [self._texts(arguments[0])] if function.result is None else []
        rest = zip(arguments[len(first) :], wanted[len(first) :], strict=True)
        parts = [*first, *(self._argument(argument, shape) for argument, shape in rest)]
        self._check_pattern(name, arguments)
        return self._application(node, function, parts)

    def _method(self, callee: Member) -> str:
        """Methods of maps have names of their own where others have methods that are called alike."""
        of_map = f"dict.{callee.name}"
        is_map = of_map in self._language.functions and isinstance(self.compile(callee.base).shape, MapOf)
        return of_map if is_map else callee.name

    def _count(self, node: Call, name: str, function: Function, given: int) -> None:
        least = len(function.parameters)
        if given < least or (given > least and function.rest is None):
            more = " or more" if function.rest else ""
            raise self._mistake(node, f"{name} takes {least}{more} arguments, {given} are given")

    def _check_pattern(self, name: str, arguments: tuple[Node, ...]) -> None:
        if not name.startswith("regexp.") or not isinstance(arguments[1], Literal):
            return
        pattern = str(arguments[1].value)
        try:
            patterns.matcher(pattern) if name == "regexp.match" else patterns.regex(pattern)
        except BadParameter as refused:
            raise self._mistake(arguments[1], refused.message) from None

    def _application(self, node: Call, function: Function, parts: list[_Part]) -> _Part:
        call, runs = function.call, tuple(part.run for part in parts)
        if function.result is not None:
            shape: AnyShape = function.result
            run: Run = lambda scope: call(*[one(scope) for one in runs])  # noqa: E731
        else:
            shape, run = self._same_shape(node, call, runs, parts)
        try:
            return self._fold(shape, run, *parts)
        except BadParameter as refused:
            # a constant part that fails would fail each time it runs; it must not break compiling for another user
            message = refused.message

            def fail(_scope: Scope) -> object:
                raise BadParameter(message)

            return _Part(shape, fail, False)

    def _same_shape(
        self, node: Call, call: Callable[..., object], runs: tuple[Run, ...], parts: list[_Part]
    ) -> tuple[AnyShape, Run]:
        """Functions on lists that give a text for a text."""
        shape = parts[0].shape

        def run(scope: Scope) -> object:
            first = runs[0](scope)
            result = call(as_list(first), *[one(scope) for one in runs[1:]])
            return as_text(result) if isinstance(first, str) else result

        return shape, run

    def _argument(self, node: Node, wanted: AnyShape) -> _Part:
        """The argument in the shape that is wanted: a text stands for a list of one."""
        part = self.compile(node)
        shape, run = part.shape, part.run
        if wanted is OPEN or shape == wanted:
            return part
        if wanted is LIST and (shape in (TEXT, OPEN) or isinstance(shape, MapOf)):
            return self._fold(shape, lambda scope: as_list(run(scope)), part)
        if wanted is TEXT and shape is OPEN:
            return self._fold(TEXT, lambda scope: as_text(run(scope)), part)
        raise self._mistake(node, f"expected a {describe(wanted)}, found a {describe(shape)}")

    def _texts(self, node: Node) -> _Part:
        part = self.compile(node)
        if part.shape not in (TEXT, LIST, OPEN):
            raise self._mistake(node, f"expected a text or a list, found a {describe(part.shape)}")
        return part

    def _special(self, name: str, node: Call) -> _Part:
        match name:
            case "labels_matching":
                return self._labels_matching(node)
            case "exists":
                return self._exists(node)
            case "search":
                return self._search(node)
            case "ifelse":
                return self._if_else(node)
            case "choose":
                return self._choose(node)
            case "system.catype":
                self._exactly(node, name, 0)
                return _Part(TEXT, lambda scope: member(member(scope.get("resource"), "spec"), "type"), False)
            case _:
                self._exactly(node, name, 0)
                return _Part(TRUTH, lambda scope: scope.get(name) is True, False)

    def _if_else(self, node: Call) -> _Part:
        self._exactly(node, "ifelse", 3)
        condition = self._truth(node.arguments[0])
        yes, no = self.compile(node.arguments[1]), self.compile(node.arguments[2])
        shape = self._common(node, (yes, no))
        run: Run = lambda scope: (yes if condition.run(scope) is True else no).run(scope)  # noqa: E731
        return _Part(shape, self._shaped(shape, run), False)

    def _choose(self, node: Call) -> _Part:
        """The value of the first option whose condition holds; nothing where none does."""
        options: list[tuple[_Part, _Part]] = []
        for argument in node.arguments:
            if not isinstance(argument, Call) or dotted(argument.callee) != "option" or len(argument.arguments) != 2:
                raise self._mistake(argument, "choose takes option(condition, value) and nothing else")
            options.append((self._truth(argument.arguments[0]), self.compile(argument.arguments[1])))
        if not options:
            raise self._mistake(node, "choose takes one or more options")
        shape = self._common(node, tuple(value for _, value in options))

        def run(scope: Scope) -> object:
            for condition, value in options:
                if condition.run(scope) is True:
                    return value.run(scope)
            if shape in (TEXT, LIST):
                return ()
            raise BadParameter("choose: no option applies, add option(true, ...) as the last")

        return _Part(shape, self._shaped(shape, run), False)

    def _common(self, node: Node, parts: tuple[_Part, ...]) -> AnyShape:
        """The shape that all have; a text among lists is a list of one."""
        shapes = [part.shape for part in parts]
        if all(shape == shapes[0] for shape in shapes):
            return shapes[0]
        if all(shape in (TEXT, LIST, OPEN) for shape in shapes):
            return LIST
        raise self._mistake(node, "the values are of different kinds")

    def _shaped(self, shape: AnyShape, run: Run) -> Run:
        if shape is LIST:
            return lambda scope: as_list(run(scope))
        return (lambda scope: as_text(run(scope))) if shape is TEXT else run

    def _exactly(self, node: Call, name: str, count: int) -> None:
        if len(node.arguments) != count:
            raise self._mistake(node, f"{name} takes {count} arguments, {len(node.arguments)} are given")

    def _labels_matching(self, node: Call) -> _Part:
        self._exactly(node, "labels_matching", 1)
        self.reads_any_label = True
        self._check_pattern("regexp.match", (node, node.arguments[0]))
        pattern = self._argument(node.arguments[0], TEXT)

        def run(scope: Scope) -> object:
            test = patterns.matcher(as_text(pattern.run(scope)))
            labels: Mapping[str, str] = scope["labels"]  # type: ignore[assignment]
            return tuple(value for key, value in labels.items() if test(key))

        return _Part(LIST, run, False)

    def _exists(self, node: Call) -> _Part:
        self._exactly(node, "exists", 1)
        asked = node.arguments[0]
        if not isinstance(asked, Member | Index):
            raise self._mistake(asked, 'exists takes a label or field: exists(labels["env"])')
        self.compile(asked)
        base = self.compile(asked.base)
        if isinstance(asked, Member):
            name = asked.name
            return _Part(TRUTH, lambda scope: has_member(base.run(scope), name), False)
        key = self._argument(asked.key, TEXT)
        return _Part(TRUTH, lambda scope: has_member(base.run(scope), as_text(key.run(scope))), False)

    def _search(self, node: Call) -> _Part:
        if not node.arguments:
            raise self._mistake(node, "search takes one or more words")
        words = [self._argument(argument, TEXT) for argument in node.arguments]

        def run(scope: Scope) -> bool:
            texts: tuple[str, ...] = scope["searchable"]()  # type: ignore[operator]
            return all(any(as_text(word.run(scope)).casefold() in text for text in texts) for word in words)

        return _Part(TRUTH, run, False)
