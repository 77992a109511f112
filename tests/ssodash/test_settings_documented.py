"""README.md lists every variable that is read from the environment, and no other; so does .env.example, for the hub's own."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HUB = [
    PROJECT / "manage.py",
    PROJECT / "gunicorn.conf.py",
    *(p for app in ("ssodash", "users", "sites", "sync") for p in PROJECT.glob(f"{app}/**/*.py")),
]
TESTS = [PROJECT / "tests" / "plugin.py", PROJECT / "tests" / "conftest.py"]
HELPERS = {"number", "integer", "choice", "flag", "words", "networks"}
"""The functions of ssodash.env: the name first, then the default."""
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "PYTEST_XDIST_WORKER", "TERM", "NO_COLOR", "COLUMNS"}
"""What programs and terminals say to each other; nobody sets these for the hub."""
ROW = re.compile(r"^\| `([A-Z][A-Z_]+)` \| (.*?) \| (.*?) \| .+ \|$", re.MULTILINE)


@dataclass(frozen=True)
class Read:
    """One place where the environment is read. `default`, `low` and `high` are None where they are not written there as such."""

    name: str
    default: Any = None
    low: Any = None
    high: Any = None


def reads(source: str) -> Iterator[Read]:
    """Every variable that this code reads from the environment, as far as its name is written there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = literal(node.args[0])
            function = ast.unparse(node.func)
            given = {keyword.arg: literal(keyword.value) for keyword in node.keywords}
            if function.split(".")[-1] in HELPERS and isinstance(name, str):
                yield Read(name, literal(node.args[1]), given.get("low"), given.get("high"))
            elif re.fullmatch(r"env(\.\w+)?|os\.getenv|os\.environ\.\w+", function) and isinstance(name, str):
                yield Read(name)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ" and isinstance(literal(node.slice), str):
            yield Read(literal(node.slice))
        elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]) == "os.environ":
            yield Read(literal(node.left))


def literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def read_by(files: list[Path]) -> dict[str, Read]:
    found = (read for path in files for read in reads(path.read_text()))
    return {read.name: read for read in found if read.name not in NOT_SETTINGS}


def asked_by_make() -> set[str]:
    """The variables of the Makefile that it leaves to whoever calls it."""
    text = (PROJECT / "Makefile").read_text()
    its_own = set(re.findall(r"^([A-Z_]+) *:?=", text, re.MULTILINE)) | {"MAKEFILE_LIST"}
    return set(re.findall(r"\$\(([A-Z_]+)\)", text)) - its_own


def documented() -> dict[str, tuple[str, str]]:
    """Default and values of each setting in the README's table."""
    rows = ROW.findall((PROJECT / "README.md").read_text())
    names = [name for name, _, _ in rows]
    assert len(names) == len(set(names)), "a setting is listed twice"
    return {name: (default, values) for name, default, values in rows}


def written(default: Any) -> str:
    """A default as the README writes it."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_readme_lists_what_is_read_from_the_environment_and_nothing_else() -> None:
    assert set(documented()) == set(read_by(HUB)) | set(read_by(TESTS)) | asked_by_make()


def test_the_env_example_has_the_hubs_own_settings_and_nothing_else() -> None:
    text = (PROJECT / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)) == set(read_by(HUB))


@pytest.mark.parametrize("read", read_by(HUB).values(), ids=lambda read: read.name)
def test_the_readme_gives_the_default_and_the_range_that_the_code_has(read: Read) -> None:
    default, values = documented()[read.name]
    in_range = read.low is None or read.default >= read.low  # a default out of range stands for "left open"
    if read.default not in (None, []) and in_range:
        assert default == f"`{written(read.default)}`"
    if read.low is not None:
        assert values.startswith(f"{read.low:g} to ")
    if read.high is not None:
        assert values in {f"{read.low:g} to {read.high:g}", f"{read.low} to {read.high}"}


@pytest.mark.parametrize("read", read_by(HUB).values(), ids=lambda read: read.name)
def test_the_env_example_shows_the_same_default_as_the_readme(read: Read) -> None:
    shown = re.search(rf"^#?{read.name}=(.*)$", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    default = documented()[read.name][0]
    assert shown is not None
    if default.startswith("`"):
        assert shown[1] == default.strip("`")


def test_the_search_finds_every_way_to_read_the_environment() -> None:
    source = """
integer("A", 3, low=1, high=9)
env.str("B", default="")
os.environ.get("C", "").strip()
os.environ["D"]
os.getenv("E")
"F" in os.environ
os.environ.get(name)
"""
    assert set(reads(source)) == {Read("A", 3, 1, 9), Read("B"), Read("C"), Read("D"), Read("E"), Read("F")}
