"""`tctl auth ls|export|sign`"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from datetime import timedelta

from teleport.api.route import Empty
from teleport.api.routes import certificates as routes
from teleport.api.routes.public import ExportAuthorities
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl.connection import connect
from teleport.cli.tctl.users import words
from teleport.client import identity_file, prompt
from teleport.client.files import write_private
from teleport.client.identity_file import IdentityFile
from teleport.credentials.keys import PrivateKey
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter, Unsupported

USER_FORMATS = ("file", "openssh", "tls")
_TYPES = (
    "user", "host", "tls", "tls-host", "tls-user", "tls-user-der", "db", "db-der", "db-client", "db-client-der",
    "openssh", "saml-idp", "jwt", "spiffe", "tls-spiffe", "windows",
)  # fmt: skip
_BINARY = ("tls-user-der", "db-der", "db-client-der", "windows")
_TOLERANCE = timedelta(minutes=2)
_LATER = (
    "db", "kubernetes", "mongodb", "cockroach", "redis", "snowflake", "elasticsearch", "cassandra", "scylla",
    "oracle", "windows",
)  # fmt: skip


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list certificate authorities", _ls)
    listing.choice("--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    export = parser.subcommand("export", "print public keys of authorities", _export)
    export.choice("--type", choices=_TYPES, default="", metavar="TYPE", help=f"one of {', '.join(_TYPES)}")
    export.add_argument("--fingerprint", default="", help="only the key with this fingerprint")
    export.add_argument("--compat", default="", metavar="VERSION", help="1.0: user keys as bare keys")
    export.switch("--keys", help="private keys (never offered: they stay with the auth service)")
    sign = parser.subcommand("sign", "write certificates for a user or a host", _sign)
    sign.add_argument("-o", "--out", required=True, metavar="FILE", help="where to write")
    sign.add_argument("--user", default="", help="whose identity")
    sign.add_argument("--host", default="", metavar="NAME,...", help="names of the host")
    sign.choice(
        "--format",
        choices=(*USER_FORMATS, *_LATER),
        default="file",
        metavar="FORMAT",
        help="file, openssh or tls",
    )
    sign.add_argument("--ttl", default="12h", metavar="DURATION", help="how long it is good")
    sign.switch("--overwrite", help="replace files that exist")
    sign.examples(
        "tctl auth sign --user=ci --out=ci.identity --ttl=8h",
        "tctl auth sign --host=db.example.com --format=openssh --out=ssh_host_key",
    )


def _ls(options: Namespace) -> int:
    import msgspec

    with connect(options) as client:
        authorities = client.call(routes.AUTHORITIES, Empty()).authorities
    if options.format != "text":
        output.show(msgspec.to_builtins(authorities), options.format)
        return 0
    rows = [(each.type, each.cluster, each.phase, ", ".join(each.pins)) for each in authorities]
    print(output.table(("Type", "Cluster", "Rotation", "Pins"), rows))
    return 0


def _export(options: Namespace) -> int:
    if options.keys:
        raise Unsupported("private keys of authorities are not exported: they stay with the auth service")
    request = ExportAuthorities(type=options.type, compat=options.compat, fingerprint=options.fingerprint)
    with connect(options) as client:
        text = client.call(routes.EXPORT, request).text
    if options.type in _BINARY:
        sys.stdout.buffer.write(bytes.fromhex(text))
    else:
        print(text.rstrip("\n"))
    return 0


def _sign(options: Namespace) -> int:
    if bool(options.user) == bool(options.host):
        raise BadParameter("exactly one of --user and --host is expected")
    if options.format in _LATER:
        raise Unsupported(f"--format={options.format} is known, and not built yet: use file, openssh or tls")
    _refuse_to_overwrite(options)
    ttl = durations.parse(options.ttl)
    with connect(options) as client:
        written = _sign_user(client, options, ttl) if options.user else _sign_host(client, options, ttl)
    print(f"The credentials have been written to {', '.join(written)}")
    return 0


def _sign_user(client: SyncClient, options: Namespace, ttl: timedelta) -> list[str]:
    if options.format not in USER_FORMATS:
        raise BadParameter(f"--format={options.format} is for hosts: add --host")
    key = PrivateKey.generate("ecdsa-p256")
    request = routes.IssueCertificates(
        username=options.user,
        ssh_public_key=key.public.ssh().encode(),
        tls_public_key=key.public.pem.encode(),
        ttl=ttl,
    )
    issued = client.call(routes.ISSUE, request)
    if issued.expires is not None and issued.expires < SystemClock().now() + ttl - _TOLERANCE:
        until = output.utc_time(issued.expires)
        print(f"NOTE: valid until {until}, not for {options.ttl}: roles and cluster allow no more", file=sys.stderr)
    signers = issued.host_signers
    identity = IdentityFile(
        key.pem(),
        key.pem(),
        issued.ssh_certificate.decode(),
        issued.tls_certificate.decode(),
        tuple(certificate.decode() for signer in signers for certificate in signer.tls_certs),
        tuple(
            f"@cert-authority {signer.domain_name},*.{signer.domain_name} {authority_key(line)} type=host\n"
            for signer in signers
            for line in signer.checking_keys
        ),
    )
    identity_file.write_as(identity, options.format, options.out)
    return out_files(options.out, options.format)


def authority_key(line: bytes) -> str:
    from teleport.client.login import key_of

    return key_of(line)


def _sign_host(client: SyncClient, options: Namespace, ttl: timedelta) -> list[str]:
    if options.format not in ("file", "openssh"):
        raise BadParameter(f"--format={options.format} is not for hosts, expected file or openssh")
    key = PrivateKey.generate("ed25519")
    request = routes.IssueHostCertificate(
        ssh_public_key=key.public.ssh().encode(), principals=words(options.host), ttl=ttl
    )
    issued = client.call(routes.ISSUE_HOST, request)
    certificate = issued.ssh_certificate.decode().rstrip("\n") + "\n"
    base = os.path.abspath(options.out)
    if options.format == "file":
        write_private(base, key.ssh_pem() + certificate)
        return [options.out]
    write_private(base, key.ssh_pem())
    write_private(f"{base}-cert.pub", certificate)
    return out_files(options.out, "openssh")


def out_files(path: str, form: str) -> list[str]:
    """The files that a form consists of."""
    match form:
        case "openssh":
            return [path, f"{path}-cert.pub"]
        case "tls":
            return [f"{path}.{suffix}" for suffix in ("crt", "key", "cas")]
        case _:
            return [path]


def _refuse_to_overwrite(options: Namespace) -> None:
    there = [path for path in out_files(options.out, options.format) if os.path.exists(path)]
    if there and not options.overwrite and not prompt.confirm(f"{', '.join(there)} exists. Replace it?"):
        raise BadParameter(f"{there[0]} exists, use --overwrite to replace it")
