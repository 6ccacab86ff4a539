"""Which engine Docker's own variables, and the current context of its client, name.

As Docker's client does: DOCKER_HOST, else DOCKER_CONTEXT, else `currentContext` of its config.json. Read
here, because the SDK's reader needs a config.json beside the contexts, takes a context that is not there
for the default one, and is a quarter of a second of imports for a plan that starts no engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.errors import EngineError

FOREIGN = ("ssh://", "tcp://", "http://", "https://")
TLS = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
REMEDY = "`docker context ls` lists them, `docker context use NAME` takes one"


@dataclass(frozen=True)
class Named:
    """An address, who names it ("context rootless"), and what proves who we are there (TLS, a folder)."""

    address: str
    by: str
    tls: Mapping[str, str]

    @property
    def foreign(self) -> bool:
        """Whether it is another machine's."""
        return self.address.startswith(FOREIGN)


DEFAULT = Named("unix:///var/run/docker.sock", "", {})


def elsewhere() -> str:
    """Return the engine that DOCKER_HOST or the context names, where that is another machine's; else ""."""
    try:
        found = current()
    except EngineError:
        return ""  # whoever opens this machine's engine is told
    return found.address if found.foreign else ""


def current() -> Named:
    """Return the engine that Docker's client would use, whoever's it is; EngineError as `own`."""
    return _by_host() or _by_context() or DEFAULT


def named(address: str) -> Named:
    """Return the engine at an address, with the certificates that the context or variables have for it."""
    with contextlib.suppress(EngineError):
        context = _by_context()
        if context and context.address == address:
            return context
    return Named(address, "", _tls())


def own() -> Named:
    """Return this machine's own engine: the first that is named and is no other machine's, else the default.

    Raises EngineError for a context that is named and not there.
    """
    host = _by_host()
    if host and not host.foreign:
        return host
    context = _by_context()
    return context if context and not context.foreign else DEFAULT


def own_environment() -> dict[str, str]:
    """Return the variables by which Docker's SDK finds this machine's own engine; EngineError as `own`."""
    return variables(own())


def variables(named: Named) -> dict[str, str]:
    """Return Docker's own variables for an engine, among this process's others."""
    theirs = ("DOCKER_HOST", "DOCKER_CONTEXT", *TLS)
    others = {name: value for name, value in os.environ.items() if name not in theirs}
    return {**others, "DOCKER_HOST": named.address, **named.tls}


def _by_host() -> Named | None:
    """Return what DOCKER_HOST names."""
    address = os.environ.get("DOCKER_HOST", "")
    return Named(address, "DOCKER_HOST", _tls()) if address else None


def _tls() -> dict[str, str]:
    return {name: os.environ[name] for name in TLS if name in os.environ}


def _by_context() -> Named | None:
    """Return what the current context names, None for the default one; EngineError where it is not there."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    config = folder / "config.json"
    name = os.environ.get("DOCKER_CONTEXT") or _read(config).get("currentContext") or "default"
    if name == "default":
        return None
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / key / "meta.json"
    endpoint = _read(meta).get("Endpoints", {}).get("docker", {})
    if not endpoint.get("Host"):
        where = "DOCKER_CONTEXT" if os.environ.get("DOCKER_CONTEXT") else f"{config}, currentContext"
        raise EngineError(f"there is no Docker context {name!r}", where=where, remedy=REMEDY)
    certificates = folder / "contexts" / "tls" / key / "docker"
    verify = "" if endpoint.get("SkipTLSVerify") else "1"
    tls = {"DOCKER_TLS_VERIFY": verify, "DOCKER_CERT_PATH": str(certificates)}
    return Named(endpoint["Host"], f"context {name}", tls if certificates.is_dir() else {})


def _read(path: Path) -> dict[str, Any]:
    """A JSON file of Docker's client; {} where it is missing or none (the client goes on likewise)."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
