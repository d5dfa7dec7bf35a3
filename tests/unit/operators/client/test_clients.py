"""Browser, system, device and screen by a request's headers, and how they fill what an SDK leaves unsaid."""

import time

import pytest

from operators.client.columns import fill
from operators.client.headers import CLIENT_HEADERS, HEADER_BYTES_MAX
from operators.client.request import Clients
from operators.client.screen import size_text
from operators.client.user_agent import client_of_user_agent
from schemas.items import Client

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "(iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/156.0.0.0 Safari/537.36"
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Chrome/156.0.0.0 Safari/537.36"
HEADLESS = f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} HeadlessChrome/156.0.0.0 Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BRANDS = '"Not:A-Brand";v="8", "Chromium";v="156", "Google Chrome";v="156"'

TOLD = {
    "chrome-windows": (WINDOWS, "Chrome", "156.0.0.0", "Windows", "10", "PC"),
    "chrome-mac": (MAC, "Chrome", "156.0.0.0", "Mac OS", "10.15.7", "PC"),
    "chrome-headless": (HEADLESS, "Chrome", "156.0.0.0", "Linux", "", "PC"),
    "chrome-phone": (
        f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_WEBKIT} Chrome/156.0.0.0 Mobile Safari/537.36",
        *("Chrome", "156.0.0.0", "Android", "14", "Mobile"),
    ),
    "chrome-tablet": (
        f"Mozilla/5.0 (Linux; Android 13; SM-X200) {_WEBKIT} Chrome/123.0.0.0 Safari/537.36",
        *("Chrome", "123.0.0.0", "Android", "13", "Tablet"),
    ),
    "chrome-iphone": (
        f"Mozilla/5.0 {_IPHONE} CriOS/123.0.6312.52 Mobile/15E148 Safari/604.1",
        *("Chrome", "123.0.6312.52", "iOS", "17.4", "Mobile"),
    ),
    "edge": (f"{WINDOWS} Edg/156.0.3210.5", "Edge", "156.0.3210.5", "Windows", "10", "PC"),
    "opera": (f"{WINDOWS} OPR/109.0.0.0", "Opera", "109.0.0.0", "Windows", "10", "PC"),
    "safari": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
        *("Safari", "17.4", "Mac OS", "10.15.7", "PC"),
    ),
    "safari-iphone": (
        f"Mozilla/5.0 {_IPHONE} Version/17.4 Mobile/15E148 Safari/604.1",
        *("Safari", "17.4", "iOS", "17.4", "Mobile"),
    ),
    "safari-ipad": (
        "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile/15E148 Safari/604.1",
        *("Safari", "17.4", "iOS", "17.4", "Tablet"),
    ),
    "firefox-android": (
        "Mozilla/5.0 (Android 14; Mobile; rv:124.0) Gecko/124.0 Firefox/124.0",
        *("Firefox", "124.0", "Android", "14", "Mobile"),
    ),
    "samsung": (
        f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} SamsungBrowser/24.0 Chrome/117.0.0.0 Mobile Safari/537.36",
        *("Samsung Internet", "24.0", "Android", "10", "Mobile"),
    ),
    "television": (
        f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) {_WEBKIT} Version/6.0 TV Safari/537.36",
        *("Safari", "6.0", "Tizen", "6.0", ""),
    ),
}


def of(user_agent: str = "", **hints: str) -> Client | None:
    """Hints without their prefix, `_` for `-`."""
    texts = {f"sec-ch-{name.replace('_', '-')}": text for name, text in hints.items()}
    headers = texts | ({"user-agent": user_agent} if user_agent else {})
    assert headers.keys() <= set(CLIENT_HEADERS)
    return Clients().of({name: text.encode() for name, text in headers.items()})


@pytest.mark.parametrize("name", TOLD)
def test_a_user_agent_tells_browser_system_and_device(name: str) -> None:
    text, *expected = TOLD[name]
    found = of(text)
    assert found is not None
    assert [found.browser, found.browser_version, found.os, found.os_version, found.device] == expected
    assert not found.is_bot


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("posthog-node/4.2.1", id="sdk"),
        pytest.param("python-requests/2.31.0", id="python"),
        pytest.param("curl/8.0", id="curl"),
        pytest.param("", id="empty"),
        pytest.param("Mozilla/5.0", id="nothing-behind"),
        pytest.param(WINDOWS + " x" * HEADER_BYTES_MAX, id="too-long"),
    ],
)
def test_what_is_no_browser_tells_nothing(text: str) -> None:
    """Servers send lines too, for the sessions of others."""
    assert of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOGLEBOT, id="google"),
        pytest.param("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", id="bing"),
        pytest.param(f"Mozilla/5.0 {_WEBKIT}; compatible; GPTBot/1.2; +https://openai.com/gptbot)", id="gpt"),
        pytest.param(f"Mozilla/5.0 {_WEBKIT}; compatible; ChatGPT-User/1.0; +https://openai.com/bot", id="chatgpt"),
        pytest.param("Googlebot/2.1 (+http://www.google.com/bot.html)", id="no-mozilla"),
    ],
)
def test_a_bot_that_says_so_is_one(text: str) -> None:
    found = of(text)
    assert found is not None
    assert found.is_bot
    assert "/" not in found.browser


def test_hints_overrule_a_frozen_user_agent() -> None:
    full = '"Chromium";v="156.0.7271.44", "Google Chrome";v="156.0.7271.44", "Not:A-Brand";v="8.0.0.0"'
    found = of(
        WINDOWS,
        ua=BRANDS,
        ua_full_version_list=full,
        ua_platform='"Windows"',
        ua_platform_version='"15.0.0"',
        ua_mobile="?0",
    )
    assert found == Client("Chrome", "156.0.7271.44", "Windows", "11", "PC")
    assert of(MAC, ua_platform='"macOS"', ua_platform_version='"26.1.0"') == Client(
        "Chrome", "156.0.0.0", "Mac OS", "26.1.0", "PC"
    )


@pytest.mark.parametrize(
    ("version", "name"),
    [("0.1.0", "7"), ("0.3.0", "8.1"), ("1.0.0", "10"), ("12.0.0", "10"), ("13.0.0", "11"), ("19.0.0", "11")],
    ids=["7", "8.1", "10-first", "10-last", "11-first", "11-later"],
)
def test_releases_of_windows_have_numbers_of_their_own_in_hints(version: str, name: str) -> None:
    found = of(ua_platform='"Windows"', ua_platform_version=f'"{version}"')
    assert found is not None
    assert found.os_version == name


def test_name_and_version_are_of_one_source() -> None:
    """A browser that hides behind Chrome's text, and a system that the text does not know."""
    brave = of(WINDOWS, ua='"Not:A-Brand";v="8", "Chromium";v="156", "Brave";v="156"')
    assert brave is not None
    assert (brave.browser, brave.browser_version) == ("Brave", "156")
    linux = of(WINDOWS, ua_platform='"Linux"')
    assert linux is not None
    assert (linux.os, linux.os_version) == ("Linux", "")


def test_where_hints_and_text_agree_the_fuller_version_counts() -> None:
    found = of(WINDOWS, ua=BRANDS, ua_platform='"Windows"')
    assert found is not None
    assert (found.browser_version, found.os_version) == ("156.0.0.0", "10")


def test_the_engine_alone_is_no_name_where_the_text_has_one() -> None:
    engine = '"Not:A-Brand";v="8", "Chromium";v="156"'
    known, unknown = of(HEADLESS, ua=engine), of(ua=engine)
    assert known is not None
    assert known.browser == "Chrome"
    assert unknown == Client("Chromium", "156")


@pytest.mark.parametrize(
    "made_up",
    ["Not:A-Brand", "Not;A=Brand", " Not A;Brand", "Not/A)Brand", "(Not(A:Brand", "Not?A_Brand", "Not.A/Brand"],
    ids=["colon", "semicolon", "space", "slash", "bracket", "question", "dot"],
)
def test_the_made_up_brand_is_never_a_browser(made_up: str) -> None:
    found = of(ua=f'"{made_up}";v="8", "Chromium";v="156", "Microsoft Edge";v="156"')
    assert found == Client("Edge", "156")


def test_a_tablet_of_android_says_that_it_is_not_mobile() -> None:
    found = of(ua_platform='"Android"', ua_mobile="?0")
    assert found is not None
    assert found.device == "Tablet"


def test_the_size_of_the_viewport_is_told_by_both_numbers() -> None:
    found = of(viewport_width="412", viewport_height="915")
    assert found is not None
    assert found.screen_size == "412*915"
    assert of(viewport_width="412") is None
    assert of(viewport_width="9" * 400, viewport_height="1") is None


@pytest.mark.parametrize(
    ("width", "height", "text"),
    [
        (1280, 800, "1280*800"),
        (1279.6, 800.0, "1280*800"),
        (0, 800, ""),
        (1e308, 1, ""),
        ("1280", 800, ""),
        (None, 1, ""),
    ],
    ids=["whole", "fraction", "none", "huge", "text", "missing"],
)
def test_a_screen_has_a_size_that_can_be(width: object, height: object, text: str) -> None:
    assert size_text(width, height) == text


def test_what_the_sdk_says_stays_and_no_pair_is_mixed() -> None:
    row = {"browser": "Firefox", "os": "Ubuntu", "device": "Desktop"}
    fill(row, Client("Chrome", "156.0.0.0", "Windows", "11", "PC", "1280*800"))
    assert row == {"browser": "Firefox", "os": "Ubuntu", "device": "Desktop", "screen_size": "1280*800"}


def test_a_row_that_says_nothing_is_filled() -> None:
    row: dict[str, object] = {}
    fill(row, Client("Chrome", "156.0.0.0", "Linux", "", "PC"))
    assert row == {
        "browser": "Chrome",
        "browser_version": "156.0.0.0",
        "browser_version_major": "156",
        "os": "Linux",
        "device": "PC",
    }


@pytest.mark.parametrize(
    ("said", "found"),
    [(None, "bot"), ("user", "bot"), ("synthetics", "synthetics"), ("ci_test", "ci_test")],
    ids=["nothing", "user", "synthetics", "test"],
)
def test_a_bot_is_told_apart_from_users_but_not_from_tests(said: str | None, found: str) -> None:
    row = {} if said is None else {"session_type": said}
    fill(row, Client(is_bot=True))
    assert row["session_type"] == found


def test_the_text_itself_is_kept_only_when_asked_for() -> None:
    headers = {"user-agent": WINDOWS.encode()}
    without, kept = Clients().of(headers), Clients(keeps_text=True).of(headers)
    assert without is not None
    assert kept is not None
    assert without.user_agent == ""
    row: dict[str, object] = {"custom": {"tier": "gold"}}
    fill(row, kept)
    assert row["custom"] == {"user_agent": WINDOWS, "tier": "gold"}


def test_one_text_is_one_object() -> None:
    clients = Clients()
    headers = {"user-agent": WINDOWS.encode()}
    assert clients.of(headers) is clients.of(dict(headers))


def test_bytes_of_strangers_are_no_error() -> None:
    clients = Clients()
    for text in (b'\xff\xfe"\x00;v="\xed\xa0\x80"', b'"' * HEADER_BYTES_MAX, b"Mozilla/" + b"\xf0\x9f" * 99):
        assert clients.of(dict.fromkeys(CLIENT_HEADERS, text)) is None


@pytest.mark.parametrize(
    "piece",
    ["(", "Linux; ", "Android 1.1.", "bot ", "Mozilla/5.0 ", 'a";v="'],
    ids=["brackets", "systems", "numbers", "bots", "starts", "brands"],
)
def test_no_text_takes_long(piece: str) -> None:
    """Patterns run in time linear in the text, and a text is short: hundreds take less than a second."""
    client_of_user_agent(WINDOWS)
    start = time.process_time()
    for number in range(200):
        text = f"Mozilla/5.0 {number} {piece * HEADER_BYTES_MAX}"[:HEADER_BYTES_MAX]
        of(text, ua=text, ua_full_version_list=text)
    assert time.process_time() - start < 5
