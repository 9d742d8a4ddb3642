"""Expectations about access as documents: `kind: access_test`, beside the roles, users and resources they are about.

A case has a name, one question, and what is expected of the answer. The questions are the fields of `Case`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model import codec, documents, yaml_source
from teleport.model.resource import Metadata, Model, Resource
from teleport.model.values import Flag, Instant, Size, StringList, Traits, utc

MAX_CASES = 10_000
QUESTIONS = (
    "access", "logins", "visible", "action", "options", "where", "labels", "template",
    "file", "command", "request", "session", "join", "login_rules", "lists", "role_map",
)  # fmt: skip


class KubernetesCall(Model):
    """`kind` is the API's plural; all verbs must be allowed."""

    kind: str
    verbs: StringList
    name: str = ""
    namespace: str = ""
    api_group: str = ""


class AccessQuestion(Model):
    """May the user reach `resource`? `values`: other fields by name (`db_users`, `kubernetes_groups`, ...)."""

    resource: str
    login: str = ""
    values: dict[str, str] = {}
    kubernetes: KubernetesCall | None = None
    mfa: Flag = False
    device: Flag = False
    key_policy: str = ""
    source_ip: str = ""


class FileQuestion(Model):
    """May the user copy this file to or from the node? `home` is that of the login: /root, or /home/LOGIN."""

    resource: str
    path: str
    login: str = ""
    direction: Literal["download", "upload"] = "download"
    size: Size = 0
    folder: Flag = False
    home: str = ""
    mfa: Flag = False


class CommandQuestion(Model):
    """May the user run this on the node? An empty command is a shell. The answer may also be `waits`."""

    resource: str
    command: str = ""
    login: str = ""
    mfa: Flag = False


class ResourceQuestion(Model):
    resource: str


class VisibleQuestion(Model):
    """The names of the resources of a kind that the user sees."""

    kind: str


class ActionQuestion(Model):
    """May the user do this with things of the kind? `resource` is the one that a `where` looks at."""

    verb: str
    kind: str
    resource: str = ""
    session: dict[str, Any] | None = None


class OptionsQuestion(Model):
    """Options after merging; of them all, or `only` these."""

    only: StringList = []


class WhereQuestion(Model):
    expression: str
    resource: str = ""
    session: dict[str, Any] | None = None


class LabelsQuestion(Model):
    """A label expression, over a resource or labels that are given."""

    expression: str
    resource: str = ""
    labels: dict[str, str] = {}


class TemplateQuestion(Model):
    text: str


class ReviewStep(Model):
    by: str
    decision: Literal["approve", "deny"]
    reason: str = ""


class RequestQuestion(Model):
    """What becomes of a request for roles: denied, not allowed, or its state after the reviews, one by one."""

    roles: StringList
    reason: str = ""
    reviews: list[ReviewStep] = []


class PartyStep(Model):
    user: str
    mode: Literal["observer", "moderator", "peer"] = "moderator"


class SessionQuestion(Model):
    """Whether a session of the user may run with these people in it."""

    kind: str = "ssh"
    parties: list[PartyStep] = []


class JoinQuestion(Model):
    """Whether the user may join a session of `owner`."""

    owner: str
    kind: str = "ssh"
    mode: Literal["observer", "moderator", "peer"] = "peer"


class LoginRulesQuestion(Model):
    """The traits that the login rules make of those of an identity provider."""

    traits: Traits = {}


class ListsQuestion(Model):
    """The roles that access lists give to the user."""


class RoleMapQuestion(Model):
    """What roles of a root cluster become here, by the trusted cluster of that name."""

    trusted_cluster: str
    roles: StringList = []


class Because(Model):
    """The deciding reason: parts that are set must be equal; `message` must be in its text."""

    code: str = ""
    role: str = ""
    field: str = ""
    message: str = ""


class Case(Model):
    """Exactly one question: of `user` (or nobody) with what they have, or with `as_roles` and `traits` instead."""

    name: str = ""
    user: str = ""
    as_roles: StringList = []
    traits: Traits | None = None
    at: Instant | None = None
    expect: Any = None
    because: Because | None = None

    access: AccessQuestion | None = None
    logins: ResourceQuestion | None = None
    file: FileQuestion | None = None
    command: CommandQuestion | None = None
    visible: VisibleQuestion | None = None
    action: ActionQuestion | None = None
    options: OptionsQuestion | None = None
    where: WhereQuestion | None = None
    labels: LabelsQuestion | None = None
    template: TemplateQuestion | None = None
    request: RequestQuestion | None = None
    session: SessionQuestion | None = None
    join: JoinQuestion | None = None
    login_rules: LoginRulesQuestion | None = None
    lists: ListsQuestion | None = None
    role_map: RoleMapQuestion | None = None

    @property
    def question(self) -> tuple[str, Model]:
        """Raises BadParameter unless there is exactly one."""
        asked = [(name, getattr(self, name)) for name in QUESTIONS if getattr(self, name) is not None]
        if len(asked) != 1:
            found = " and ".join(name for name, _ in asked) or "none"
            raise BadParameter(f"a case has exactly one of {', '.join(QUESTIONS)}; found {found}")
        return asked[0]


class CasesSpec(Model):
    """`now` is the moment of cases that name none; `cluster` the name of the cluster; `include` other files."""

    now: Instant | None = None
    cluster: str = ""
    presets: Flag = True
    include: StringList = []
    cases: list[Case] = []


class AccessTest(Resource):
    """Only in files: a cluster keeps no such thing."""

    KIND: ClassVar[str] = "access_test"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    metadata: Metadata = msgspec.field(default_factory=lambda: Metadata(name="cases"))
    spec: CasesSpec = msgspec.field(default_factory=CasesSpec)

    def check_spec(self) -> None:
        if len(self.spec.cases) > MAX_CASES:
            raise BadParameter(f"{len(self.spec.cases)} cases, at most {MAX_CASES} are read")
        self.spec.now = utc(self.spec.now, "spec.now")
        for number, case in enumerate(self.spec.cases):
            where = f"spec.cases[{number}]"
            case.at = utc(case.at, f"{where}.at")
            try:
                case.question  # noqa: B018 - raises
            except BadParameter as problem:
                raise BadParameter(f"{where}: {problem.message}") from None
            if case.expect is None:
                raise BadParameter(f"{where}.expect is missing")


class Suite(msgspec.Struct):
    """What files say together."""

    resources: list[Resource]
    tests: list[AccessTest]

    @property
    def includes(self) -> list[str]:
        return [path for test in self.tests for path in test.spec.include]


def read(text: str) -> Suite:
    """YAML (or JSON, which is YAML) documents. Raises BadParameter with the number of the document and the line."""
    suite = Suite([], [])
    for document, source in yaml_source.documents(text.removeprefix("\ufeff")):
        if isinstance(document, dict) and document.get("kind") == AccessTest.KIND:
            try:
                test = documents.convert(document, AccessTest, source.texts)
                test.check()
            except BadParameter as problem:
                raise codec.at_source(problem, source) from problem
            suite.tests.append(test)
        else:
            suite.resources.append(codec.from_source(document, source))
    return suite


def moment(test: AccessTest, case: Case, otherwise: datetime) -> datetime:
    """When the case is asked."""
    return (case.at or test.spec.now or otherwise).astimezone(UTC)
