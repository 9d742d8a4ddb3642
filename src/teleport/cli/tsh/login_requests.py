"""Access requests at login: those named are taken on, those asked for (by flags or by one's roles) are made."""

from __future__ import annotations

from argparse import Namespace

from teleport.client.account import Account

NONE = "none"


def settle(options: Namespace, account: Account) -> bool:
    """Whether anything was done and the login was shown. Raises AccessDenied for a request that is denied."""
    from teleport.api.routes import access_requests as routes
    from teleport.cli import requests
    from teleport.cli.tsh import request, status
    from teleport.cli.tsh.who import choice_of
    from teleport.client import access_requests, api_access, prompt
    from teleport.client.account import find

    if options.request_id:
        ids = requests.words(options.request_id)
        agent = options.add_keys_to_agent or "auto"
        if ids == (NONE,):
            access_requests.reissue(account, drop=("*",), agent=agent)
        else:
            access_requests.reissue(account, assume=ids, agent=agent)
        status.print_account(find(choice_of(options)._replace(proxy=account.host, cluster="")))
        return True
    roles = requests.words(options.request_roles)
    reason = options.request_reason
    if not roles:
        with api_access.connect(account) as client:
            able = client.call(routes.CAPABILITIES, routes.AskCapabilities())
        if not able.automatic or not able.requestable_roles:
            return False
        roles = ("*",)
        if able.reason_required and not reason:
            reason = prompt.ask(f"{able.reason_prompts[0] if able.reason_prompts else 'Enter request reason'}:")
    wanted = routes.CreateAccessRequest(
        roles=roles, reason=reason, suggested_reviewers=requests.words(options.request_reviewers)
    )
    request.ask(account, wanted, options, nowait=bool(options.request_nowait))
    return True
