"""A browser signs in once with a token, or by a proxy: what that opens, when it ends, what pages elsewhere can do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ALL, TOKEN_ONE, TOKENS
from tests.serve.server import API, Answer, Served, serving, session_path, until

Row = dict[str, Any]
KEY = 'link_key = "a key for links that is long enough"\n'


def sign_in(server: Served, token: str, **headers: str) -> Answer:
    return server.ask(f"{API}/sign-in", "POST", body={"token": token}, X_Replay_Lake="1", **headers)


def cookie_of(answer: Answer) -> str:
    """What a browser sends back."""
    return answer.headers["set-cookie"].split(";", 1)[0]


@pytest.fixture(scope="module")
def cookie(guarded: Served) -> str:
    return cookie_of(sign_in(guarded, TOKEN_ONE))


def test_a_token_that_is_shown_once_is_a_cookie_from_then_on(guarded: Served, rows: list[Row]) -> None:
    answer = sign_in(guarded, TOKEN_ONE)
    assert answer.status == 200
    said = answer.json()
    assert (said["name"], said["how"], said["apps"]) == ("shop", "sign-in", [GUANCE])
    kept = answer.headers["set-cookie"]
    assert {part.strip().lower() for part in kept.split(";")[1:]} == {
        "httponly", "max-age=43200", "path=/", "samesite=strict",
    }  # fmt: skip
    assert TOKEN_ONE not in kept
    own = next(row for row in rows if row["app_id"] == GUANCE and row["session_has_replay"])
    other = next(row for row in rows if row["app_id"] == DATADOG)
    sent = cookie_of(answer)
    assert guarded.ask(f"{API}/who", Cookie=sent).json() == said
    assert guarded.ask(session_path(own, "/replay/events"), Cookie=sent).status == 200
    assert guarded.ask(session_path(other, "/timeline"), Cookie=sent).status == 403
    line = guarded.audited()[-1]
    assert (line["who"], line["what"]) == ("shop", "replay")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN_ONE + "x", "\u00e9" * 30])
def test_a_wrong_token_makes_no_cookie(guarded: Served, token: str) -> None:
    answer = sign_in(guarded, token)
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_a_cookie_that_was_changed_is_no_cookie(guarded: Served, cookie: str) -> None:
    name, value = cookie.split("=", 1)
    content, mac = value.split(".")
    everything = cookie_of(sign_in(guarded, TOKEN_ALL)).split("=", 1)[1]
    for forged in (
        f"{content}x.{mac}", f"{content}.{mac[:-1]}", f"{content}.", f".{mac}", "x", "",
        f"{everything.split('.')[0]}.{mac}",  # of another token
    ):  # fmt: skip
        assert guarded.ask(f"{API}/apps", Cookie=f"{name}={forged}").status == 401, forged


def test_signing_out_ends_the_cookie_wherever_it_was_copied_to(guarded: Served) -> None:
    sent, other = (cookie_of(sign_in(guarded, TOKEN_ONE)) for _ in range(2))
    assert guarded.ask(f"{API}/sign-out", "POST", Cookie=sent).status == 403  # no page of ours
    answer = guarded.ask(f"{API}/sign-out", "POST", Cookie=sent, X_Replay_Lake="1")
    assert answer.status == 200
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert guarded.ask(f"{API}/apps", Cookie=sent).status == 401
    assert guarded.ask(f"{API}/apps", Cookie=other).status == 200


def test_a_page_elsewhere_can_ask_nothing_with_the_cookie(guarded: Served, cookie: str, rows: list[Row]) -> None:
    own = next(row for row in rows if row["app_id"] == GUANCE)
    link = {"app": GUANCE, "session_id": own["session_id"], "seconds": 60}
    assert guarded.ask(f"{API}/links", "POST", body=link, Cookie=cookie).status == 403
    assert guarded.ask(f"{API}/links", "POST", body=link, Cookie=cookie, X_Replay_Lake="1").status == 200
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert guarded.ask(f"{API}/apps", Cookie=cookie, Sec_Fetch_Site=site).status == status, site
        assert guarded.ask(f"{API}/apps", token=TOKEN_ONE, Sec_Fetch_Site=site).status == 200, site
    assert guarded.ask(f"{API}/sign-in", "POST", body={"token": TOKEN_ONE}).status == 403
    elsewhere = sign_in(guarded, TOKEN_ONE, Sec_Fetch_Site="cross-site")
    assert elsewhere.status == 403
    assert "set-cookie" not in elsewhere.headers


def test_a_token_in_the_request_comes_before_the_cookie(guarded: Served, cookie: str) -> None:
    assert guarded.ask(f"{API}/who", token=TOKEN_ALL, Cookie=cookie).json()["name"] == "everything"
    assert guarded.ask(f"{API}/who", token="wrong", Cookie=cookie).status == 401


def test_a_link_opens_for_whoever_is_signed_in_and_may_not_see_its_app_otherwise(
    guarded: Served, cookie: str, rows: list[Row]
) -> None:
    other = next(row for row in rows if row["app_id"] == DATADOG and row["session_has_replay"])
    body = {"app": DATADOG, "session_id": other["session_id"], "seconds": 60}
    query = guarded.ask(f"{API}/links", "POST", TOKEN_ALL, body).json()["url"].split("&exp=")[1]
    assert guarded.ask(session_path(other, f"/timeline?exp={query}"), Cookie=cookie).status == 200
    assert guarded.audited()[-1]["who"] == "everything (link)"
    everything = cookie_of(sign_in(guarded, TOKEN_ALL))
    assert guarded.ask(session_path(other, f"/timeline?exp={query}"), Cookie=everything).status == 200
    assert guarded.audited()[-1]["who"] == "everything"  # who he is by himself


@pytest.mark.parametrize("settings", ['public_url = "https://replay.example"\n', ""])
def test_by_https_the_cookie_is_sent_by_https_only(lake: Path, tmp_path: Path, settings: str) -> None:
    with serving(str(lake), tmp_path, settings + KEY + TOKENS) as server:
        kept = sign_in(server, TOKEN_ONE, X_Forwarded_Proto="https").headers["set-cookie"]
        assert kept.startswith("__Host-replaylake=")
        assert "secure" in kept.lower()
        assert server.ask(f"{API}/apps", Cookie=kept.split(";")[0]).status == 200


def test_a_cookie_ends_with_its_time_with_its_token_and_with_the_key(lake: Path, tmp_path: Path) -> None:
    with serving(str(lake), tmp_path / "a", "sign_in_seconds = 6\n" + KEY + TOKENS) as server:
        sent = cookie_of(sign_in(server, TOKEN_ONE))
        assert server.ask(f"{API}/apps", Cookie=sent).status == 200
        until(lambda: server.ask(f"{API}/apps", Cookie=sent).status, lambda status: status == 401, 30)
    with serving(str(lake), tmp_path / "b", KEY + TOKENS) as server:
        lasting = cookie_of(sign_in(server, TOKEN_ONE))
    other_token = TOKENS.replace(TOKEN_ONE, "another-token-0123456789abcdef")
    for name, settings, status in (
        ("c", KEY + TOKENS, 200),  # a restart ends nothing
        ("d", KEY + other_token, 401),
        ("e", KEY.replace("a key", "other") + TOKENS, 401),
    ):
        with serving(str(lake), tmp_path / name, settings) as server:
            assert server.ask(f"{API}/apps", Cookie=lasting).status == status, name
            assert server.ask(f"{API}/apps", Cookie=sent).status == 401, name


def test_where_nobody_is_asked_there_is_nothing_to_sign_in_to(served: Served) -> None:
    assert sign_in(served, TOKEN_ONE).status == 400
    assert served.ask(f"{API}/who").json() == {"name": "local", "how": "open", "apps": None, "expires_ms": None}


PROXY = """
[serve.proxy]
trusted = ["127.0.0.1"]
user_header = "X-User"
groups_header = "X-Groups"
everyone = []
[serve.proxy.groups]
support = ["APP"]
admins = ["*"]
"""


@pytest.fixture(scope="module")
def proxied(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Behind a proxy at 127.0.0.1, which this test is."""
    text = KEY + 'public_url = "https://replay.example"\n' + TOKENS + PROXY.replace("APP", GUANCE)
    with serving(str(lake), tmp_path_factory.mktemp("proxied"), text) as server:
        yield server


def test_a_person_whom_the_proxy_has_signed_in_sees_the_apps_of_the_groups(proxied: Served, rows: list[Row]) -> None:
    own = next(row for row in rows if row["app_id"] == GUANCE)
    other = next(row for row in rows if row["app_id"] == DATADOG)
    ada = {"X_User": "ada@example.com", "X_Groups": "sales, support"}
    assert proxied.ask(f"{API}/who", **ada).json() == {
        "name": "user:ada@example.com", "how": "proxy", "apps": [GUANCE], "expires_ms": None,
    }  # fmt: skip
    assert proxied.ask(session_path(own, "/timeline"), **ada).status == 200
    assert proxied.audited()[-1]["who"] == "user:ada@example.com"
    assert proxied.ask(session_path(other, "/timeline"), **ada).status == 403
    assert proxied.ask(session_path(other, "/timeline"), X_User="root", X_Groups="admins").status == 200
    refused = proxied.ask(f"{API}/apps", X_User="bo", X_Groups="sales")
    assert refused.status == 403
    assert "bo is in no group" in refused.json()["error"]
    assert proxied.ask(f"{API}/apps", X_Groups="admins").status == 401  # nobody
    assert proxied.ask(f"{API}/apps", token=TOKEN_ONE).status == 200  # programs, as before


def test_a_person_s_name_is_text_of_any_language_and_nothing_else(proxied: Served) -> None:
    name = "\u738b\u82b3".encode().decode("latin-1")
    assert proxied.ask(f"{API}/who", X_User=name, X_Groups="support").json()["name"] == "user:\u738b\u82b3"
    for bad in ("", " ", "a\x01b", "x" * 300):
        assert proxied.ask(f"{API}/who", X_User=bad, X_Groups="support").status in {400, 401}, repr(bad)


def test_a_person_makes_links_that_open_one_session(proxied: Served, rows: list[Row]) -> None:
    own = next(row for row in rows if row["app_id"] == GUANCE)
    body = {"app": GUANCE, "session_id": own["session_id"], "seconds": 60}
    ada = {"X_User": "ada", "X_Groups": "support"}
    assert proxied.ask(f"{API}/links", "POST", body=body, **ada).status == 403
    url = proxied.ask(f"{API}/links", "POST", body=body, X_Replay_Lake="1", **ada).json()["url"]
    assert url.startswith("https://replay.example/?")
    assert proxied.ask(session_path(own, f"/timeline?exp={url.split('&exp=')[1]}")).status == 200
    assert proxied.audited()[-1]["who"] == "user:ada (link)"


def test_a_proxy_on_this_machine_is_believed_under_the_server_s_own_names_only(proxied: Served) -> None:
    ada = {"X_User": "ada", "X_Groups": "support"}
    assert proxied.ask(f"{API}/who", Host="replay.example", **ada).status == 200
    assert proxied.ask(f"{API}/who", Host="evil.example", **ada).status == 403


def test_headers_from_elsewhere_are_not_believed(lake: Path, tmp_path: Path) -> None:
    text = PROXY.replace("127.0.0.1", "10.9.8.0/24").replace("APP", GUANCE)
    with serving(str(lake), tmp_path, text) as server:  # no tokens: the proxy alone
        for forged in ("10.9.8.7", "127.0.0.1, 10.9.8.7"):
            answer = server.ask(f"{API}/apps", X_User="ada", X_Groups="admins", X_Forwarded_For=forged)
            assert answer.status == 401, forged
        assert server.ask(f"{API}/fields").status == 200
        assert server.ask(f"{API}/sign-in", "POST", body={"token": "x"}, X_Replay_Lake="1").status == 400


def test_what_the_log_says_of_a_refused_sign_in_has_no_token(lake: Path, tmp_path: Path) -> None:
    with serving(str(lake), tmp_path, "sign_in_seconds = 60\n" + TOKENS) as server:
        assert sign_in(server, "a-guess-that-must-not-be-logged").status == 401
    assert "a-guess-that-must-not-be-logged" not in "".join(
        path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize(("tables", "state"), [("none", "none"), ("empty", "empty"), ("filled", "filled")])
def test_an_empty_list_says_whether_there_is_a_lake(lake: Path, tmp_path: Path, tables: str, state: str) -> None:
    where = lake if tables == "filled" else tmp_path / "lake"
    if tables != "filled":
        (where / "_job").mkdir(parents=True)
        (where / "_job" / "owner.json").write_text("{}")
    with serving(str(where), tmp_path / "server", TOKENS) as server:
        if tables == "none":
            (where / "_job" / "owner.json").unlink()
            (where / "_job").rmdir()
        assert server.ask(f"{API}/lake", token=TOKEN_ALL).json() == {"state": state, "where": str(where)}
        assert server.ask(f"{API}/lake", token=TOKEN_ONE).json() == {"state": state, "where": None}
        assert bool(server.ask(f"{API}/apps", token=TOKEN_ALL).json()["apps"]) is (state == "filled")
