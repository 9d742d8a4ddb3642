"""`teleport install systemd`: the unit that keeps this program running."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from teleport.cli.arguments import Arguments
from teleport.foundation.errors import BadParameter

UNIT = """\
[Unit]
Description=Teleport access platform
After=network-online.target
Wants=network-online.target

[Service]
Type=simple
Restart=always
RestartSec=5
EnvironmentFile=-{env_file}
ExecStart={teleport} start --config /etc/teleport.yaml --pid-file={pid_file}
# A reload starts a new process beside the old one, which leaves when its last session has ended.
ExecReload=/bin/sh -c "exec kill -HUP $(cat {pid_file})"
PIDFile={pid_file}
KillMode=process
TimeoutStopSec=60
LimitNOFILE={fd_limit}

[Install]
WantedBy=multi-user.target
"""


def arguments(parser: Arguments) -> None:
    systemd = parser.subcommand("systemd", "print the systemd unit, or write it with -o", run)
    systemd.add_argument("--env-file", default="/etc/default/teleport", metavar="FILE", help="its environment")
    systemd.add_argument("--pid-file", default="/run/teleport.pid", metavar="FILE", help="process id of the unit")
    systemd.add_argument("--fd-limit", type=int, default=524288, metavar="N", help="open files [524288]")
    systemd.add_argument("--teleport-path", default="", metavar="FILE", help="the program [this one]")
    systemd.add_argument("-o", "--output", default="", metavar="FILE", help="write here instead of printing")
    systemd.examples("teleport install systemd -o /etc/systemd/system/teleport.service")


def run(options: Namespace) -> int:
    program = options.teleport_path or str(Path(sys.argv[0]).absolute())
    for text in (program, options.pid_file, options.env_file):
        if any(letter.isspace() or letter in "\"'$%\\" for letter in text):
            raise BadParameter(f"{text!r}: a path in a unit may not hold blanks, quotes, $ or %")
    unit = UNIT.format(
        env_file=options.env_file, teleport=program, pid_file=options.pid_file, fd_limit=options.fd_limit
    )
    if not options.output:
        print(unit, end="")
        return 0
    path = Path(options.output.removeprefix("file://"))
    path.write_text(unit, encoding="utf-8")
    print(f"wrote {path}; now run: systemctl daemon-reload && systemctl enable --now {path.stem}")
    return 0
