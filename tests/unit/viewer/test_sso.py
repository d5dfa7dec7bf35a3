"""Whom a proxy's headers name, and which settings of it are refused."""

from ipaddress import ip_network
from typing import Any

import pytest

from flows.settings import ConfigurationError, load_settings
from viewer.sso import BadPerson, Person, SignedInByProxy

PROXY = SignedInByProxy(
    (ip_network("10.0.0.0/24"), ip_network("fd00::/64")),
    "X-User",
    "X-Groups",
    {"shop": frozenset({"a", "b"}), "admins": frozenset({"*"})},
    frozenset({"c"}),
)
GOOD: dict[str, Any] = {"trusted": ["10.0.0.5"], "everyone": ["*"]}


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "fd00::7"])
def test_a_person_from_the_proxy_s_addresses_is_believed(address: str) -> None:
    assert PROXY.person(address, {"x-user": ["ada"]}) == Person("user:ada", frozenset({"c"}))


@pytest.mark.parametrize("address", ["10.0.1.1", "::ffff:10.0.1.1", "127.0.0.1", "::1", "", "testclient"])
def test_from_anywhere_else_nobody_is(address: str) -> None:
    assert PROXY.person(address, {"x-user": ["ada"], "x-groups": ["admins"]}) is None


def test_the_apps_of_all_groups_come_together() -> None:
    assert PROXY.person("10.0.0.1", {"x-user": ["ada"], "x-groups": ["shop, other"]}) == Person(
        "user:ada", frozenset({"a", "b", "c"})
    )
    assert PROXY.person("10.0.0.1", {"x-user": ["ada"], "x-groups": ["shop,admins"]}) == Person("user:ada", None)


def test_a_header_that_came_twice_names_nobody() -> None:
    for headers in ({"x-user": ["ada", "root"]}, {"x-user": ["ada"], "x-groups": ["shop", "admins"]}):
        with pytest.raises(BadPerson, match="more than once"):
            PROXY.person("10.0.0.1", headers)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 257])
def test_a_name_that_is_none_names_nobody(name: str) -> None:
    with pytest.raises(BadPerson):
        PROXY.person("10.0.0.1", {"x-user": [name]})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"trusted": []}, "names no proxy"),
        ({"trusted": ["0.0.0.0/0"]}, "open to anyone"),
        ({"trusted": ["10.0.0.5", "::/0"]}, "open to anyone"),
        ({"trusted": ["128.0.0.0/1"]}, "open to anyone"),
        ({"trusted": ["proxy.example"]}, "does not appear to be"),
        ({"user_header": "Cookie"}, "anyone could be anybody"),
        ({"user_header": "X-Forwarded-For"}, "anyone could be anybody"),
        ({"user_header": "a b"}, "pattern"),
        ({"everyone": []}, "nobody could read anything"),
        ({"groups": {"a": ["b"]}}, "groups_header is not"),
        ({"groups_header": "x-forwarded-user"}, "are the same"),
    ],
)
def test_a_proxy_that_would_open_the_server_to_anyone_is_refused(change: dict[str, Any], why: str) -> None:
    load_settings(serve={"proxy": GOOD})
    with pytest.raises(ConfigurationError, match=why):
        load_settings(serve={"proxy": GOOD | change})


def test_a_token_cannot_be_called_like_a_person() -> None:
    token = {"sha256": "0" * 64, "apps": ["*"]}
    load_settings(serve={"tokens": {"ada": token}})
    with pytest.raises(ConfigurationError, match="those of people"):
        load_settings(serve={"tokens": {"user:ada": token}})
