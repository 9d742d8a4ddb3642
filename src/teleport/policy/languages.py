"""The languages: one grammar, each with its own names and functions. What is not listed is a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import msgspec

from teleport.model.kinds import KINDS
from teleport.policy import functions, patterns
from teleport.policy.functions import Texts
from teleport.policy.shapes import LIST, NUMBER, OPEN, TEXT, TRUTH, AnyShape, Document, Fields, MapOf, Shape, equal


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """`parameters` come first, then any number of `rest`. A result of None has the shape of the first argument."""

    parameters: tuple[AnyShape, ...] = ()
    rest: AnyShape | None = None
    result: AnyShape | None
    call: Callable[..., object]


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """`special` functions look at the whole scope; `methods` may also be written `a.f(b)`, of maps as `dict.f`."""

    name: str
    names: Mapping[str, AnyShape]
    functions: Mapping[str, Function]
    special: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    compares_lists: bool = True


def _contains(items: Texts, item: str) -> bool:
    return item in items


def _contains_any(items: Texts, wanted: Texts) -> bool:
    return any(item in items for item in wanted)


def _contains_all(items: Texts, wanted: Texts) -> bool:
    return bool(wanted) and all(item in items for item in wanted)


def _regexp_match(items: Texts, pattern: str) -> bool:
    test = patterns.matcher(pattern)
    return any(test(item) for item in items)


def _regexp_search(items: Texts, pattern: str) -> bool:
    expression = patterns.regex(pattern)
    return any(expression.matches(item) for item in items)


def _regexp_replace(items: Texts, pattern: str, replacement: str) -> Texts:
    return functions.regexp_replace(items, patterns.regex(pattern), replacement)


def _set(*items: str) -> Texts:
    return tuple(dict.fromkeys(items))


def _union(*lists: Texts) -> Texts:
    return functions.bounded(dict.fromkeys(item for items in lists for item in items))


def _all_equal(items: Texts, value: str) -> bool:
    return bool(items) and all(item == value for item in items)


def _all_end_with(items: Texts, suffix: str) -> bool:
    return bool(items) and all(item.endswith(suffix) for item in items)


def _is_subset(items: Texts, *allowed: str) -> bool:
    return set(items) <= set(allowed)


def _is_empty(value: object) -> bool:
    return value in ("", ())


_EQUALS = Function(parameters=(OPEN, OPEN), result=TRUTH, call=equal)
_CONTAINS = Function(parameters=(LIST, TEXT), result=TRUTH, call=_contains)
_LISTS = {
    "contains": _CONTAINS,
    "contains_any": Function(parameters=(LIST, LIST), result=TRUTH, call=_contains_any),
    "contains_all": Function(parameters=(LIST, LIST), result=TRUTH, call=_contains_all),
    "set": Function(rest=TEXT, result=LIST, call=_set),
    "union": Function(rest=LIST, result=LIST, call=_union),
    "is_empty": Function(parameters=(OPEN,), result=TRUTH, call=_is_empty),
}
_TEXTS = {
    "strings.upper": Function(parameters=(LIST,), result=None, call=functions.upper),
    "strings.lower": Function(parameters=(LIST,), result=None, call=functions.lower),
    "strings.replaceall": Function(parameters=(LIST, TEXT, TEXT), result=None, call=functions.replace_all),
    "strings.split": Function(parameters=(LIST, TEXT), result=LIST, call=functions.split),
    "email.local": Function(parameters=(LIST,), result=None, call=functions.email_local),
    "email.domain": Function(parameters=(LIST,), result=None, call=functions.email_domain),
    "regexp.replace": Function(parameters=(LIST, TEXT, TEXT), result=None, call=_regexp_replace),
}
_HAS_PREFIX = Function(parameters=(TEXT, TEXT), result=TRUTH, call=str.startswith)
_REGEXP_MATCH = Function(parameters=(LIST, TEXT), result=TRUTH, call=_regexp_match)


@cache
def _resources() -> tuple[type[msgspec.Struct], ...]:
    return tuple(kind.type for kind in KINDS.values())


_RESOURCE = Document(_resources)
_TRAITS = MapOf(LIST)
_USER = Fields(
    {"metadata": Fields({"name": TEXT}), "spec": Fields({"roles": LIST, "traits": _TRAITS})},
)

LABELS = Language(
    name="label expression",
    names={"labels": MapOf(TEXT), "user": Fields({"spec": Fields({"traits": _TRAITS})})},
    functions={**_LISTS, **_TEXTS, "regexp.match": _REGEXP_MATCH},
    special=frozenset({"labels_matching"}),
    compares_lists=False,
)

WHERE = Language(
    name="where",
    names={
        "user": _USER,
        "resource": _RESOURCE,
        "session": OPEN,
        "ssh_session": Fields({"participants": LIST}),
        "session_tracker": Fields(
            {
                "session_id": TEXT,
                "kind": TEXT,
                "participants": LIST,
                "state": TEXT,
                "hostname": TEXT,
                "address": TEXT,
                "login": TEXT,
                "cluster": TEXT,
                "kube_cluster": TEXT,
                "host_user": TEXT,
                "host_roles": LIST,
            }
        ),
        "impersonate_role": Document(lambda: (KINDS["role"].type,)),
        "impersonate_user": Document(lambda: (KINDS["user"].type,)),
        "host_cert": Fields(
            {
                "hostid": TEXT,
                "nodename": TEXT,
                "principals": LIST,
                "clustername": TEXT,
                "role": TEXT,
                "ttl": NUMBER,
            }
        ),
    },
    functions={
        **_LISTS,
        "equals": _EQUALS,
        "has_prefix": _HAS_PREFIX,
        "all_end_with": Function(parameters=(LIST, TEXT), result=TRUTH, call=_all_end_with),
        "all_equal": Function(parameters=(LIST, TEXT), result=TRUTH, call=_all_equal),
        "is_subset": Function(parameters=(LIST,), rest=TEXT, result=TRUTH, call=_is_subset),
    },
    special=frozenset({"system.catype", "can_view"}),
)

FILTER = Language(
    name="filter",
    names={"labels": MapOf(TEXT), "name": TEXT, "resource": _RESOURCE, "health": Fields({"status": TEXT})},
    functions={
        **_LISTS,
        "equals": _EQUALS,
        "hasPrefix": _HAS_PREFIX,
        "has_prefix": _HAS_PREFIX,
        "split": Function(parameters=(LIST, TEXT), result=LIST, call=functions.split),
        "regexp.match": _REGEXP_MATCH,
    },
    special=frozenset({"search", "exists"}),
)

_REQUEST = Fields({"roles": LIST, "reason": TEXT, "system_annotations": MapOf(LIST)})
_REVIEWER = Fields({"roles": LIST, "traits": _TRAITS})
_REVIEW_FUNCTIONS = {
    **_LISTS,
    "equals": _EQUALS,
    "regexp.match": Function(parameters=(LIST, TEXT), result=TRUTH, call=_regexp_search),
}

THRESHOLD = Language(
    name="threshold filter",
    names={
        "reviewer": _REVIEWER,
        "review": Fields({"reason": TEXT, "annotations": MapOf(LIST)}),
        "request": _REQUEST,
    },
    functions=_REVIEW_FUNCTIONS,
)

REVIEW_WHERE = Language(
    name="review_requests.where",
    names={"reviewer": _REVIEWER, "request": _REQUEST},
    functions=_REVIEW_FUNCTIONS,
)

SESSION_FILTER = Language(
    name="require_session_join filter",
    names={
        "user": Fields(
            {
                "name": TEXT,
                "roles": LIST,
                "metadata": Fields({"name": TEXT}),
                "spec": Fields({"roles": LIST, "traits": _TRAITS}),
            }
        )
    },
    functions={**_LISTS, "equals": _EQUALS},
)

PAIR = Shape("pair")
TRAITS = _TRAITS


def _add(items: Texts, *more: Texts) -> Texts:
    return _union(items, *more)


def _without(items: Texts, *gone: Texts) -> Texts:
    refused = {item for one in gone for item in one}
    return tuple(item for item in items if item not in refused)


def _pair(key: str, values: Texts) -> tuple[str, Texts]:
    return key, values


def _dict(*pairs: tuple[str, Texts]) -> dict[str, Texts]:
    return dict(pairs)


def _put(traits: Mapping[str, Texts], key: str, values: Texts) -> dict[str, Texts]:
    return {**traits, key: values}


def _add_values(traits: Mapping[str, Texts], key: str, *values: Texts) -> dict[str, Texts]:
    return {**traits, key: _union(tuple(traits.get(key, ())), *values)}


def _remove_keys(traits: Mapping[str, Texts], *keys: Texts) -> dict[str, Texts]:
    gone = {key for one in keys for key in one}
    return {key: values for key, values in traits.items() if key not in gone}


LOGIN = Language(
    name="login rule",
    names={"external": TRAITS},
    functions={
        **_LISTS,
        **_TEXTS,
        "regexp.match": _REGEXP_MATCH,
        "add": Function(parameters=(LIST,), rest=LIST, result=LIST, call=_add),
        "remove": Function(parameters=(LIST,), rest=LIST, result=LIST, call=_without),
        "pair": Function(parameters=(TEXT, LIST), result=PAIR, call=_pair),
        "dict": Function(rest=PAIR, result=TRAITS, call=_dict),
        "dict.put": Function(parameters=(TRAITS, TEXT, LIST), result=TRAITS, call=_put),
        "dict.add_values": Function(parameters=(TRAITS, TEXT), rest=LIST, result=TRAITS, call=_add_values),
        "dict.remove": Function(parameters=(TRAITS,), rest=LIST, result=TRAITS, call=_remove_keys),
    },
    special=frozenset({"ifelse", "choose"}),
    methods=frozenset({"add", "remove", "contains", "contains_any", "contains_all", "put", "add_values"}),
)

MONITORING = Language(
    name="access monitoring condition",
    names={
        "access_request": Fields(
            {
                "metadata": Fields({"name": TEXT}),
                "spec": Fields(
                    {
                        "roles": LIST,
                        "suggested_reviewers": LIST,
                        "system_annotations": MapOf(LIST),
                        "user": TEXT,
                        "request_reason": TEXT,
                        "creation_time": TEXT,
                        "expiry": TEXT,
                        "state": TEXT,
                        "resource_labels_union": MapOf(LIST),
                        "resource_labels_intersection": MapOf(LIST),
                    }
                ),
            }
        ),
        "user": Fields({"traits": _TRAITS}),
    },
    functions={**_LISTS, **_TEXTS, "equals": _EQUALS, "regexp.match": _REGEXP_MATCH},
    methods=frozenset({"contains", "contains_any", "contains_all", "is_empty"}),
)
