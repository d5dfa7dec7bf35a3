"""Files of the page come compressed as the caller takes them, and once."""

import pytest

from tests.serve.server import REPOSITORY, Served

PATH = "/page/app/explorer.js"
CONTENT = (REPOSITORY / "viewer" / "page" / "app" / "explorer.js").read_bytes()


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "identity"])
def test_a_file_is_the_same_in_every_encoding_and_not_sent_again(served: Served, encoding: str) -> None:
    served.ask(PATH, Accept_Encoding=encoding)
    answer = served.ask(PATH, Accept_Encoding=encoding)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["x-content-type-options"] == "nosniff"
    if encoding != "identity":
        assert int(answer.headers["content-length"]) < len(CONTENT) / 2
    again = served.ask(PATH, Accept_Encoding=encoding, If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/page/none.js", "/page/../app.py", "/page/%2e%2e/app.py", "/page/package.json", "/page/app/%00.js", "/page/app"],
)
def test_what_is_no_file_of_the_page_is_not_there(served: Served, path: str) -> None:
    assert served.ask(path, Accept_Encoding="zstd").status == 404
