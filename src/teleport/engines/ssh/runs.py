"""Chooses how what a client asked for is run."""

from __future__ import annotations

import uuid

from teleport.engines.ssh.channel import SFTP, Run, SessionChannel
from teleport.engines.ssh.pipe_run import PipeRun
from teleport.engines.ssh.sftp import SftpTap, scp_tap
from teleport.engines.ssh.terminal_run import TerminalRun
from teleport.foundation.errors import AccessDenied


def run_for(channel: SessionChannel) -> Run:
    """Raises AccessDenied when the roles do not allow it."""
    visit = channel.visit
    sid = str(uuid.uuid4())
    if channel.subsystem == SFTP:
        _check_file_copy(channel, "the SFTP subsystem")
        return PipeRun(channel, sid, None, SftpTap(visit.audit, sid), subsystem=SFTP)
    tap = scp_tap(visit.audit, sid, channel.command) if channel.command is not None else None
    if tap is not None:
        _check_file_copy(channel, "copying files")
    shell = visit.user.shell
    name = shell.rsplit("/", 1)[-1]
    argv = [f"-{name}"] if channel.command is None else [name, "-c", channel.command]
    if channel.terminal is not None:
        return TerminalRun(channel, sid, (shell, argv))
    return PipeRun(channel, sid, (shell, argv), tap)


def _check_file_copy(channel: SessionChannel, what: str) -> None:
    visit = channel.visit
    if not (visit.admission.options.ssh_file_copy and visit.post.permit_file_copy):
        event_id = visit.audit.file_copy_refused(channel.command or "")
        raise AccessDenied(f"{what} is not allowed here by your roles or this node", event_id=event_id)
