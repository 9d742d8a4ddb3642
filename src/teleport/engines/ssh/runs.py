"""Chooses how what a client asked for is run."""

from __future__ import annotations

import uuid

from teleport.engines.guests import GuestAdmission
from teleport.engines.ssh.backend import SFTP
from teleport.engines.ssh.channel import Run, SessionChannel
from teleport.engines.ssh.guest_run import GuestRun
from teleport.engines.ssh.pipe_run import PipeRun
from teleport.engines.ssh.sftp import SftpTap, scp_tap
from teleport.engines.ssh.terminal_run import TerminalRun
from teleport.foundation.errors import AccessDenied, TeleportError
from teleport.wire.joining import MODE_VARIABLE, SESSION_VARIABLE


def run_for(channel: SessionChannel) -> Run:
    """Raises AccessDenied when the roles do not allow it."""
    visit = channel.visit
    if visit.guest is not None:
        return _guest_run(channel, visit.guest)
    sid = str(uuid.uuid4())
    if channel.terminal is None or channel.subsystem:
        _check_unwatched(channel)
    if channel.subsystem == SFTP:
        _check_file_copy(channel, "the SFTP subsystem")
        return PipeRun(channel, sid, SftpTap(visit.audit, sid))
    tap = scp_tap(visit.audit, sid, channel.command) if channel.command is not None else None
    if tap is not None:
        _check_file_copy(channel, "copying files")
    if channel.terminal is not None:
        return TerminalRun(channel, sid)
    return PipeRun(channel, sid, tap)


def _guest_run(channel: SessionChannel, guest: GuestAdmission) -> Run:
    """Raises AccessDenied, NotFound."""
    visit = channel.visit
    if channel.command is not None or channel.subsystem:
        raise AccessDenied("who joins a session runs nothing else")
    said = {str(name): str(value) for name, value in channel.channel.get_environment().items()}
    try:
        live, mode = guest.join(said.get(SESSION_VARIABLE, ""), said.get(MODE_VARIABLE, "") or "observer")
    except TeleportError as refusal:
        refusal.event_id = visit.audit.refused(visit.identity, visit.login, refusal.message)
        raise
    return GuestRun(channel, live, mode)


def _check_unwatched(channel: SessionChannel) -> None:
    """What runs without a terminal is nothing that others could watch."""
    visit = channel.visit
    if not visit.admission.required:
        return
    roles = ", ".join(f'"{one.role}"' for one in visit.admission.required)
    reason = f"role {roles} requires others to be present: that takes a session on a terminal"
    if channel.subsystem == SFTP or scp_tap(visit.audit, "", channel.command or "") is not None:
        event_id = visit.audit.file_copy_refused(channel.command or "", reason)
    else:
        event_id = visit.audit.command_refused(channel.command or "", reason)
    raise AccessDenied(reason, event_id=event_id)


def _check_file_copy(channel: SessionChannel, what: str) -> None:
    visit = channel.visit
    if not (visit.admission.options.ssh_file_copy and visit.post.permit_file_copy):
        event_id = visit.audit.file_copy_refused(
            channel.command or "", "file copies are not allowed by the roles or this node"
        )
        raise AccessDenied(f"{what} is not allowed here by your roles or this node", event_id=event_id)
