"""`tsh ls --why-not NAME`: why a server is missing from the list, or refuses."""

from __future__ import annotations

from argparse import Namespace

from teleport.api.routes import access
from teleport.cli import output
from teleport.client.account import Account

MISSING = 1


def explain(account: Account, options: Namespace) -> int:
    """Exit status 0 where it is allowed, 1 where it is not."""
    from teleport.client import api_access

    name, login = _split(options.why_not)
    with api_access.connect(account) as client:
        told = client.call(access.EXPLAIN, access.ExplainAccess(kind="node", name=name, login=login))
    if options.format in ("json", "yaml"):
        document = {"allowed": told.allowed, "message": told.message, "roles": told.roles, "logins": told.logins}
        output.show(document, options.format)
    else:
        print(output.printable(told.message))
        if told.logins:
            print(output.printable(f"Logins that are open to you there: {', '.join(told.logins)}"))
    return 0 if told.allowed else MISSING


def _split(text: str) -> tuple[str, str]:
    """`login@name`, or a name alone."""
    login, mark, name = text.rpartition("@")
    return (name, login) if mark else (text, "")
