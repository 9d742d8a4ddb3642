"""File rules: which pattern fits which path, which rule wins, and what no combination may bring about."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from roles import role

from teleport.foundation.errors import BadParameter
from teleport.policy import path_patterns, role_texts
from teleport.policy.file_links import decide_link
from teleport.policy.file_rules import ANY_SIZE, AskedFile, Direction, FileRule, FileRules, Host, decide, decide_move
from teleport.policy.options import merge

NAMES = st.sampled_from(["a", "b", "ab", "a*", "x.pem", "x.csv", "\\", "a b"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
PATTERN_NAMES = st.sampled_from(["a", "b", "*", "**", "a?", "*.pem", "\\*"])
PATTERNS = st.lists(PATTERN_NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


def merged(*options: dict[str, Any], **traits: list[str]) -> FileRules:
    roles = [role(f"r{number}", options={"file_rules": one}) for number, one in enumerate(options)]
    return merge(roles, traits).file_rules


def asked(path: str, direction: Direction = "download", **more: Any) -> AskedFile:
    return AskedFile(path=path, direction=direction, **more)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/srv/**", "/srv/a/b", True),
        ("/srv/**", "/srv", True),
        ("/srv/**", "/srvx", False),
        ("/srv/*", "/srv/a", True),
        ("/srv/*", "/srv/a/b", False),
        ("/srv/*.csv", "/srv/.csv", True),
        ("/srv/**/x", "/srv/x", True),
        ("/srv/**/x", "/srv/a/b/x", True),
        ("**/.ssh/**", "/home/a/.ssh/id", True),
        ("**/.ssh/**", "/home/a/not.ssh/id", False),
        ("/a?c", "/abc", True),
        ("/a?c", "/a/c", False),
        ("/a\\*", "/a*", True),
        ("/a\\*", "/ab", False),
        ("/a.c", "/abc", False),
        ("/a", "/a\n", False),
        ("/*", "/a\nb", True),
        ("~/in/**", "/home/alice/in/x", True),
        ("~/in/**", "/home/bob/in/x", False),
        ("/**", "/", True),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    assert path_patterns.matches(pattern, path, "/home/alice") is fits


@pytest.mark.parametrize("pattern", ["srv/x", "", "/a/../b", "/a/./b", "/a**/b", "/a//b", "{{external.team}}/x"])
def test_patterns_that_could_never_fit_or_fit_too_much_are_refused(pattern: str) -> None:
    with pytest.raises(BadParameter):
        role_texts.check(role(options={"file_rules": {"deny": [{"paths": [pattern]}]}}))


def fits_by_hand(pattern: list[str], path: list[str]) -> bool:
    """Another way to say what a pattern means."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(fits_by_hand(pattern[1:], path[start:]) for start in range(len(path) + 1))
    return bool(path) and name_fits(pattern[0], path[0]) and fits_by_hand(pattern[1:], path[1:])


def name_fits(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(name_fits(pattern[1:], name[start:]) for start in range(len(name) + 1))
    if pattern[0] == "\\":
        return name[:1] == pattern[1:2] and name_fits(pattern[2:], name[1:])
    return bool(name) and pattern[0] in ("?", name[0]) and name_fits(pattern[1:], name[1:])


@settings(deadline=None)
@given(PATTERNS, PATHS)
def test_patterns_mean_what_they_say(pattern: str, path: str) -> None:
    expected = fits_by_hand(pattern[1:].split("/"), path[1:].split("/"))
    assert path_patterns.matches(pattern, path) is expected


@settings(deadline=None)
@given(st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])), PATHS)
def test_a_trait_stands_for_itself_alone(value: str, path: str) -> None:
    (pattern,) = path_patterns.expand("/srv/{{external.team}}/**", {"team": [value]}) if value else ("/srv/x/**",)
    value = value or "x"
    assert path_patterns.matches(pattern, f"/srv/{value}/inside")
    assert not path_patterns.matches(pattern, path) or path.startswith(f"/srv/{value}")


def test_a_rule_whose_trait_is_missing_fits_nothing() -> None:
    rules = merged({"allow": [{"paths": ["/srv/{{external.team}}/**"]}]})
    assert not decide(rules, asked("/srv//x")).allowed
    assert not decide(rules, asked("/etc/passwd")).allowed


def test_deny_wins_over_every_allow() -> None:
    rules = merged({"allow": [{"paths": ["/**"]}]}, {"deny": [{"paths": ["/secret/**"]}]})
    assert decide(rules, asked("/open")).allowed
    answer = decide(rules, asked("/secret/x"))
    assert (answer.allowed, answer.reason.role, answer.reason.field) == (False, "r1", "options.file_rules.deny[0]")


def test_allows_of_several_roles_add_up_and_a_role_without_frees_nothing() -> None:
    one, two = {"allow": [{"paths": ["/one/**"]}]}, {"allow": [{"paths": ["/two/**"]}]}
    rules = merged(one, two, {"deny": [{"extensions": ["pem"]}]})
    assert [decide(rules, asked(path)).allowed for path in ("/one/x", "/two/x", "/three/x")] == [True, True, False]


def test_sizes_hold_until_they_are_reached() -> None:
    rules = merged(
        {"allow": [{"max_size": 10}, {"paths": ["/big/**"], "max_size": "1KiB"}], "deny": [{"larger_than": 500}]}
    )
    assert decide(rules, asked("/x")).limit == 10
    assert decide(rules, asked("/big/x")).limit == 500
    assert not decide(rules, asked("/x", size=11)).allowed
    assert decide(rules, asked("/big/x", size=11)).allowed
    assert not decide(rules, asked("/big/x", size=501)).allowed
    assert decide(merged({"deny": [{"paths": ["/a"]}]}), asked("/x", size=1 << 60)).limit == ANY_SIZE


def test_extensions_are_of_files_and_their_case_does_not_matter() -> None:
    rules = merged({"allow": [{"extensions": ["csv", ".tar.gz"]}]})
    assert decide(rules, asked("/x/A.CSV")).allowed
    assert decide(rules, asked("/x/a.tar.gz")).allowed
    assert not decide(rules, asked("/x/a.gz")).allowed
    assert not decide(rules, asked("/x.csv/a")).allowed
    assert decide(rules, asked("/x/folder", "upload", is_folder=True)).allowed


def test_a_denied_folder_is_denied_where_it_really_is() -> None:
    rules = merged({"deny": [{"paths": ["/var/run/secrets/**"]}], "allow": [{"paths": ["/**"]}]})
    host = Host(real={base: f"/run{base.removeprefix('/var/run')}" for base in rules.bases("")})
    assert rules.bases("") == ("/var/run/secrets",)
    assert not decide(rules, asked("/run/secrets/x"), host).allowed
    assert decide(rules, asked("/run/other"), host).allowed


def test_an_allow_follows_no_link() -> None:
    rules = merged({"allow": [{"paths": ["~/in/**"]}]})
    host = Host(home="/home/a", real={"/home/a/in": "/etc"})
    assert not decide(rules, asked("/etc/shadow", others=("/home/a/in/shadow",)), host).allowed


RULE: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    paths=st.lists(PATTERNS, max_size=2),
    directions=st.sampled_from([[], ["upload"], ["download"]]),
    extensions=st.sampled_from([[], ["pem"]]),
)
SETS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict, deny=st.lists(RULE, min_size=1, max_size=2), allow=st.lists(RULE, max_size=2)
)
DIRECTIONS: st.SearchStrategy[Direction] = st.sampled_from(["download", "upload"])


@settings(deadline=None)
@given(SETS, SETS, PATHS, DIRECTIONS)
def test_no_role_frees_what_another_denies(
    one: dict[str, Any], other: dict[str, Any], path: str, way: Direction
) -> None:
    alone, together = merged(one), merged(one, other)
    if any(not decide(FileRules(deny=(rule,)), asked(path, way)).allowed for rule in alone.deny):
        assert not decide(together, asked(path, way)).allowed
    assert decide(together, asked(path, way)).allowed is decide(merged(other, one), asked(path, way)).allowed


@settings(deadline=None)
@given(SETS, PATHS, DIRECTIONS)
def test_denies_alone_never_widen(one: dict[str, Any], path: str, way: Direction) -> None:
    more = merged(one, {"deny": one["deny"]})
    assert decide(more, asked(path, way)).allowed is decide(merged(one), asked(path, way)).allowed


@settings(deadline=None)
@given(SETS, PATHS, PATHS)
def test_no_move_makes_a_download_of_what_is_none(options: dict[str, Any], old: str, new: str) -> None:
    rules = merged(options)
    if decide_move(rules, asked(old), asked(new)).allowed:
        assert decide(rules, asked(old)).allowed or not decide(rules, asked(new)).allowed
        assert decide(rules, asked(new, "upload")).allowed
    assert not decide_move(rules, asked(old, is_folder=True), asked(new, is_folder=True)).allowed


def test_rules_read_like_what_they_are() -> None:
    rules = merged({"deny": [{"paths": ["/a"], "larger_than": 5}]})
    assert "options.file_rules.deny[0] of r0" in str(rules)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=FileRules) == rules
    assert isinstance(rules.deny[0], FileRule)


def test_no_rules_at_all_are_a_mistake() -> None:
    with pytest.raises(BadParameter, match="ssh_file_copy: false"):
        role(options={"file_rules": {}})


LINKED = [
    # rules, link, target, whether it may be made
    ({"allow": [{"paths": ["/srv/**"]}]}, "/srv/a", "/srv/b/f", True),
    ({"allow": [{"paths": ["/srv/**"]}]}, "/srv/a", "/etc", False),
    ({"allow": [{"paths": ["/srv/**"]}]}, "/etc/a", "/srv/b", False),
    ({"allow": [{"paths": ["/srv/**"], "max_size": 10}]}, "/srv/a", "/srv/b", True),
    ({"allow": [{"paths": ["/srv/**"]}, {"paths": ["/small/**"], "max_size": 10}]}, "/srv/a", "/small/b", False),
    ({"allow": [{"paths": ["/srv/in/**"], "directions": ["upload"]}]}, "/srv/in/a", "/srv/in/b", True),
    (
        {"allow": [{"paths": ["/in/**"], "directions": ["upload"]}, {"paths": ["/x/**"]}]}, "/x/a", "/in/b", False,
    ),
    ({"allow": [{"paths": ["/x/**"]}, {"paths": ["/in/a"]}]}, "/x/l", "/in/a", False),
    ({"deny": [{"paths": ["/srv/secret/**"]}]}, "/srv/a", "/srv/b", True),
    ({"deny": [{"paths": ["/srv/secret/**"]}]}, "/srv/a", "/srv/secret/b", False),
    ({"deny": [{"paths": ["/srv/secret/**"]}]}, "/srv/a", "/srv", False),
    ({"deny": [{"paths": ["**/.ssh/**"]}]}, "/srv/a", "/srv/b", True),
    ({"deny": [{"paths": ["**/.ssh/**"]}]}, "/srv/a", "/root/.ssh", False),
    ({"deny": [{"paths": ["**/a/b/**"]}]}, "/srv/l", "/srv/a", False),
    ({"deny": [{"extensions": ["pem"], "directions": ["download"]}]}, "/srv/a.txt", "/srv/b.pem", False),
    ({"deny": [{"extensions": ["pem"], "directions": ["download"]}]}, "/srv/b", "/srv/folder", True),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "link", "target", "may"), LINKED)
def test_a_link_leads_only_where_the_same_is_allowed(
    rules: dict[str, Any], link: str, target: str, may: bool
) -> None:
    answer = decide_link(merged(rules), asked(link, "upload"), target, Host())
    assert answer.allowed is may


def test_a_link_of_which_nobody_knows_where_it_leads_is_not_made() -> None:
    rules = merged({"allow": [{"paths": ["/srv/**"]}]})
    assert not decide_link(rules, asked("/srv/a", "upload"), "", Host()).allowed
    assert decide_link(FileRules(), asked("/srv/a", "upload"), "", Host()).allowed


WRITTEN = st.fixed_dictionaries(
    {"paths": st.lists(PATTERNS, max_size=2)},
    optional={
        "directions": st.lists(st.sampled_from(["upload", "download"]), min_size=1, max_size=1),
        "extensions": st.just(["pem"]),
    },
)
BELOW = st.lists(NAMES, max_size=3).map(lambda names: "".join(f"/{name}" for name in names))


@settings(max_examples=2000)
@given(
    deny=st.lists(WRITTEN, max_size=2), allow=st.lists(WRITTEN, max_size=2), link=PATHS, target=PATHS,
    belows=st.lists(BELOW, min_size=1, max_size=8), sizes=st.tuples(*[st.sampled_from([None, 5, 9])] * 2),
)  # fmt: skip
def test_by_no_link_more_is_copied_than_by_its_name(
    deny: list[dict[str, Any]], allow: list[dict[str, Any]], link: str, target: str, belows: list[str],
    sizes: tuple[int | None, int | None],
) -> None:  # fmt: skip
    assume(deny or allow)
    for rule, field, size in ((deny, "larger_than", sizes[0]), (allow, "max_size", sizes[1])):
        if rule and size is not None:
            rule[0][field] = size
    rules = merged({"deny": deny, "allow": allow})
    if not decide_link(rules, asked(link, "upload"), target, Host()).allowed:
        return
    for below in ("", *belows):
        for direction in ("download", "upload"):
            by_name = decide(rules, asked(link + below, direction))
            there = decide(rules, asked(target + below, direction))
            if by_name.allowed:
                assert there.allowed
                assert there.limit == ANY_SIZE or (by_name.limit != ANY_SIZE and there.limit >= by_name.limit)
