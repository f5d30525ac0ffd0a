"""Where the API of a repository's Gitea is."""

import pytest

from services.builds.forges import gitea_api

HERE = "https://git.example/api/v1"


@pytest.mark.parametrize(
    ("html_url", "clone_url", "api"),
    [
        ("https://git.example/ada/engine", "https://other.example/x.git", HERE),
        (None, "https://git.example/ada/engine.git", HERE),
        (None, "https://git.example/ada/engine", HERE),
        (None, "https://git.example/Ada/Engine.git/", HERE),  # forges ignore case in names
        (None, "https://git.example:8443/ada/engine.git", "https://git.example:8443/api/v1"),
        (None, "http://git.example:3000/ada/engine.git", "http://git.example:3000/api/v1"),
        ("https://intern.example/git/ada/engine", "x", "https://intern.example/git/api/v1"),
        (None, "https://intern.example/a/git/ada/engine.git", "https://intern.example/a/git/api/v1"),
        (None, "https://git.example/of/somebody/else.git", HERE),
        (None, "git@git.example:ada/engine.git", HERE),
        (None, "ssh://git@git.example:2222/ada/engine.git", HERE),
        (None, "git://git.example/ada/engine.git", HERE),
        (None, "http://[::1]:3000/ada/engine.git", "http://[::1]:3000/api/v1"),
        (None, "https://user@git.example/ada/engine.git", HERE),  # never into an address that a token is sent to
        (None, "file:///srv/git/engine.git", None),
        (None, "https://git.example:port/ada/engine.git", None),
        ("https://[", "https://git.example/ada/engine.git", HERE),
        (None, "/srv/git/engine.git", None),
        (None, "", None),
    ],
)
def test_the_api_is_beside_the_repository(html_url: str | None, clone_url: str, api: str | None) -> None:
    """The page's address goes first; a path before the name stays, credentials and ports of ssh do not."""
    assert gitea_api("ada/engine", html_url, clone_url) == api
