"""What a provider says of somebody, turned into a user name, traits and roles. Nothing is guessed: a claim of another
type than expected is none.

Roles come from the traits that the login rules leave; the name and whether the e-mail address is theirs come from the
provider's own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.resources.cert_authority import RoleMapping
from teleport.model.resources.role_conditions import ClaimMapping
from teleport.policy import patterns, role_mapping
from teleport.policy.templates import Traits

MAX_CLAIMS = 1024
MAX_NAME = 255
DEFAULT_NAME_CLAIM = "email"
_OF_THE_TOKEN = frozenset(
    {"iss", "aud", "azp", "exp", "iat", "nbf", "nonce", "jti", "at_hash", "c_hash", "s_hash", "auth_time", "sid"}
)


def joined(token: Mapping[str, object], userinfo: Mapping[str, object]) -> dict[str, object]:
    """The claims of a token and what the provider adds to them elsewhere; the token's word stands.

    Whether an e-mail address was verified is only believed of whoever names the address.
    """
    added = {name: value for name, value in userinfo.items() if name not in token and name not in _OF_THE_TOKEN}
    if "email" in token:
        added.pop("email_verified", None)
    elif "email" in added and "email_verified" in token:
        added.pop("email")
    return {**token, **added}


def check_email(claims: Mapping[str, object]) -> None:
    """Raises AccessDenied for an address of which the provider does not say that it is the person's."""
    if "email" not in claims:
        return
    if claims.get("email_verified") not in (True, "true"):
        raise AccessDenied(
            f"the provider does not say that {str(claims['email'])[:MAX_NAME]!r} is verified "
            f"(email_verified is {str(claims.get('email_verified'))[:20]!r})"
        )


def name_of(claims: Mapping[str, object], claim: str) -> str:
    """The user name. Raises AccessDenied when the claim is missing or is no name."""
    claim = claim or DEFAULT_NAME_CLAIM
    value = claims.get(claim)
    if not isinstance(value, str) or not value:
        raise AccessDenied(f"the claim {claim!r}, which names the user, is missing or is no text")
    if len(value) > MAX_NAME or value != value.strip() or not value.isprintable():
        raise AccessDenied(f"the claim {claim!r} is no user name: {value[:MAX_NAME]!r}")
    return value


def traits_of(claims: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Claims that are a text or a list of texts, without those about the token. Raises AccessDenied for too many."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in claims.items():
        values = value if isinstance(value, list) else [value]
        texts = [one for one in values if isinstance(one, str) and one]
        if name and name not in _OF_THE_TOKEN and texts and len(texts) == len(values):
            found[name] = tuple(dict.fromkeys(texts))
    if len(found) > MAX_CLAIMS:
        raise AccessDenied(f"the provider gives {len(found)} claims, at most {MAX_CLAIMS} are read")
    return found


def roles_of(mappings: Iterable[ClaimMapping], traits: Traits) -> tuple[str, ...]:
    """Roles of every row that matches, in their order. Raises AccessDenied when none does."""
    found: dict[str, None] = {}
    asked: dict[str, None] = {}
    for row in mappings:
        asked[row.claim] = None
        rows = [RoleMapping(remote=row.value, local=list(row.roles))]
        found.update(dict.fromkeys(role_mapping.map_roles(rows, traits.get(row.claim, ()))))
    if not found:
        had = ", ".join(f"{claim}={list(traits.get(claim, ()))}" for claim in asked) or "no rows"
        raise AccessDenied(f"no row of claims_to_roles matches, so there is no role for this login ({had[:1000]})")
    return tuple(found)


def check_mappings(mappings: Iterable[ClaimMapping], where: str = "spec") -> None:
    """Raises BadParameter, naming the row, for a pattern that cannot be read."""
    for number, row in enumerate(mappings):
        try:
            patterns.matcher(row.value)
        except BadParameter as problem:
            raise BadParameter(f"{where}.claims_to_roles[{number}].value: {problem.message}") from None
