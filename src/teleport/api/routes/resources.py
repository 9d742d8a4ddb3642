"""Five generic calls for every kind of resource. The resource itself is JSON of model.codec, passed as it is.

Singletons have the name of their kind or any name; kinds with longer names (`namespace/name`) pass them in `name`.
"""

from __future__ import annotations

import msgspec

from teleport.api.route import Empty, Route


class ListResources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One page, ordered by name, of what the caller may see. `start` is the `next_start` of the page before.

    `search`: words that must all occur in name, hostname or labels. `labels`: equal values. `query`: an expression.
    `sort` is a field (`name`, `hostname`) with `:desc` at choice. `limit` 0: the server's default of 1000.
    """

    kind: str
    limit: int = 0
    start: str = ""
    search: str = ""
    query: str = ""
    labels: dict[str, str] = {}
    sort: str = ""
    with_logins: bool = False
    """Also tell the logins the caller may use on each node."""
    with_secrets: bool = False
    """Show join tokens in full, to whoever may read them."""


class ResourcePage(msgspec.Struct, frozen=True, kw_only=True):
    """`next_start` is empty on the last page. `logins` has one entry for each item when asked for.

    `requires_request` has one for each item of a search for what may be asked for: False is what one reaches anyway.
    """

    items: tuple[msgspec.Raw, ...] = ()
    next_start: str = ""
    total: int = 0
    """How many match in all, of those the caller may see."""
    logins: tuple[tuple[str, ...], ...] = ()
    requires_request: tuple[bool, ...] = ()


class ResourceName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`with_secrets` shows what is kept secret inside (a connector's client secret), to whoever may read it."""

    kind: str
    name: str
    with_secrets: bool = False


class DeleteResource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm` also deletes the last user who may write users and roles."""

    kind: str
    name: str
    confirm: bool = False


class CreateResource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fails with AlreadyExists when it is there."""

    kind: str
    resource: msgspec.Raw


class PutResource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Create or replace. A `metadata.revision` in the resource must be the present one, else RevisionConflict.

    `must_exist` refuses to create. `confirm` writes over a singleton that the configuration file sets, and what
    leaves nobody who may write users and roles.
    """

    kind: str
    name: str
    resource: msgspec.Raw
    must_exist: bool = False
    confirm: bool = False


class ResourceAnswer(msgspec.Struct, frozen=True):
    resource: msgspec.Raw


LIST = Route("GET", "/v1/resources/{kind}", ListResources, ResourcePage, summary="List resources of a kind")
GET = Route("GET", "/v1/resources/{kind}/{name:path}", ResourceName, ResourceAnswer, summary="Read a resource")
CREATE = Route("POST", "/v1/resources/{kind}", CreateResource, ResourceAnswer, summary="Create a resource")
PUT = Route("PUT", "/v1/resources/{kind}/{name:path}", PutResource, ResourceAnswer, summary="Create or replace it")
DELETE = Route(
    "DELETE", "/v1/resources/{kind}/{name:path}", DeleteResource, Empty, summary="Delete it; a singleton is reset"
)
ROUTES = (LIST, GET, CREATE, PUT, DELETE)
