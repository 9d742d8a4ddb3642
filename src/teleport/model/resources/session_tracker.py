"""Session tracker: a session that is going on (or waits, or just ended), and who is in it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.resources.role_conditions import SessionRequirePolicy
from teleport.model.values import Instant, StringList, choice, meta, utc

STATES = ("pending", "running", "terminated")
SESSION_KINDS = ("ssh", "k8s", "db", "app", "desktop")

TrackerState = Annotated[
    Literal["pending", "running", "terminated"],
    meta(choice("spec.state", dict(enumerate(STATES)), {state: state for state in STATES})),
]


class Participant(Model):
    id: str
    user: str
    mode: Literal["", "observer", "moderator", "peer"] = ""
    last_active: Instant | None = None
    cluster: str = ""


class HostPolicySet(Model):
    """The session requirements of one role of the session's owner."""

    name: str
    version: str = ""
    require_session_join: list[SessionRequirePolicy] = []


class SessionTrackerSpec(Model):
    """`kind` has its reference spelling; kept until `expires`, which the recorder pushes on."""

    session_id: str
    kind: str
    state: TrackerState = "pending"
    created: Instant | None = None
    expires: Instant | None = None
    participants: list[Participant] = []
    host_user: str = ""
    host_roles: StringList = []
    host_policies: list[HostPolicySet] = []
    invited: StringList = []
    reason: str = ""
    hostname: str = ""
    address: str = ""
    cluster_name: str = ""
    login: str = ""
    kubernetes_cluster: str = ""
    database_name: str = ""
    app_name: str = ""
    app_session_id: str = ""
    desktop_name: str = ""
    host_id: str = ""
    target_sub_kind: str = ""
    initial_command: StringList = []


class SessionTracker(Resource):
    KIND: ClassVar[str] = "session_tracker"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: SessionTrackerSpec

    def check_spec(self) -> None:
        one_of(self.spec.kind, SESSION_KINDS, "spec.kind")
        require(self.spec.session_id == self.metadata.name, "spec.session_id must be the name")
        self.spec.created = utc(self.spec.created, "spec.created")
        self.spec.expires = utc(self.spec.expires, "spec.expires")
