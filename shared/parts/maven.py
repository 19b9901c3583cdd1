"""Apache Kafka's own jars, fetched once by Maven into the user's cache."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.parts.errors import PartsError
from shared.parts.guarded import Command, Guard

KAFKA_VERSION = "4.3.1"
"""Fixed, not "newest": a release reaches the repository file by file (of 4.4.0, some are still missing)."""

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tasuki</groupId><artifactId>kafka-broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version>
    </dependency>
    <dependency>  <!-- the broker logs through slf4j 1.7; this writes to its standard error -->
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
DOWNLOADED = re.compile(r"Downloaded from \S+: \S+\.jar \(([\d.]+) (kB|MB)")
PROGRESS_S = 2.0

Say = Callable[[str], None]


def cached_jars(version: str) -> Path | None:
    """The directory of this version's jars, or None when they were never fetched."""
    jars = _jars(version)
    return jars if jars.is_dir() else None


def kafka_jars(guard: Guard, version: str, say: Say) -> Path:
    """The directory of this version's jars, fetched if need be.

    Raises `PartsError` with Maven's own words when they cannot be had.
    """
    if jars := cached_jars(version):
        return jars
    with _one_at_a_time(_jars(version).parent):
        return cached_jars(version) or _fetched(guard, version, say)


def _fetched(guard: Guard, version: str, say: Say) -> Path:
    jars = _jars(version)
    say(f"Apache Kafka {version}: fetching its jars with Maven (once, about 45 MB) into {jars}")
    # Renamed only when complete: a download broken off must not look like a cache.
    partial = jars.with_name(jars.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    _run_maven(guard, version, partial, say)
    partial.rename(jars)
    return jars


def _run_maven(guard: Guard, version: str, target: Path, say: Say) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise PartsError("Apache Kafka's jars are fetched by Maven, and there is no mvn on the PATH: install Maven")
    pom, log = guard.directory / "pom.xml", guard.directory / "maven.log"
    pom.write_text(POM.format(version=version))
    options = ["-B", "-Dstyle.color=never", "-f", str(pom), "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    try:
        guard.run(Command([maven, *options, PLUGIN], log=log), watch=Progress(log, say).look)
    except PartsError as error:
        raise PartsError(
            f"Apache Kafka {version} cannot be fetched (TASUKI_PARTS=embedded needs no download): {error}"
        ) from error


class Progress:
    """Tells from time to time how far Maven is."""

    def __init__(self, log: Path, say: Say) -> None:
        self._log, self._say = log, say
        self._told = time.monotonic()

    def look(self) -> None:
        if time.monotonic() - self._told >= PROGRESS_S:
            self._told = time.monotonic()
            sizes = DOWNLOADED.findall(self._log.read_text(errors="replace"))
            if not sizes:
                return  # Maven is still reading about what there is
            megabytes = sum(float(size) / (1000 if unit == "kB" else 1) for size, unit in sizes)
            self._say(f"  {len(sizes)} jars, {megabytes:.0f} MB")


def _jars(version: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tasuki" / f"kafka-{version}"


@contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    """Two launchers at once would disturb each other in Maven's local repository: the second waits for the first."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except OSError as error:
        raise PartsError(f"cannot write to the cache directory {cache}: {error}; set XDG_CACHE_HOME") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
