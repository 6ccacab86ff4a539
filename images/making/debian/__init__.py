"""Debian packages: chosen by apt, locked by hash, fetched from any mirror, unpacked without dpkg and root."""
