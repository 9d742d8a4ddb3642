"""Join tokens: made, listed without showing what they are, deleted. A token's name is its secret."""

from __future__ import annotations

from teleport.api.route import Empty
from teleport.api.routes.tokens import CreateToken, DeleteToken, ListTokens, TokenCreated, Tokens, TokenShown
from teleport.auth.admin_actions import AdminActions
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.settings import MAX_TOKEN_TTL, TOKEN_TTL
from teleport.credentials.tokens import digest, random_token
from teleport.foundation.errors import AlreadyExists, BadParameter, NotFound
from teleport.model.events.join import JoinTokenCreated
from teleport.model.resource import Metadata
from teleport.model.resources.token import StaticTokens, Token, TokenSpec
from teleport.model.sensitive import mask_name

MIN_SECRET = 8
_ID = 16


class JoinTokens:
    """The calls about tokens; joining by one is `join`."""

    def __init__(self, cluster: Cluster, guard: Guard, admin_actions: AdminActions) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._guard = guard
        self._admin_actions = admin_actions

    async def create(self, caller: Caller, request: CreateToken) -> TokenCreated:
        """A shared token. Raises AlreadyExists for a `value` that is taken."""
        ttl = request.ttl if request.ttl is not None else TOKEN_TTL
        if ttl.total_seconds() < 0 or ttl > MAX_TOKEN_TTL:
            raise BadParameter(f"a token is valid for at most {MAX_TOKEN_TTL.days} days; 0 is for ever")
        if request.value and len(request.value) < MIN_SECRET:
            raise BadParameter(f"a token of fewer than {MIN_SECRET} characters would be guessed")
        now = self._cluster.clock.now()
        token = Token(
            metadata=Metadata(
                name=request.value or random_token(),
                labels=dict(request.labels),
                expires=now + ttl if ttl else None,
            ),
            spec=TokenSpec(roles=list(request.roles), uses=1 if request.single_use else 0),
        )
        token.check()
        await self._guard.require(caller, "create", Token.KIND)
        await self._admin_actions.require_for(caller, Token.KIND)
        try:
            await self._store.create(token)
        except AlreadyExists:
            raise AlreadyExists("the token already exists, please use another name") from None
        await record_token(self._cluster, caller, token)
        pins = await self._cluster.authorities.pins()
        return TokenCreated(token=token.name, roles=tuple(token.spec.roles), expires=token.expires, ca_pins=pins)

    async def list(self, caller: Caller, request: ListTokens) -> Tokens:
        """By expiry, those without an end last."""
        await self._guard.require(caller, "list", Token.KIND)
        if request.with_secrets:
            await self._guard.require(caller, "read", Token.KIND)
            await self._admin_actions.require(caller, in_series=True)
        now = self._cluster.clock.now()
        shown = [
            _shown(token, with_secrets=request.with_secrets)
            async for token in self._store.iterate(Token)
            if not token.is_expired(now)
        ]
        shown += [
            _shown(token, with_secrets=request.with_secrets, static=True)
            for token in await static_tokens(self._cluster)
        ]
        return Tokens(tuple(sorted(shown, key=lambda token: (token.expires is None, token.expires or now, token.id))))

    async def delete(self, caller: Caller, request: DeleteToken) -> Empty:
        """By name or id. Static ones belong to the configuration file."""
        await self._guard.require(caller, "delete", Token.KIND)
        await self._admin_actions.require_for(caller, Token.KIND)
        for token in await static_tokens(self._cluster):
            if request.token in (token.name, token_id(token)):
                raise BadParameter("a static token cannot be removed here: take it out of the configuration file")
        async for token in self._store.iterate(Token):
            if request.token in (token.name, token_id(token)):
                await self._store.delete(Token, token.name)
                return Empty()
        raise NotFound(f"token {mask_name(request.token)!r} is not found")


async def static_tokens(cluster: Cluster) -> list[Token]:
    """The tokens of the configuration file, as tokens without an end."""
    found = await cluster.store.find(StaticTokens, StaticTokens.SINGLETON)
    if found is None:
        return []
    return [
        Token(
            metadata=Metadata(name=entry.token.reveal()),
            spec=TokenSpec(roles=list(entry.roles), join_method="token"),
        )
        for entry in found.spec.static_tokens
    ]


async def record_token(cluster: Cluster, caller: Caller, token: Token) -> None:
    """The event of a new token; its name is masked."""
    event = JoinTokenCreated(
        name=token.display_name,
        roles=list(token.spec.roles),
        join_method=token.spec.join_method,
        expires=token.expires,
        **caller.event_fields(),
    )
    await cluster.journal.record(event)


def token_id(token: Token) -> str:
    """Names a token without telling it."""
    return digest(token.name)[:_ID] if token.is_secret else token.name


def _shown(token: Token, *, with_secrets: bool, static: bool = False) -> TokenShown:
    return TokenShown(
        id=token_id(token),
        token=token.name if with_secrets else token.display_name,
        roles=tuple(token.spec.roles),
        join_method=token.spec.join_method or "token",
        expires=token.expires,
        labels=dict(token.metadata.labels),
        static=static,
    )
