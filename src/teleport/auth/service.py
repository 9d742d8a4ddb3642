"""The auth service: assembled from what it is given, served as an ASGI application, with background work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.types import ASGIApp

from teleport.api.server import application
from teleport.auth import figures
from teleport.auth.access import AccessAnswers
from teleport.auth.access_lists.parts import ListParts
from teleport.auth.access_lists.watching import GrantWatch, ReviewWatch
from teleport.auth.access_requests.parts import AccessRequests
from teleport.auth.admin_actions import AdminActions
from teleport.auth.agentless import Agentless
from teleport.auth.alerts import AlertDesk
from teleport.auth.audit import Audit
from teleport.auth.authorities import Authorities
from teleport.auth.bindings import Parts, bindings
from teleport.auth.bootstrap import Bootstrap, FirstInvitation, LocalIdentity, SaveIdentity
from teleport.auth.caller import Callers
from teleport.auth.certificates import Certificates
from teleport.auth.cluster import Cluster
from teleport.auth.export import Export
from teleport.auth.guard import Guard
from teleport.auth.headless import Headless
from teleport.auth.hosts import Hosts
from teleport.auth.issuing import Issuing
from teleport.auth.journal import Journal
from teleport.auth.leases import Leases
from teleport.auth.listing import Listing
from teleport.auth.lockout import Lockout
from teleport.auth.login import Logins
from teleport.auth.mfa import MultiFactor
from teleport.auth.public import Public
from teleport.auth.recordings import Recordings
from teleport.auth.recovery import Recovery
from teleport.auth.resource_rules import Ground
from teleport.auth.resources import Resources
from teleport.auth.second_factor import SecondFactors
from teleport.auth.session_mfa import SessionMfa
from teleport.auth.settings import (
    ADMIN_CERTIFICATE_TTL,
    COMPLETER_INTERVAL,
    HEARTBEAT,
    REQUESTS_INTERVAL,
    Settings,
)
from teleport.auth.sso.oidc import OidcLogins
from teleport.auth.tokens import JoinTokens
from teleport.auth.trackers import Trackers
from teleport.auth.user_tokens import UserTokens
from teleport.auth.users import Users
from teleport.auth.watch import Watching
from teleport.auth.web_access import WebAccess
from teleport.auth.web_sessions import WebSessions
from teleport.credentials.keystore.keystore import Keystore
from teleport.foundation.clock import Clock
from teleport.foundation.logs import get_logger
from teleport.model.identity import SystemRole
from teleport.model.resource import Metadata
from teleport.model.resources.access_request import AccessRequest
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.service_heartbeats import AuthServer
from teleport.storage.audit_log import AuditLog
from teleport.storage.feed import Feed, local_source
from teleport.storage.recordings import RecordingStore
from teleport.storage.replica import Replica
from teleport.storage.store import Store

log = get_logger("auth")


class AuthService:
    """Serves the API of one cluster.

    Call `prepare` before the first request: it makes what the first start makes. `app` is the ASGI application, to be
    served by net.http_server with a context that asks for certificates of the user and host authorities. `run` works
    in the background; the backend, the audit log and the recordings are opened and closed by whoever made them.
    """

    name = "auth"

    def __init__(
        self,
        settings: Settings,
        store: Store,
        audit_log: AuditLog,
        recordings: RecordingStore,
        keystore: Keystore,
        clock: Clock,
        save_admin: SaveIdentity | None = None,
    ) -> None:
        authorities = Authorities(store, keystore, clock, settings.cluster_name)
        self.cluster = Cluster(
            settings=settings,
            store=store,
            feed=Feed(store.backend),
            audit_log=audit_log,
            recordings=recordings,
            clock=clock,
            authorities=authorities,
            journal=Journal(audit_log, clock, settings.cluster_name),
        )
        self._save_admin = save_admin
        feed = self.cluster.feed
        self._nodes = Replica((Node.KIND,), lambda: local_source(store, feed, (Node.KIND,)), clock)
        kinds = (AccessRequest.KIND,)
        self._requests = Replica(kinds, lambda: local_source(store, feed, kinds), clock)
        self._parts, self._bootstrap = _assemble(self.cluster, self._nodes, self._requests)
        figures.watch_nodes(lambda: self._nodes.list(Node))
        self._is_prepared = False
        self.recordings, self.user_tokens = self._parts.recordings, self._parts.user_tokens
        self.access_requests, self.access_lists = self._parts.access_requests, self._parts.access_lists
        self.app: ASGIApp = application(bindings(self._parts), Callers(self.cluster).admit)

    async def prepare(self) -> None:
        """Authorities, singletons, presets and the local administrator are there when it returns."""
        if not self._is_prepared:
            await self._bootstrap.run()
            await self._renew_admin()
            self._is_prepared = True

    async def invite_first_user(self) -> FirstInvitation | None:
        """A fresh one-time link while nobody has signed up."""
        return await self._bootstrap.invite_first()

    async def local_identity(self, role: SystemRole, ttl: timedelta, names: tuple[str, ...] = ()) -> LocalIdentity:
        """Fresh keys and certificates for this auth server (role Auth) or a service in its own process."""
        return await self._bootstrap.local_identity(role, ttl, names)

    async def run(self, started: Callable[[], None]) -> None:
        """Feed, node list, expiry of uploads, renewal of the local administrator; until cancelled."""
        await self.prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.feed.run(lambda: None), name="auth feed")
            group.create_task(self._nodes.run(lambda: None), name="auth nodes")
            group.create_task(self._requests.run(lambda: None), name="auth requests")
            group.create_task(_every(COMPLETER_INTERVAL, self._complete_uploads), name="auth uploads")
            group.create_task(_every(ADMIN_CERTIFICATE_TTL / 4, self._renew_admin), name="auth administrator")
            notices = ReviewWatch(self.cluster, self._parts.access_lists.reviews.give_notice)
            group.create_task(notices.run(), name="auth list reviews")
            group.create_task(self._parts.access_requests.outbox.run(), name="auth webhooks")
            group.create_task(GrantWatch(self.cluster).run(), name="auth access lists")
            group.create_task(_every(HEARTBEAT, self._beat), name="auth heartbeat")
            group.create_task(_every(REQUESTS_INTERVAL, self._end_requests), name="auth request ends")
            await self._beat()
            await self.cluster.feed.ready.wait()
            await self._nodes.ready.wait()
            await self._requests.ready.wait()
            started()

    async def _complete_uploads(self) -> None:
        done = await self._parts.recordings.complete_abandoned()
        if done:
            log.info("abandoned recordings completed", count=done)

    async def _end_requests(self) -> None:
        done = await self._parts.access_requests.register.end_overdue()
        if done:
            log.info("access requests have ended", count=done)

    async def _beat(self) -> None:
        settings = self.cluster.settings
        spec = NodeSpec(hostname=settings.host_name, version=settings.version)
        expires = self.cluster.clock.now() + 2 * HEARTBEAT
        server = AuthServer(metadata=Metadata(name=settings.host_id, expires=expires), spec=spec)
        await self.cluster.store.upsert(server)

    async def _renew_admin(self) -> None:
        if self._save_admin is not None:
            self._save_admin(await self._bootstrap.local_identity("Admin"))


async def _every(interval: timedelta, work: Callable[[], Awaitable[None]]) -> None:
    """A failure is logged and does not end it."""
    while True:
        await asyncio.sleep(interval.total_seconds())
        try:
            await work()
        except Exception as error:
            log.error("background work failed", error=error)


def _assemble(cluster: Cluster, nodes: Replica, requests: Replica) -> tuple[Parts, Bootstrap]:
    guard = Guard(cluster)
    factors, lockout = SecondFactors(cluster), Lockout(cluster)
    certificates = Certificates(cluster)
    web_sessions = WebSessions(cluster, certificates)
    logins = Logins(cluster, factors, lockout, certificates, web_sessions)
    user_tokens = UserTokens(cluster, factors, lockout, web_sessions)
    multi_factor = MultiFactor(cluster, factors, lockout)
    admin_actions = AdminActions(cluster, multi_factor)
    users = Users(cluster, guard, user_tokens, logins, lockout, web_sessions, admin_actions)
    hosts, audit, listing = Hosts(cluster), Audit(cluster, guard), Listing(cluster, guard, nodes, admin_actions)
    access_lists = ListParts.of(cluster, guard)
    access_requests = AccessRequests.of(cluster, guard, listing, requests)
    parts = Parts(
        public=Public(cluster, guard, factors),
        logins=logins,
        sso=OidcLogins(cluster, certificates, web_sessions),
        users=users,
        user_tokens=user_tokens,
        multi_factor=multi_factor,
        recovery=Recovery(cluster, factors, multi_factor, lockout, web_sessions),
        headless=Headless(cluster, factors, multi_factor, certificates),
        session_mfa=SessionMfa(cluster, nodes, admin_actions),
        hosts=hosts,
        issuing=Issuing(cluster, guard, certificates, multi_factor, admin_actions, access_requests.assuming),
        agentless=Agentless(cluster, guard, nodes),
        export=Export(cluster),
        tokens=JoinTokens(cluster, guard, admin_actions),
        resources=Resources(cluster, guard, Ground(cluster, guard, users), admin_actions),
        listing=listing,
        access=AccessAnswers(cluster, nodes),
        access_requests=access_requests,
        access_lists=access_lists,
        alerts=AlertDesk(cluster, guard, access_lists.members),
        trackers=Trackers(cluster, guard),
        leases=Leases(cluster, guard),
        web_sessions=web_sessions,
        web_access=WebAccess(cluster, certificates, access_requests.assuming),
        audit=audit,
        recordings=Recordings(cluster, guard, audit),
        watching=Watching(cluster, guard),
    )
    return parts, Bootstrap(cluster, hosts, user_tokens)
