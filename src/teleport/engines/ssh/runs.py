"""Chooses how what a client asked for is run."""

from __future__ import annotations

import uuid

from teleport.engines.guests import GuestAdmission
from teleport.engines.ssh import scp_command
from teleport.engines.ssh.backend import SFTP
from teleport.engines.ssh.channel import Run, SessionChannel
from teleport.engines.ssh.file_copy import CopyClerk, FileCopy
from teleport.engines.ssh.guest_run import GuestRun
from teleport.engines.ssh.passing_run import UNKNOWN_HOME, PassingRun
from teleport.engines.ssh.pipe_run import PipeRun
from teleport.engines.ssh.presence_run import PresenceRun
from teleport.engines.ssh.scp_command import ScpCommand
from teleport.engines.ssh.scp_tap import scp_tap
from teleport.engines.ssh.terminal_run import TerminalRun
from teleport.engines.ssh.visit import Visit
from teleport.foundation.errors import AccessDenied, TeleportError
from teleport.policy import command_rules
from teleport.policy.command_rules import CommandAnswer
from teleport.policy.moderation import Requirement
from teleport.policy.reasons import Code, Reason
from teleport.policy.sentences import Language, sentence
from teleport.wire.joining import MODE_VARIABLE, PRESENCE_VARIABLE, SESSION_VARIABLE


def run_for(channel: SessionChannel) -> Run:
    """Raises AccessDenied when the roles do not allow it."""
    visit = channel.visit
    if visit.guest is not None:
        return _guest_run(channel, visit.guest)
    sid = str(uuid.uuid4())
    if (copying := _copying(channel, sid)) is not None:
        return copying
    asked = channel.command
    if not visit.admission.is_told_by_proxy:
        _obey_rules(channel)
    if channel.terminal is not None:
        return TerminalRun(channel, sid)
    _check_unwatched(channel)
    scp = scp_command.guess(asked or "")
    if scp is not None and visit.backend.home is None:
        return PassingRun(channel, sid, CopyClerk(visit, sid, "", scp, _language(channel)), scp)
    return PipeRun(channel, sid, scp_tap(visit.audit, sid, asked) if asked is not None else None)


def _copying(channel: SessionChannel, sid: str) -> Run | None:
    """None when no copy is asked for, or one in words that take a shell to read."""
    home = channel.visit.backend.home
    scp: ScpCommand | None = None
    if not channel.subsystem:
        if channel.command is None or channel.terminal is not None:
            return None
        scp = scp_command.parse(channel.command, home if home is not None else UNKNOWN_HOME)
        if scp is None:
            return None
    _check_unwatched(channel)
    _check_file_copy(channel, "the SFTP subsystem" if channel.subsystem else "copying files")
    if home is None:
        return _passing(channel, sid, scp)
    channel.copy = FileCopy(channel.visit, sid, home, scp, _language(channel))
    channel.objection = channel.copy.objection
    return PipeRun(channel, sid)


def _passing(channel: SessionChannel, sid: str, scp: ScpCommand | None) -> PassingRun:
    """A copy that another server serves. Raises AccessDenied."""
    visit, clerk = channel.visit, CopyClerk(channel.visit, sid, "", scp, _language(channel))
    if clerk.is_governed and scp is not None and scp.is_pattern:
        reason = Reason(
            code=Code.PATTERN_BEYOND, value=scp.path, wanted=visit.admission.options.file_rules.roles
        )  # fmt: skip
        event_id = visit.audit.file_copy_refused(channel.command or "", sentence(reason))
        raise AccessDenied(sentence(reason, _language(channel)), event_id=event_id)
    channel.objection = clerk.objection
    return PassingRun(channel, sid, clerk, scp, is_exact=True)


def _obey_rules(channel: SessionChannel) -> None:
    """Make of a shell or a command what command rules make of it. Raises AccessDenied."""
    visit, asked = channel.visit, channel.command
    if asked is not None:
        _check_unseen_copy(channel, asked)
    answer = _ruling(visit, asked)
    if not answer.allowed:
        event_id = visit.audit.command_refused(asked or "", sentence(answer.reason))
        raise AccessDenied(sentence(answer.reason, _language(channel)), event_id=event_id)
    if answer.reason.code is Code.COMMAND_FORCED:
        channel.force(answer.reason.value)
    channel.words = answer.words
    channel.required = lambda: (
        *(one for one in visit.admission.required if one.role not in answer.free_of),
        *(Requirement(role=rule.role, policies=(rule.moderator,)) for rule in answer.waits),
    )

    def objection() -> str:
        now = _ruling(visit, asked)
        return "" if now.allowed and bool(now.words) <= bool(answer.words) else sentence(now.reason)

    channel.objection = objection


def _ruling(visit: Visit, command: str | None) -> CommandAnswer:
    return command_rules.decide(visit.admission.options.command_rules, command)


def _guest_run(channel: SessionChannel, guest: GuestAdmission) -> Run:
    """Raises AccessDenied, NotFound."""
    visit = channel.visit
    if channel.command is not None or channel.subsystem:
        raise AccessDenied("who joins a session runs nothing else")
    said = {str(name): str(value) for name, value in channel.channel.get_environment().items()}
    if said.get(PRESENCE_VARIABLE):
        return PresenceRun(channel, said.get(SESSION_VARIABLE, ""), said[PRESENCE_VARIABLE])
    try:
        live, mode = guest.join(said.get(SESSION_VARIABLE, ""), said.get(MODE_VARIABLE, "") or "observer")
    except TeleportError as refusal:
        refusal.event_id = visit.audit.refused(visit.identity, visit.login, refusal.message)
        raise
    return GuestRun(channel, live, mode)


def _check_unwatched(channel: SessionChannel) -> None:
    """What runs without a terminal is nothing that others could watch."""
    visit, required = channel.visit, channel.required()
    if not required:
        return
    roles = ", ".join(f'"{one.role}"' for one in required)
    reason = f"role {roles} requires others to be present: that takes a session on a terminal"
    if channel.subsystem == SFTP or scp_command.guess(channel.command or "") is not None:
        event_id = visit.audit.file_copy_refused(channel.command or "", reason)
    else:
        event_id = visit.audit.command_refused(channel.command or "", reason)
    raise AccessDenied(reason, event_id=event_id)


def _check_file_copy(channel: SessionChannel, what: str) -> None:
    visit = channel.visit
    if not _may_copy(visit):
        event_id = visit.audit.file_copy_refused(
            channel.command or "", "file copies are not allowed by the roles or this node"
        )
        raise AccessDenied(f"{what} is not allowed here by your roles or this node", event_id=event_id)
    answer = _ruling(visit, channel.command)
    if visit.admission.options.command_rules.forced:
        event_id = visit.audit.file_copy_refused(channel.command or "", sentence(answer.reason))
        raise AccessDenied(sentence(answer.reason, _language(channel)), event_id=event_id)


def _check_unseen_copy(channel: SessionChannel, command: str) -> None:
    """Where copies are restricted, no program may make one that nobody here looks into."""
    visit = channel.visit
    rules = visit.admission.options.file_rules
    if (_may_copy(visit) and not rules.are_set) or not scp_command.names_a_copier(command):
        return
    reason = Reason(code=Code.COPY_UNSEEN, value=command[:200], wanted=rules.roles or ("ssh_file_copy",))
    event_id = visit.audit.file_copy_refused(channel.command or "", sentence(reason))
    raise AccessDenied(sentence(reason, _language(channel)), event_id=event_id)


def _may_copy(visit: Visit) -> bool:
    return visit.admission.options.ssh_file_copy and visit.post.permit_file_copy


def _language(channel: SessionChannel) -> Language:
    """Of the person, as the client tells it."""
    said = channel.variables()
    spoken = said.get("LC_ALL") or said.get("LC_MESSAGES") or said.get("LANG") or ""
    return "ko" if spoken.startswith("ko") else "en"
