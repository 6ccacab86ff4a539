"""The login that Docker's configuration has for a registry.

`docker login` may have left it with a credential helper (`credsStore`, `credHelpers`), of which the
configuration outlives the program: that is no login, and an error only where a registry wants one.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import docker
import docker.auth
import docker.errors
from docker.utils.config import find_config_file


@dataclass(frozen=True)
class Login:
    """What to say to a registry (as an engine takes it, {} for nothing), or why that cannot be read."""

    words: dict[str, str]
    unread: str = ""


class _Nobody(docker.auth.AuthConfig):  # type: ignore[misc]
    """Logins that are none, and that the SDK does not take for a reason to read the file again."""

    @property
    def is_empty(self) -> bool:
        return False


def login(registry: str) -> Login:
    """Return the login for a registry ("host[:port]"; "docker.io" for Docker's own)."""
    config = docker.auth.load_config()
    helper = config.get_credential_store(registry)
    try:
        if helper and not shutil.which(f"docker-credential-{helper}"):  # of which the SDK would warn
            raise docker.errors.DockerException
        found: dict[str, Any] = config.resolve_authconfig(registry) or {}
    except docker.errors.DockerException:
        key = "credsStore" if helper == config.creds_store else "credHelpers"
        return Login({}, f"{find_config_file()}, {key}: docker-credential-{helper} does not answer")
    # a helper's answer is spelled as Go does it, the file's own as JSON
    return Login({name.lower(): str(value) for name, value in found.items() if value})


def of_image(reference: str) -> Login:
    """Return the login for the registry of an image."""
    return login(docker.auth.resolve_repository_name(reference)[0])


def without(client: docker.DockerClient) -> None:
    """Let builds of this client log in nowhere: they stand on images that are here.

    The SDK would otherwise ask every helper for every login, and fail at the first that is gone.
    """
    client.api._auth_configs = _Nobody({"auths": {}})
