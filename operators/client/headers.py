"""The headers of a request that name the browser which sent it; the same in Kafka and in capture files."""

# Of RFC 9110 and of User-Agent Client Hints (wicg.github.io/ua-client-hints). Names in lower case.
USER_AGENT = "user-agent"
BRANDS = "sec-ch-ua"
FULL_VERSIONS = "sec-ch-ua-full-version-list"
PLATFORM = "sec-ch-ua-platform"
PLATFORM_VERSION = "sec-ch-ua-platform-version"
IS_MOBILE = "sec-ch-ua-mobile"
VIEWPORT_WIDTH = "sec-ch-viewport-width"
VIEWPORT_HEIGHT = "sec-ch-viewport-height"

CLIENT_HEADERS = (
    *(USER_AGENT, BRANDS, FULL_VERSIONS, PLATFORM, PLATFORM_VERSION, IS_MOBILE),
    *(VIEWPORT_WIDTH, VIEWPORT_HEIGHT),
)
HEADER_BYTES_MAX = 512  # a longer one says nothing; browsers come to 150, browsers inside apps to 400
