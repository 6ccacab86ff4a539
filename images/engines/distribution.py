"""How this distribution installs what the kit needs, by /etc/os-release."""

from __future__ import annotations

from collections.abc import Mapping

_MANAGERS = {
    "debian": "apt-get install",
    "ubuntu": "apt-get install",
    "fedora": "dnf install",
    "rhel": "dnf install",
    "arch": "pacman -S",
    "suse": "zypper install",
    "opensuse": "zypper install",
    "alpine": "apk add",
}
_DOCKER = {"apt-get install": "docker.io", "dnf install": "moby-engine"}
_START = {"apk add": "service docker start"}


def manager(facts: Mapping[str, str]) -> str:
    """The words that install a package, by ID and then ID_LIKE; "" for a system the kit does not know."""
    names = [facts.get("ID", ""), *facts.get("ID_LIKE", "").split()]
    return next((_MANAGERS[name] for name in names if name in _MANAGERS), "")


def docker(facts: Mapping[str, str]) -> str:
    """How Docker is installed and started here."""
    words = manager(facts)
    if not words:
        return "install Docker and start it"
    return f"{words} {_DOCKER.get(words, 'docker')}; {_START.get(words, 'systemctl start docker')}"
