"""Maps the folders `tasks/` and `leaderboards/` at the root into the package `evalsuite`."""

from setuptools import find_packages, setup

MOUNTED = {"evalsuite.tasks": "tasks", "evalsuite.leaderboards": "leaderboards"}


def packages() -> list[str]:
    """Return every package of the wheel, the mounted folders under their mounted names."""
    found: list[str] = find_packages(include=["evalsuite", "evalsuite.*"])
    for name, folder in MOUNTED.items():
        found += [name, *(f"{name}.{inner}" for inner in find_packages(folder))]
    return found


setup(package_dir=MOUNTED, packages=packages())
