"""What the cluster is told of a live session: its tracker."""

from __future__ import annotations

from teleport.engines.ssh.visit import Visit
from teleport.model.resource import Metadata
from teleport.model.resources.session_tracker import HostPolicySet, Participant, SessionTracker, SessionTrackerSpec
from teleport.session.live import LiveSession


def tracker_of(live: LiveSession, visit: Visit) -> SessionTracker:
    """As things stand now. `visit` is the owner's."""
    post = visit.post
    participants = [
        Participant(id=party.id, user=party.user, mode=party.mode, cluster=post.cluster)
        for party in live.parties.values()
    ]
    policies = [HostPolicySet(name=one.role, require_session_join=list(one.policies)) for one in live.required()]
    spec = SessionTrackerSpec(
        session_id=live.id, kind="ssh", state="running" if live.is_running else "pending", created=live.started,
        participants=participants, host_user=live.user, host_roles=list(live.owner.roles), host_policies=policies,
        hostname=post.hostname, address=post.host_id, cluster_name=post.cluster, login=live.login,
        host_id=post.host_id, initial_command=list(live.command),
        reason=live.purpose.reason, invited=list(live.purpose.invited),
    )  # fmt: skip
    return SessionTracker(metadata=Metadata(name=live.id), spec=spec)
