"""`python -m ssodash.catalogs`: bring the translations in locale/ to the state of the code. `--check` only says what is not.

locale/hub holds the hub's own words. locale/shell holds those of Unfold, which brings no translations, as far as Django's own do
not cover them. The compiled files (.mo) are kept in the repository, so that the hub needs no tool to run; this needs Babel, but no
GNU gettext.
"""

import argparse
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import django
import unfold
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from ssodash.local import BASE_DIR

LANGUAGES = ("de",)
PACKAGES = ("ssodash", "users", "sites", "sync")
LEFT_OUT = ("migrations", "catalogs.py")
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
Key = tuple[str | None, str]


@dataclass(frozen=True)
class Source:
    """Where words come from, and the folder their translations are in."""

    name: str
    words: Callable[[], Catalog]
    keeps_unused: bool = False
    """Words that are not there now stay: another version of the source has them."""

    def path(self, language: str, suffix: str) -> Path:
        return BASE_DIR / "locale" / self.name / language / "LC_MESSAGES" / f"django.{suffix}"

    def catalog(self, language: str) -> Catalog:
        """The translations as they are in the repository, none if there is no file."""
        path = self.path(language, "po")
        if not path.exists():
            return Catalog(locale=language)
        with path.open("rb") as file:
            return read_po(file, locale=language)


def hub_words() -> Catalog:
    """What our Python files and templates mark for translation."""
    python = (path for package in PACKAGES for path in (BASE_DIR / package).rglob("*.py") if not set(path.parts) & set(LEFT_OUT))
    return _extracted(python, (BASE_DIR / "templates").rglob("*.html"))


def shell_words() -> Catalog:
    """What the installed Unfold marks for translation and Django has no translation of."""
    folder = Path(unfold.__file__).parent
    templates = (path for part in ("admin", "registration", "unfold") for path in (folder / "templates" / part).rglob("*.html"))
    found = _extracted(folder.glob("*.py"), templates)
    known = _djangos_own()
    for message in list(found):
        if message.id and _key(message) in known:
            found.delete(message.id, message.context)
    return found


SOURCES = (Source("hub", hub_words), Source("shell", shell_words, keeps_unused=True))


def _extracted(python: Iterator[Path], templates: Iterator[Path]) -> Catalog:
    found = Catalog()
    for path in sorted(python):
        _add(found, path.read_text())
    for path in sorted(templates):
        # What Django makes of a template is almost Python: only its indentation means nothing.
        _add(found, "\n".join(line.strip() for line in templatize(path.read_text(), origin=str(path)).splitlines()))
    return found


def _add(found: Catalog, code: str) -> None:
    for _, message, _, context in extract("python", io.BytesIO(code.encode()), keywords=KEYWORDS, options={"encoding": "utf-8"}):
        found.add(message, "" if isinstance(message, str) else ("", ""), context=context)


def _djangos_own() -> set[Key]:
    folder = Path(django.__file__).parent
    known = set()
    for part in ("conf", "contrib/admin", "contrib/auth", "contrib/humanize"):
        with (folder / part / "locale" / LANGUAGES[0] / "LC_MESSAGES" / "django.po").open("rb") as file:
            known |= {_key(message) for message in read_po(file) if message.id and message.string}
    return known


def _key(message: Message) -> Key:
    return message.context, message.id if isinstance(message.id, str) else message.id[0]


def updated(source: Source, language: str, words: Catalog) -> Catalog:
    """The translations with what is new (untranslated), without what is gone."""
    catalog = source.catalog(language)
    kept = [message for message in catalog if message.id]
    catalog.update(words, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    if source.keeps_unused:
        for message in kept:
            catalog.add(message.id, message.string, context=message.context)
    # The headers say nothing that git does not know better.
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    catalog.project, catalog.version, catalog.fuzzy = "SSO Dashboard", "", False
    catalog.header_comment = f"# Written by `make messages`; the translations (msgstr) are written by hand. Language: {language}"
    return catalog


def files(catalog: Catalog) -> dict[str, bytes]:
    """The two files of a catalog, by suffix."""
    text, compiled = io.BytesIO(), io.BytesIO()
    write_po(text, catalog, width=120, no_location=True, sort_output=True, ignore_obsolete=True)
    write_mo(compiled, catalog)
    return {"po": text.getvalue(), "mo": compiled.getvalue()}


def complaints(catalog: Catalog) -> Iterator[str]:
    """What a reader in this language would see in English, or see broken."""
    for message in catalog:
        if not message.id:
            continue
        strings = [message.string] if isinstance(message.id, str) else list(message.string or [""])
        if not all(strings) or message.fuzzy:
            yield f"not translated: {_key(message)[1]!r}"
        for error in message.check(catalog):
            yield f"{error}: {_key(message)[1]!r}"


def main() -> int:
    """The exit status: 1 where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m ssodash.catalogs", description="Bring the translations to the state of the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where they are behind it")
    only_checks = parser.parse_args().check
    wrong = []
    for source in SOURCES:
        words = source.words()
        for language in LANGUAGES:
            catalog = updated(source, language, words)
            wrong += [f"{source.path(language, 'po').relative_to(BASE_DIR)}: {said}" for said in complaints(catalog)]
            for suffix, content in files(catalog).items():
                path = source.path(language, suffix)
                if only_checks and not source.keeps_unused and (not path.exists() or path.read_bytes() != content):
                    wrong.append(f"{path.relative_to(BASE_DIR)} is behind the code: run `make messages`")
                elif not only_checks:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
