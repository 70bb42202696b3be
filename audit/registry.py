"""One small registry for every plug-in folder: the folder is the list.

A plug-in folder's `__init__.py` holds the contract and a `Registry`; every sibling file without a leading
underscore is imported on first use and registers what it adds. Another package joins through an entry point in
the group `bias_audit.FOLDER` (for example `bias_audit.measures`) that names a module to import, or the plug-in
itself under its name.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import types
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from audit.errors import UsageError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Plug-ins of one kind by name, in alphabetical order.

    Args:
        package: the folder's import name, `audit.measures`; its last part ends the entry-point group's name.
        kind: what a plug-in is called in messages.
    """

    def __init__(self, package: str, kind: str) -> None:
        self._package = package
        self._kind = kind
        self._found: dict[str, T] = {}
        self._scanned = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that records a plug-in. A second one of the same name is refused."""

        def record(plugin: T) -> T:
            self.add(name, plugin)
            return plugin

        return record

    def add(self, name: str, plugin: T) -> None:
        """Record a plug-in under `name`; the plain form of `register`."""
        if self._found.get(name, plugin) is not plugin:
            raise UsageError(f"two plug-ins want to be the {self._kind} {name!r}", where=self._package)
        self._found[name] = plugin

    def get(self, name: str) -> T:
        """The plug-in called `name`; a UsageError that names the nearest ones otherwise."""
        self._scan()
        if name not in self._found:
            raise UsageError(f"unknown {self._kind}", value=name, allowed=self.names(), hint=nearest(name, self._found))
        return self._found[name]

    def names(self) -> tuple[str, ...]:
        self._scan()
        return tuple(sorted(self._found))

    def items(self) -> Iterator[tuple[str, T]]:
        self._scan()
        return iter(sorted(self._found.items()))

    def __contains__(self, name: str) -> bool:
        self._scan()
        return name in self._found

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        folder = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(folder.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self._package}.{module.name}")
        group = f"bias_audit.{self._package.rpartition('.')[2]}"
        for entry in importlib.metadata.entry_points(group=group):
            loaded = entry.load()
            if not isinstance(loaded, types.ModuleType) and entry.name not in self._found:
                self.add(entry.name, loaded)
