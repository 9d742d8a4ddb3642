"""Every Route and the coroutine that answers it, on one page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from teleport.api.route import Route
from teleport.api.routes import (
    access,
    access_lists,
    access_requests,
    agentless,
    alerts,
    audit,
    certificates,
    changes,
    cluster,
    headless,
    hosts,
    leases,
    login,
    mfa,
    public,
    recordings,
    recovery,
    resources,
    sessions,
    sso,
    tokens,
    users,
    webhooks,
)
from teleport.api.server import Binding
from teleport.auth.access import AccessAnswers
from teleport.auth.access_lists.parts import ListParts
from teleport.auth.access_requests.parts import AccessRequests
from teleport.auth.agentless import Agentless
from teleport.auth.alerts import AlertDesk
from teleport.auth.audit import Audit
from teleport.auth.caller import Caller
from teleport.auth.export import Export
from teleport.auth.headless import Headless
from teleport.auth.hosts import Hosts
from teleport.auth.issuing import Issuing
from teleport.auth.leases import Leases
from teleport.auth.listing import Listing
from teleport.auth.login import Logins
from teleport.auth.mfa import MultiFactor
from teleport.auth.public import Public
from teleport.auth.recordings import Recordings
from teleport.auth.recovery import Recovery
from teleport.auth.resources import Resources
from teleport.auth.session_mfa import SessionMfa
from teleport.auth.sso.oidc import OidcLogins
from teleport.auth.tokens import JoinTokens
from teleport.auth.trackers import Trackers
from teleport.auth.user_tokens import UserTokens
from teleport.auth.users import Users
from teleport.auth.watch import Watching
from teleport.auth.web_access import WebAccess
from teleport.auth.web_sessions import WebSessions

Asked = TypeVar("Asked", bound=msgspec.Struct)
Answered = TypeVar("Answered", bound=msgspec.Struct)


@dataclass(frozen=True)
class Parts:
    """What answers the API."""

    public: Public
    logins: Logins
    sso: OidcLogins
    users: Users
    user_tokens: UserTokens
    multi_factor: MultiFactor
    session_mfa: SessionMfa
    headless: Headless
    recovery: Recovery
    hosts: Hosts
    issuing: Issuing
    agentless: Agentless
    export: Export
    tokens: JoinTokens
    resources: Resources
    listing: Listing
    access: AccessAnswers
    access_requests: AccessRequests
    access_lists: ListParts
    alerts: AlertDesk
    trackers: Trackers
    leases: Leases
    web_sessions: WebSessions
    web_access: WebAccess
    audit: Audit
    recordings: Recordings
    watching: Watching


def bindings(parts: Parts) -> list[Binding[Caller]]:
    """All of them."""
    return [
        _bind(public.PING, parts.public.ping),
        _bind(public.PING_CONNECTOR, parts.public.ping_connector),
        _bind(public.FIND, parts.public.find),
        _bind(public.MOTD, parts.public.motd),
        _bind(public.EXPORT_AUTHORITIES, parts.export.text),
        *_logins(parts.logins, parts.sso),
        _bind(users.INVITE, parts.users.invite),
        _bind(users.RESET, parts.users.reset),
        _bind(users.CHANGE_PASSWORD, parts.users.change_password),
        _bind(users.SHOW_TOKEN, parts.user_tokens.show),
        _bind(users.REGISTER_CHALLENGE, parts.user_tokens.register_challenge),
        _bind(users.SET_PASSWORD, parts.user_tokens.set_password),
        _bind(users.SIGN_UP_SESSION, parts.user_tokens.sign_up_session),
        _bind(mfa.CHALLENGE, parts.multi_factor.challenge),
        _bind(mfa.REQUIRED, parts.session_mfa.required),
        _bind(mfa.DEVICES, parts.multi_factor.devices),
        _bind(mfa.BEGIN_DEVICE, parts.multi_factor.begin_device),
        _bind(mfa.ADD_DEVICE, parts.multi_factor.add_device),
        _bind(mfa.REMOVE_DEVICE, parts.multi_factor.remove_device),
        _bind(recovery.CODES, parts.recovery.codes),
        _bind(recovery.NEW_CODES, parts.recovery.new_codes),
        _bind(recovery.START, parts.recovery.start),
        _bind(recovery.CHALLENGE, parts.recovery.challenge),
        _bind(recovery.APPROVE, parts.recovery.approve),
        _bind(recovery.FINISH, parts.recovery.finish),
        _bind(headless.LOGIN, parts.headless.login),
        _bind(headless.LIST, parts.headless.pending),
        _bind(headless.SHOW, parts.headless.show),
        _bind(headless.DECIDE, parts.headless.decide),
        _bind(hosts.JOIN, parts.hosts.join),
        _bind(hosts.RENEW, parts.hosts.renew),
        _bind(certificates.ISSUE, parts.issuing.issue),
        _bind(certificates.ISSUE_HOST, parts.issuing.issue_host),
        _bind(agentless.ISSUE_SERVER, parts.agentless.server),
        _bind(agentless.ISSUE_LOGIN, parts.agentless.login),
        _bind(agentless.FIND_SERVER, parts.agentless.find),
        _bind(certificates.AUTHORITIES, parts.export.all),
        _bind(certificates.EXPORT, parts.export.text),
        _bind(tokens.CREATE, parts.tokens.create),
        _bind(tokens.LIST, parts.tokens.list),
        _bind(tokens.DELETE, parts.tokens.delete),
        _bind(resources.LIST, parts.listing.page),
        _bind(resources.GET, parts.resources.get),
        _bind(resources.CREATE, parts.resources.create),
        _bind(resources.PUT, parts.resources.put),
        _bind(resources.DELETE, parts.resources.delete),
        _bind(access.EXPLAIN, parts.access.explain),
        *_asking(parts.access_requests),
        *_lists(parts.access_lists, parts.alerts),
        *_sessions(parts),
        _bind_stream(changes.WATCH, parts.watching.watch),
        _bind(cluster.STATUS, parts.public.status),
        _bind(cluster.WHO_AM_I, parts.public.who_am_i),
    ]


def _logins(logins: Logins, oidc: OidcLogins) -> list[Binding[Caller]]:
    return [
        _bind(login.BEGIN, logins.begin),
        _bind(login.FINISH, logins.finish),
        _bind(login.FINISH_SESSION, logins.finish_session),
        _bind(login.CREATE_SESSION, logins.finish_session),
        _bind(sso.START, oidc.start),
        _bind(sso.FINISH, oidc.finish),
        _bind(sso.START_WEB, oidc.start_web),
        _bind(sso.CALLBACK, oidc.callback),
    ]


def _asking(parts: AccessRequests) -> list[Binding[Caller]]:
    return [
        _bind(access_requests.CREATE, parts.asking.create),
        _bind(access_requests.CAPABILITIES, parts.asking.capabilities),
        _bind(access_requests.LIST, parts.reading.list),
        _bind(access_requests.GET, parts.reading.get),
        _bind(access_requests.RESOURCES, parts.reading.resources),
        _bind(access_requests.SEARCH, parts.reading.search),
        _bind(access_requests.REVIEW, parts.deciding.review),
        _bind(access_requests.SET_STATE, parts.deciding.set_state),
        _bind(access_requests.DELETE, parts.deciding.delete),
        _bind(webhooks.RECEIVE_REVIEW, parts.receiving.review),
    ]


def _lists(parts: ListParts, desk: AlertDesk) -> list[Binding[Caller]]:
    """And the alerts that tell their owners of reviews, among others."""
    return [
        _bind(access_lists.LIST, parts.members.lists),
        _bind(access_lists.GET, parts.members.get),
        _bind(access_lists.MEMBERS, parts.members.members),
        _bind(access_lists.ADD, parts.members.add),
        _bind(access_lists.REMOVE, parts.members.remove),
        _bind(access_lists.REMOVE_ALL, parts.members.remove_all),
        _bind(access_lists.REVIEW, parts.reviews.review),
        _bind(access_lists.REVIEWS, parts.reviews.reviews),
        _bind(access_lists.AUDIENCE, parts.members.audience),
        _bind(alerts.LIST, desk.list),
        _bind(alerts.CREATE, desk.create),
        _bind(alerts.ACKNOWLEDGEMENTS, desk.acknowledgements),
        _bind(alerts.ACKNOWLEDGE, desk.acknowledge),
        _bind(alerts.CLEAR, desk.clear),
    ]


def _sessions(parts: Parts) -> list[Binding[Caller]]:
    return [
        _bind(sessions.LIST, parts.trackers.list),
        _bind(sessions.GET, parts.trackers.get),
        _bind(sessions.PUT, parts.trackers.put),
        _bind(sessions.DELETE, parts.trackers.delete),
        _bind(leases.HOLD, parts.leases.hold),
        _bind(leases.RELEASE, parts.leases.release),
        _bind(sessions.GET_WEB, parts.web_sessions.get),
        _bind(sessions.RENEW_WEB, parts.web_sessions.renew),
        _bind(sessions.DELETE_WEB, parts.web_sessions.delete),
        _bind(sessions.ASSUME, parts.web_access.assume),
        _bind(audit.EMIT, parts.audit.emit),
        _bind(audit.SEARCH, parts.audit.search),
        _bind_stream(audit.FOLLOW, parts.audit.follow),
        _bind(recordings.UPLOAD_PART, parts.recordings.upload_part),
        _bind(recordings.COMPLETE, parts.recordings.complete),
        _bind(recordings.APPEND, parts.recordings.append),
        _bind(recordings.FINISH, parts.recordings.finish),
        _bind(recordings.LIST, parts.recordings.list),
        _bind_stream(recordings.READ, parts.recordings.read),
    ]


def _bind(route: Route[Asked, Answered], answer: Callable[[Caller, Asked], Awaitable[Answered]]) -> Binding[Caller]:
    return Binding(route, answer)


def _bind_stream(route: Route[Asked, Answered], answer: Callable[[Caller, Asked], Awaitable[Any]]) -> Binding[Caller]:
    return Binding(route, answer)
