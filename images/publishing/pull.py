"""Take a pinned image from its registry: by the digest of its own architecture, compared at every step."""

from __future__ import annotations

from bench.common.errors import RegistryError
from images.engines.docker.build import tag_of
from images.engines.docker.engine import DockerEngine
from images.engines.docker.login import of_image
from images.engines.docker.sdk import speaking
from images.publishing.registry import Registry
from images.publishing.sets import PinnedImage
from images.workspace import Say

CHANGED = "the registry or the pin was changed since: compare set.toml with its commit"


def take(engine: DockerEngine, name: str, pin: PinnedImage, progress: Say) -> bool:
    """Have the pinned image under the tag that launches use; False where it is not to be had.

    It is not where nothing is pinned or no registry answers. Raises RegistryError where a registry
    answers with something else than what is pinned, EngineError where the engine cannot pull it.
    """
    here = engine.ready(name, pin.arch)
    if here and pin.image and here.digest == pin.image:
        progress(f"{name}: the published image is here")
        return True
    if not pin.digest:
        return False
    place, _, repository = pin.repository.rpartition("/")
    registry = Registry(place)
    try:
        registry.check()
    except RegistryError as error:
        progress(f"{name}: cannot be pulled from {place} ({error.message})")
        return False
    reference = f"{pin.repository}@{pin.digest}"
    found = registry.manifest(repository, pin.digest)
    if found is None or found.config != pin.image:
        what = (
            f"{pin.digest} is not there" if found is None else f"it is of {found.config}, not of {pin.image}"
        )
        raise RegistryError(what, where=pin.repository, remedy=CHANGED)
    progress(f"{name}: pulling {reference}")
    with speaking(f"the engine cannot pull {reference}"):
        image = engine.client.images.pull(reference, auth_config=of_image(reference).words)
        got = image.attrs["Architecture"], image.id
        if got != (pin.arch, pin.image):
            raise RegistryError(
                f"the engine pulled {got}, pinned is {(pin.arch, pin.image)}", where=reference
            )
        tag = tag_of(name, pin.arch)
        image.tag(*tag.split(":"))
        engine.client.images.remove(reference)  # the name alone
    return True
