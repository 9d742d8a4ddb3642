"""Label selectors: one role's, and many roles' at once.

An empty selector matches nothing; `'*': '*'` matches everything, even what has no labels; otherwise every key must be
there and have one of the listed values (patterns). `SelectorIndex` answers for all roles of a person together, as a
bit mask, and remembers per key which roles a value satisfies: filtering many resources costs a look-up per key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teleport.policy.patterns import WILDCARD, PatternSet

_MAX_REMEMBERED = 4096


class LabelSelector:
    """One selector, compiled."""

    __slots__ = ("_keys", "matches_all")

    def __init__(self, selector: Mapping[str, Sequence[str]]) -> None:
        """Raises BadParameter for a regular expression that cannot be read."""
        self.matches_all = tuple(selector.get(WILDCARD, ())) == (WILDCARD,)
        self._keys = () if self.matches_all else tuple((key, PatternSet(values)) for key, values in selector.items())

    @property
    def is_empty(self) -> bool:
        return not self.matches_all and not self._keys

    @property
    def keys(self) -> tuple[tuple[str, PatternSet], ...]:
        return self._keys

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.matches_all or (bool(self._keys) and self.difference(labels) is None)

    def difference(self, labels: Mapping[str, str]) -> tuple[str, PatternSet] | None:
        """The first key that is missing or has another value."""
        for key, values in self._keys:
            found = labels.get(key)
            if found is None or not values.matches(found):
                return key, values
        return None

    def __str__(self) -> str:
        """As in YAML: `env: [prod, staging], region: us-*`."""
        if self.matches_all:
            return "'*': '*'"
        return ", ".join(f"{key}: {_values(values.patterns)}" for key, values in self._keys)


def _values(patterns: tuple[str, ...]) -> str:
    return patterns[0] if len(patterns) == 1 else f"[{', '.join(patterns)}]"


class SelectorIndex:
    """Many selectors; selector number i is bit i of every mask. A pure function with a bounded memory."""

    __slots__ = ("_always", "_by_key", "_nonempty")

    def __init__(self, selectors: Sequence[LabelSelector]) -> None:
        self._always = 0
        self._nonempty = 0
        by_key: dict[str, list[tuple[int, PatternSet]]] = {}
        for number, selector in enumerate(selectors):
            bit = 1 << number
            if selector.matches_all:
                self._always |= bit
            for key, values in selector.keys:
                self._nonempty |= bit
                by_key.setdefault(key, []).append((bit, values))
        self._by_key = tuple(_KeyIndex(key, tuple(asked)) for key, asked in by_key.items())

    @property
    def any_always(self) -> int:
        """The selectors that match everything."""
        return self._always

    def mask(self, labels: Mapping[str, str]) -> int:
        """The selectors that match."""
        mask = self._nonempty
        for index in self._by_key:
            if not mask:
                break
            mask &= index.mask(labels.get(index.key))
        return mask | self._always


class _KeyIndex:
    """For one key: which selectors are content with a value of it."""

    __slots__ = ("_asked", "_content", "_remembered", "key")

    def __init__(self, key: str, asked: tuple[tuple[int, PatternSet], ...]) -> None:
        self.key = key
        self._asked = asked
        # selectors that do not ask for this key are content with anything
        self._content = ~sum(bit for bit, _ in asked)
        self._remembered: dict[str | None, int] = {None: self._content}

    def mask(self, value: str | None) -> int:
        known = self._remembered.get(value)
        if known is not None:
            return known
        mask = self._content
        for bit, values in self._asked:
            if value is not None and values.matches(value):
                mask |= bit
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered = {None: self._content}
        self._remembered[value] = mask
        return mask
