"""Answers to cases, as the cluster would give them, and how they differ from what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.kinds import action_on, kind_named
from teleport.model.resource import Metadata
from teleport.model.resources.access_request import (
    AccessRequest,
    AccessRequestSpec,
    AccessReview,
    RequestState,
)
from teleport.model.resources.login_rule import LoginRule
from teleport.model.resources.node import Node
from teleport.model.resources.trusted_cluster import TrustedCluster
from teleport.model.values import Duration
from teleport.policy import access_requests, login_rules, moderation, reviews, role_mapping, templates
from teleport.policy.access import display_name, logins_for, visible_of
from teleport.policy.actions import ActionContext
from teleport.policy.cases import (
    AccessQuestion,
    AccessTest,
    ActionQuestion,
    Because,
    Case,
    CommandQuestion,
    FileQuestion,
    JoinQuestion,
    LabelsQuestion,
    LoginRulesQuestion,
    OptionsQuestion,
    RequestQuestion,
    ResourceQuestion,
    RoleMapQuestion,
    SessionQuestion,
    TemplateQuestion,
    VisibleQuestion,
    WhereQuestion,
    moment,
)
from teleport.policy.databases import asked_values
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.desktops import desktop_logins
from teleport.policy.explain import Explanation, explain_access, explain_action
from teleport.policy.explain_rules import explain_command, explain_file
from teleport.policy.expressions import Expression
from teleport.policy.file_rules import AskedFile
from teleport.policy.kubernetes import AskedObject
from teleport.policy.kubernetes_objects import KubernetesObject
from teleport.policy.languages import LABELS, WHERE
from teleport.policy.role_set import RoleSet
from teleport.policy.sentences import Language, sentence
from teleport.policy.world import World

ALLOWED, DENIED, WAITS = "allowed", "denied", "waits"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`value` is plain data; `reason` and `explanation` where a decision was made."""

    value: Any
    reason: Reason | None = None
    explanation: Explanation | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`problem`: why there is no answer, or how it differs."""

    name: str
    passed: bool
    expected: Any
    found: Any = None
    problem: str = ""
    explanation: Explanation | None = None


def run(world: World, test: AccessTest, now: datetime, language: Language = "en") -> list[Outcome]:
    """Every case, in order. `now` is the moment where neither case nor document names one."""
    return [_run(world, test, number, now, language) for number in range(len(test.spec.cases))]


def _run(world: World, test: AccessTest, number: int, now: datetime, language: Language) -> Outcome:
    case = test.spec.cases[number]
    kind, _ = case.question
    name = case.name or f"case {number + 1} ({kind})"
    expected = _plain(case.expect)
    try:
        answer = answer_of(world, case, moment(test, case, now))
    except (BadParameter, NotFound) as problem:
        # an error may be what is expected: `expect: error`
        is_expected = expected == "error" and _because(case.because, None, problem.message, language) == ""
        return Outcome(name=name, passed=is_expected, expected=expected, found="error", problem=problem.message)
    problem_text = _difference(expected, answer.value)
    if not problem_text and case.because is not None:
        problem_text = _because(case.because, answer.reason, "", language)
    return Outcome(
        name=name,
        passed=not problem_text,
        expected=expected,
        found=answer.value,
        problem=problem_text,
        explanation=answer.explanation if problem_text else None,
    )


def answer_of(world: World, case: Case, now: datetime) -> Answer:
    """Raises BadParameter, NotFound."""
    kind, question = case.question
    answer: Callable[[_Asking, Any], Answer] = _ANSWERS[kind]
    return answer(_Asking(world, case, now), question)


class _Asking:
    """Who asks, when."""

    def __init__(self, world: World, case: Case, now: datetime) -> None:
        self.world = world
        self.case = case
        self.now = now

    def roles_of(self, user: str) -> RoleSet:
        return self.world.role_set(user, self.now).at(self.now)

    @property
    def role_set(self) -> RoleSet:
        case = self.case
        made = self.world.role_set(case.user, self.now, as_roles=case.as_roles, traits=case.traits)
        return made.at(self.now)


def _decided(decision: Decision, explanation: Explanation | None = None) -> Answer:
    return Answer(value=ALLOWED if decision.allowed else DENIED, reason=decision.reason, explanation=explanation)


def _access(asking: _Asking, question: AccessQuestion) -> Answer:
    resource = asking.world.find(question.resource)
    role_set = asking.role_set
    state = asking.world.state(
        role_set,
        asking.now,
        mfa=question.mfa,
        device=question.device,
        key_policy=question.key_policy,
        source_ip=question.source_ip,
    )
    call = question.kubernetes
    more = []
    if call is not None:
        thing = KubernetesObject(kind=call.kind, api_group=call.api_group, namespace=call.namespace, name=call.name)
        more.append(AskedObject(role_set, resource, call.verbs, thing))
    values = login_values(resource.kind, question.login) | question.values
    if resource.kind in ("db", "db_server") and {"db_users", "db_names"} & values.keys():
        asked = asked_values(role_set, resource, values.pop("db_users", ""), values.pop("db_names", ""))
        values = asked | values
    explanation = explain_access(role_set, resource.kind, resource, state, values, more)
    return _decided(explanation.decision, explanation)


def _file(asking: _Asking, question: FileQuestion) -> Answer:
    asked = AskedFile(
        path=question.path, direction=question.direction, size=question.size, is_folder=bool(question.folder)
    )
    role_set = asking.role_set
    access = _reached(asking, role_set, question.resource, question.login, mfa=bool(question.mfa))
    explanation = explain_file(access, role_set, asked, question.home or home_of(question.login))
    return _decided(explanation.decision, explanation)


def _command(asking: _Asking, question: CommandQuestion) -> Answer:
    role_set = asking.role_set
    access = _reached(asking, role_set, question.resource, question.login, mfa=bool(question.mfa))
    explanation = explain_command(access, role_set, question.command or None)
    answer = _decided(explanation.decision, explanation)
    if explanation.decision.reason.code is Code.COMMAND_ASKS:
        return msgspec.structs.replace(answer, value=WAITS)
    return answer


def _reached(asking: _Asking, role_set: RoleSet, ref: str, login: str, *, mfa: bool) -> Explanation:
    node = asking.world.find(ref)
    if not isinstance(node, Node):
        raise BadParameter(f"files and commands are of nodes, {ref} is none")
    state = asking.world.state(role_set, asking.now, mfa=mfa)
    return explain_access(role_set, node.kind, node, state, login_values(node.kind, login))


def home_of(login: str) -> str:
    """Where a login usually lives."""
    return "/root" if login == "root" else f"/home/{login}" if login else ""


def login_values(kind: str, login: str) -> dict[str, str]:
    """The field that a login is of, by kind. Raises BadParameter for a kind without logins."""
    if not login:
        return {}
    fields = {
        "node": "logins",
        "windows_desktop": "windows_desktop_logins",
        "db": "db_users",
        "db_server": "db_users",
    }
    if kind not in fields:
        raise BadParameter(f"there are no logins to a {kind}, ask with values")
    return {fields[kind]: login}


def _logins(asking: _Asking, question: ResourceQuestion) -> Answer:
    resource = asking.world.find(question.resource)
    if isinstance(resource, Node):
        return Answer(value=sorted(logins_for(asking.role_set, resource)))
    if resource.kind == "windows_desktop":
        return Answer(value=sorted(desktop_logins(asking.role_set, resource)))
    raise BadParameter(f"there are no logins to a {resource.kind}")


def _visible(asking: _Asking, question: VisibleQuestion) -> Answer:
    every = asking.world.of_kind(kind_named(question.kind).name)
    return Answer(value=sorted(display_name(one) for one in visible_of(asking.role_set, every)))


def _action(asking: _Asking, question: ActionQuestion) -> Answer:
    resource = asking.world.find(question.resource) if question.resource else None
    context = ActionContext(resource=resource, session=_session_fields(question.session))
    kind = action_on(question.verb, question.kind)
    explanation = explain_action(asking.role_set, question.verb, kind, context, resource.name if resource else "")
    return _decided(explanation.decision, explanation)


def _session_fields(session: Mapping[str, Any] | None) -> Mapping[str, object] | None:
    if session is None:
        return None
    return {key: tuple(value) if isinstance(value, list) else value for key, value in session.items()}


def _options(asking: _Asking, question: OptionsQuestion) -> Answer:
    options = asking.role_set.options
    unknown = [name for name in question.only if name not in options.__struct_fields__]
    if unknown:
        raise BadParameter(f"options.only: {unknown[0]!r} is not one of {', '.join(options.__struct_fields__)}")
    names = question.only or list(options.__struct_fields__)
    return Answer(value={name: _plain(getattr(options, name)) for name in names})


def _where(asking: _Asking, question: WhereQuestion) -> Answer:
    resource = asking.world.find(question.resource) if question.resource else None
    context = ActionContext(resource=resource, session=_session_fields(question.session))
    expression = Expression(question.expression, WHERE, {"user": asking.role_set.user})
    return Answer(value=expression.holds(context.scope()))


def _labels(asking: _Asking, question: LabelsQuestion) -> Answer:
    labels = dict(question.labels)
    if question.resource:
        labels = {**asking.world.find(question.resource).labels, **labels}
    expression = Expression(question.expression, LABELS, {"user": asking.role_set.user})
    return Answer(value=expression.holds({"labels": labels}))


def _template(asking: _Asking, question: TemplateQuestion) -> Answer:
    return Answer(value=templates.expand([question.text], asking.role_set.traits))


def _request(asking: _Asking, question: RequestQuestion) -> Answer:
    role_set = asking.role_set
    for role in question.roles:
        asking.world.role(role)
    decision = access_requests.may_request(role_set, question.roles, question.reason)
    if not decision.allowed:
        return _decided(decision)
    thresholds, mapping = access_requests.thresholds_for(role_set, question.roles)
    spec = AccessRequestSpec(
        user=role_set.username,
        roles=list(question.roles),
        request_reason=question.reason,
        thresholds=thresholds,
        role_threshold_mapping=mapping,
        system_annotations=access_requests.annotations_for(role_set, question.roles),
    )
    request = AccessRequest(metadata=Metadata(name="request"), spec=spec)
    for step in question.reviews:
        reviewer = asking.roles_of(step.by)
        decision = reviews.may_review(reviewer, request)
        if not decision.allowed:
            return Answer(value=f"review by {step.by} refused", reason=decision.reason)
        state: RequestState = "APPROVED" if step.decision == "approve" else "DENIED"
        review = AccessReview(author=step.by, proposed_state=state, reason=step.reason)
        request = reviews.apply_review(request, review, reviewer)
    return Answer(value=request.spec.state.lower(), reason=decision.reason)


def _session(asking: _Asking, question: SessionQuestion) -> Answer:
    owner = asking.role_set
    required = moderation.requirements(owner.given, question.kind)
    parties = []
    for step in question.parties:
        roles = asking.roles_of(step.user)
        party = moderation.Party(user=step.user, roles=roles.names, traits=dict(roles.traits), mode=step.mode)
        parties.append(party)
    assessment = moderation.assess(required, owner.username, parties)
    reason = assessment.unmet[0] if assessment.unmet else None
    return Answer(value="running" if assessment.is_fulfilled else "waiting", reason=reason)


def _join(asking: _Asking, question: JoinQuestion) -> Answer:
    owner = asking.roles_of(question.owner)
    return _decided(moderation.may_join(asking.role_set, question.owner, owner.names, question.kind, question.mode))


def _login_rules(asking: _Asking, question: LoginRulesQuestion) -> Answer:
    made = login_rules.apply(asking.world.of(LoginRule), question.traits)
    return Answer(value={name: list(values) for name, values in made.items()})


def _lists(asking: _Asking, _question: object) -> Answer:
    roles, _ = asking.world.holdings(asking.case.user, asking.now)
    own = asking.world.user(asking.case.user).spec.roles
    return Answer(value=sorted(role for role in roles if role not in own))


def _role_map(asking: _Asking, question: RoleMapQuestion) -> Answer:
    trusted = asking.world.find(f"trusted_cluster/{question.trusted_cluster}")
    assert isinstance(trusted, TrustedCluster)
    return Answer(value=list(role_mapping.map_roles(role_mapping.rows_of(trusted), question.roles)))


_ANSWERS: dict[str, Callable[[_Asking, Any], Answer]] = {
    "access": _access,
    "logins": _logins,
    "file": _file,
    "command": _command,
    "visible": _visible,
    "action": _action,
    "options": _options,
    "where": _where,
    "labels": _labels,
    "template": _template,
    "request": _request,
    "session": _session,
    "join": _join,
    "login_rules": _login_rules,
    "lists": _lists,
    "role_map": _role_map,
}


# comparing


def _plain(value: object) -> Any:
    if isinstance(value, timedelta):
        return str(Duration.of(value))
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _difference(expected: Any, found: Any) -> str:
    """Empty when the answer is as expected. Of a mapping only the keys that are expected count; order of lists does
    not.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        parts = [
            f"{key}: {_difference(value, found.get(key))}"
            for key, value in expected.items()
            if _difference(value, found.get(key))
        ]
        return "; ".join(parts)
    if isinstance(found, list):
        return _list_difference(expected if isinstance(expected, list) else [expected], found)
    if _same(expected, found):
        return ""
    return f"expected {_shown(expected)}, found {_shown(found)}"


def _list_difference(expected: list[Any], found: list[Any]) -> str:
    missing = [one for one in expected if one not in found]
    more = [one for one in found if one not in expected]
    parts = [f"missing {_shown(missing)}"] if missing else []
    parts += [f"not expected {_shown(more)}"] if more else []
    if not parts and len(expected) != len(found):
        parts = [f"expected {_shown(expected)}, found {_shown(found)}"]
    return ", ".join(parts)


def _same(expected: Any, found: Any) -> bool:
    """YAML keeps words like `yes` as text; durations may be written in any of their forms."""
    if isinstance(found, bool) and isinstance(expected, str):
        return expected.strip().lower() in (("true", "yes", "on") if found else ("false", "no", "off"))
    if isinstance(found, str) and isinstance(expected, str) and expected != found:
        return _is_same_duration(expected, found)
    return type(expected) is type(found) and bool(expected == found)


def _is_same_duration(expected: str, found: str) -> bool:
    try:
        return Duration.parse(expected) == Duration.parse(found)
    except BadParameter:
        return False


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode() if not isinstance(value, str) else value


def _because(because: Because | None, reason: Reason | None, message: str, language: Language) -> str:
    """Empty when the deciding reason is as expected."""
    if because is None:
        return ""
    for name in ("code", "role", "field"):
        wanted = getattr(because, name)
        found = str(getattr(reason, name)) if reason is not None else ""
        if wanted and wanted != found:
            return f"because.{name}: expected {wanted}, found {found or 'none'}"
    text = sentence(reason, language) if reason is not None else message
    if because.message and because.message not in text:
        return f"because.message: {because.message!r} is not in {text!r}"
    return ""
