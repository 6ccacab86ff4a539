"""A registry's HTTP API: manifests and configurations, by tag and by digest.

The engine pushes and pulls layers; manifest lists (OCI image indexes) it cannot write, and a pin is only
worth something when somebody compares it. Source: OCI distribution specification 1.1, and Docker's token
flow for registries that want a login. Credentials are those of `docker login`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Any

import docker.errors
import requests

from bench.common.errors import RegistryError, UsageError
from images.engines.docker.login import login

INDEX = "application/vnd.oci.image.index.v1+json"
# What Docker 20.10 pushes, and what an engine with containerd's image store does.
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
TIMEOUT_S = (5, 60)
HUB = {"docker.io": "registry-1.docker.io"}
REMEDY = "is it the right address, and is it up? `docker login HOST` where it wants one"


@dataclass(frozen=True)
class Manifest:
    """A manifest as a registry keeps it: its bytes are what the digest is of."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.content)
        return document

    @property
    def config(self) -> str:
        """The digest of the image's configuration: the image's id in the engine."""
        return str(self.document["config"]["digest"])

    @property
    def size(self) -> int:
        """What a pull transfers, in bytes: configuration and compressed layers."""
        parts = [self.document["config"], *self.document["layers"]]
        return sum(int(part["size"]) for part in parts)


class Registry:
    """The registry of `place` ("host[:port][/namespace]"); plain HTTP only where it is on this machine."""

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/")
        self.host, _, self._namespace = self.place.partition("/")
        if not re.fullmatch(r"(localhost|\[[0-9a-f:]+\]|[\w-]+(\.[\w-]+)+|[\w-]+(?=:))(:\d+)?", self.host):
            raise UsageError(
                f"{place!r} names no registry",
                where="--registry",
                remedy="host[:port][/namespace], as in 127.0.0.1:5000 or docker.io/user",
            )
        scheme = "http" if _loopback(self.host) else "https"
        self._base = f"{scheme}://{HUB.get(self.host, self.host)}/v2"
        self._http = requests.Session()
        self._http.trust_env = not _loopback(self.host)  # no proxy to this machine; its CA bundle elsewhere
        self._http.auth = self._sign
        self._login: tuple[str, str] | None = None
        self._token = ""  # for what was asked last; another repository is refused and fetches its own
        try:
            found = login(self.host)
        except docker.errors.DockerException as error:
            raise RegistryError(f"docker's credentials cannot be read: {error}", where=self.host) from None
        self._unread = found.unread
        if found.words.get("username"):
            self._login = (found.words["username"], found.words.get("password", ""))

    def repository(self, name: str) -> str:
        """Return the full name of a repository here, as an engine takes it."""
        return f"{self.place}/{name}"

    def manifest(self, name: str, reference: str) -> Manifest | None:
        """Return the manifest of a tag or digest, None where there is none.

        Raises RegistryError where the content is not what a digest says.
        """
        answer = self._ask(
            "GET", name, f"manifests/{reference}", headers={"Accept": ", ".join((INDEX, *MANIFESTS))}
        )
        if answer is None:
            return None
        found = Manifest(answer.headers.get("Content-Type", ""), answer.content)
        if reference.startswith("sha256:") and found.digest != reference:
            raise RegistryError(
                f"the registry answers {found.digest}, asked for {reference}",
                where=self.repository(name),
                remedy="its storage is damaged or somebody changed it: publish to another, or clear it",
            )
        return found

    def configuration(self, name: str, digest: str) -> dict[str, Any]:
        """Return an image's configuration; RegistryError where it is missing or not what its digest says."""
        answer = self._ask("GET", name, f"blobs/{digest}")
        if answer is None or f"sha256:{hashlib.sha256(answer.content).hexdigest()}" != digest:
            what = "has no" if answer is None else "has another"
            raise RegistryError(f"the registry {what} configuration {digest}", where=self.repository(name))
        document: dict[str, Any] = answer.json()
        return document

    def put(self, name: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under a tag."""
        self._ask(
            "PUT",
            name,
            f"manifests/{reference}",
            headers={"Content-Type": manifest.media_type},
            data=manifest.content,
        )

    def check(self) -> None:
        """Raise RegistryError unless a registry answers here."""
        self._ask("GET", "", "")

    def _ask(self, method: str, name: str, what: str, **options: Any) -> requests.Response | None:
        """Return the registry's answer, None for 404; RegistryError for everything that is no success."""
        path = "/".join(part for part in (self._namespace, name) if part)
        url = f"{self._base}/{path}/{what}" if name else f"{self._base}/"
        try:
            answer = self._http.request(method, url, timeout=TIMEOUT_S, **options)
            if answer.status_code == requests.codes.unauthorized and self._fetch_token(answer, path):
                answer = self._http.request(method, url, timeout=TIMEOUT_S, **options)
        except requests.RequestException as error:
            raise RegistryError(
                f"the registry does not answer: {error}", where=self.host, remedy=REMEDY
            ) from None
        if answer.status_code == requests.codes.not_found and name:
            return None
        if not answer.ok:
            refused = answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden)
            why = f"; the login cannot be read: {self._unread}" if refused and self._unread else ""
            raise RegistryError(
                f"HTTP {answer.status_code} {answer.reason}: {answer.text[:200].strip()}{why}",
                where=url,
                remedy=REMEDY,
            )
        return answer

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the credentials to a request; a function, so that nobody looks for other ones."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        elif self._login:
            return requests.auth.HTTPBasicAuth(*self._login)(request)
        return request

    def _fetch_token(self, refused: requests.Response, name: str) -> bool:
        """Fetch the token that a refusal names, for pulling and pushing `name`; False where it names none."""
        kind, _, rest = refused.headers.get("WWW-Authenticate", "").partition(" ")
        facts = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if kind.lower() != "bearer" or "realm" not in facts:
            return False
        asked = {
            "service": facts.get("service", ""),
            "scope": facts.get("scope") or f"repository:{name}:pull,push",
        }
        answer = requests.get(facts["realm"], params=asked, auth=self._login, timeout=TIMEOUT_S)
        document = answer.json() if answer.ok else {}
        self._token = str(document.get("token") or document.get("access_token") or "")
        return bool(self._token)


def _loopback(host: str) -> bool:
    """Whether a registry's host is this machine, as Docker sees it: only then is plain HTTP accepted."""
    name = re.sub(r":\d+$", "", host).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
