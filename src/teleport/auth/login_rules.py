"""Login rules at work: what a provider said of somebody, rewritten by the cluster's rules before roles are found.

For logins through a connector. Traits of local users are the cluster's own and stay as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from teleport.auth.cluster import Cluster
from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.resources.login_rule import LoginRule
from teleport.policy import login_rules


class Rewritten(msgspec.Struct, frozen=True):
    """`applied` are the rules, in the order in which they ran: for the event of the login."""

    traits: dict[str, tuple[str, ...]]
    applied: tuple[str, ...] = ()


async def rewritten(cluster: Cluster, traits: Mapping[str, Sequence[str]]) -> Rewritten:
    """Raises AccessDenied when a rule gives no traits: such a login must not go on with others."""
    rules = [one async for one in cluster.store.iterate(LoginRule)]
    given = {name: tuple(values) for name, values in traits.items()}
    if not rules:
        return Rewritten(given)
    try:
        made = login_rules.apply(rules, given)
    except BadParameter as problem:
        raise AccessDenied(f"the login cannot go on: {problem.message}") from problem
    rules.sort(key=lambda one: (one.spec.priority, one.name))
    return Rewritten({name: tuple(values) for name, values in made.items()}, tuple(one.name for one in rules))
