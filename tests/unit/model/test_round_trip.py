"""Whatever a resource holds, printing and parsing gives it back: every kind, JSON, YAML and our own form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teleport.model import codec, documents, yaml_source
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.model.sensitive import Secret
from teleport.model.values import Duration

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WHOLE = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
DURATIONS = st.timedeltas(timedelta(days=-36_499), timedelta(days=36_499)).map(Duration.of)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: WHOLE,
    bool: st.booleans(),
    float: st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: round(number, 3)),
    bytes: st.binary(max_size=8),
    datetime: MOMENTS,
    Duration: DURATIONS,
    Secret[str]: TEXT.map(Secret),
    Secret[bytes]: st.binary(max_size=8).map(Secret),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Annotated:
        least = next(
            (meta.ge for meta in arguments[1:] if isinstance(meta, msgspec.Meta) and meta.ge is not None), None
        )
        return values(arguments[0]) if least is None else st.integers(int(least), 2**63 - 1)
    if origin in (Union, UnionType):
        return st.one_of(*(values(argument) for argument in arguments if argument is not NoneType))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (list, tuple):
        return st.lists(st.deferred(lambda: values(arguments[0])), max_size=2)
    if origin is dict:
        return st.dictionaries(TEXT, st.deferred(lambda: values(arguments[1])), max_size=2)
    assert issubclass(hint, msgspec.Struct), hint
    return structs(hint)


@st.composite
def structs(draw: st.DrawFn, kind: type[msgspec.Struct], needed: tuple[str, ...] = ()) -> msgspec.Struct:
    hints = get_type_hints(kind, include_extras=True)
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    optional = sorted(set(kind.__struct_fields__) - set(required) - {"kind", "version"})
    chosen = draw(st.sets(st.sampled_from(optional), max_size=4)) if optional else set()
    return kind(**{name: draw(values(hints[name])) for name in sorted({*required, *needed, *chosen})})


def read_back(text: str, kind: type[Resource]) -> Resource:
    ((document, source),) = yaml_source.documents(text)
    return documents.convert(document, kind, source.texts)


@pytest.mark.parametrize("name", sorted(KINDS))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_kind_comes_back_as_it_went(name: str, data: st.DataObject) -> None:
    kind = KINDS[name].type
    resource = data.draw(structs(kind, tuple({"spec", "metadata"} & set(kind.__struct_fields__))))
    assert isinstance(resource, Resource)
    assert codec.decode_json(codec.encode_json(resource), kind) == resource
    assert read_back(codec.to_yaml([resource]), kind) == resource
    (plain,) = msgspec.json.decode(codec.to_json([resource]))
    assert documents.convert(plain, kind) == resource


@settings(max_examples=200, deadline=None)
@given(DURATIONS)
def test_durations_come_back_from_their_text(duration: Duration) -> None:
    assert Duration.parse(str(duration)) == duration


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        TEXT, st.one_of(TEXT, st.sampled_from(["yes", "on", "1", "1.5", "null", "12:30", "~", "0o7"])), max_size=4
    )
)
def test_strings_that_look_like_other_things_stay_strings(labels: dict[str, str]) -> None:
    kind = KINDS["server_info"].type
    resource = documents.convert({"metadata": {"name": "x"}, "spec": {"new_labels": labels}}, kind)
    assert read_back(codec.to_yaml([resource]), kind) == resource
