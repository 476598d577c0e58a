"""A small project with images, and a Docker Engine and its registry in memory."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

BASE_SIZE = 100


class Image:
    """What docker-py offers of an image, as far as it is asked."""

    def __init__(self, engine: "Engine", name: str, size: int) -> None:
        self.engine = engine
        self.id = "sha256:" + hashlib.sha256(name.encode()).hexdigest()
        self.attrs = {"Size": size}

    def tag(self, repository: str, tag: str) -> bool:
        self.engine.tagged[f"{repository}:{tag}"] = self
        return True


class Engine:
    """Builds at once, and pushes into a registry that is a mapping of references to digests.

    refuses: {folder: what the registry says of it}. output, errors: what a container says; one
    with errors has failed.
    """

    def __init__(self) -> None:
        self.built: dict[str, Image] = {}
        self.builds: list[dict[str, Any]] = []
        self.tagged: dict[str, Image] = {}
        self.registry: dict[str, str] = {}
        self.refuses: dict[str, str] = {}
        self.ran: list[dict[str, Any]] = []
        self.output = self.errors = b""
        self.removed = 0
        self.digest_is_told = True
        self.images = SimpleNamespace(get=self._get, get_registry_data=self._registry_data)
        self.api = SimpleNamespace(build=self._build, push=self._push)
        self.containers = SimpleNamespace(create=self._create)

    def _get(self, name: str) -> Image:
        if name not in self.built:
            raise docker.errors.ImageNotFound(f"no such image: {name}")
        return self.built[name]

    def _build(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        self.builds.append(arguments)
        yield {"stream": "Step 1/1 : FROM scratch\n"}
        size = BASE_SIZE if "/base:" in arguments["tag"] else BASE_SIZE + 5000
        self.built[arguments["tag"]] = Image(self, arguments["tag"], size)

    def _push(
        self, repository: str, tag: str, *, stream: bool, decode: bool
    ) -> Iterator[dict[str, Any]]:
        assert stream
        assert decode
        yield {"status": f"The push refers to repository [{repository}]"}
        yield {"id": "a1", "status": "Pushing", "progressDetail": {"current": 512, "total": 2048}}
        folder = repository.rpartition("/")[2]
        if folder in self.refuses:
            yield {"error": self.refuses[folder], "errorDetail": {}}
            return
        yield {"id": "b2", "status": "Pushing", "progressDetail": {"current": 9, "total": 1024}}
        yield {"id": "a1", "status": "Pushed", "progressDetail": {}}
        digest = "sha256:" + hashlib.sha256(repository.encode()).hexdigest()
        self.registry[f"{repository}:{tag}"] = digest
        if self.digest_is_told:
            yield {"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": 1}}

    def _registry_data(self, reference: str) -> Any:
        if reference not in self.registry:
            raise docker.errors.NotFound("manifest unknown", explanation="manifest unknown")
        return SimpleNamespace(attrs={"Descriptor": {"digest": self.registry[reference]}})

    def _create(self, image: str, command: list[str], **arguments: Any) -> "Program":
        self.ran.append({"image": image, "command": command, **arguments})
        return Program(self)


class Program:
    """A container that was created, and says what it has to when it starts."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.listening = False

    def attach(self, *, stdout: bool, stderr: bool, stream: bool, demux: bool) -> Any:
        assert all((stdout, stderr, stream, demux))
        self.listening = True
        half = len(self.engine.output) // 2
        return iter(
            [
                (self.engine.output[:half], None),
                (None, self.engine.errors or None),
                (self.engine.output[half:], None),
            ]
        )

    def start(self) -> None:
        assert self.listening, "what it says before would be lost"

    def wait(self) -> dict[str, int]:
        return {"StatusCode": 1 if self.engine.errors else 0}

    def remove(self, *, force: bool) -> None:
        assert force
        self.engine.removed += 1


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a base and two images."""
    for name in ("base", "one", "two"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").write_text(f"FROM scratch\n# {name}\n")
    return tmp_path
