"""What `up` prints when everything runs: where to look, how to sign in, how to stop."""

import os
from pathlib import Path

from ssodash.local import BASE_DIR, var_dir
from ssodash.up.options import Options

BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def password_file() -> Path:
    """Where the first login's password is kept, for as long as it is valid."""
    return var_dir() / "admin-password"


def text(options: Options, *, coloured: bool) -> str:
    """The block, about ten lines of it."""
    bold, dim, plain = (BOLD, DIM, PLAIN) if coloured else ("", "", "")
    lines = [
        ("Dashboard", f"{bold}{options.address}{plain}", ""),
        ("Sign in", *_sign_in(bold, plain)),
        ("API", f"{options.address}/api/docs", ""),
    ]
    for number, site in enumerate(options.sites):
        lines.append(("Sample sites" if number == 0 else "", f"{site.address}   {site.title}", ""))
    if options.sites:
        first = options.sites[0].name
        lines.append(("Take one down", f"make site-down SITE={first}", f"and back: make site-up SITE={first}"))
    lines += [("SQL console", "make psql", ""), ("Stop", "Ctrl-C", "")]
    rule = "─" * 72
    body = [f"  {name:<15}{value}{f'   {dim}{note}{plain}' if note else ''}" for name, value, note in lines]
    return "\n".join(["", rule, f"  {bold}SSO Dashboard runs{plain}", "", *body, rule, ""])


def _sign_in(bold: str, plain: str) -> tuple[str, str]:
    path = password_file()
    try:
        password = path.read_text().strip()
    except FileNotFoundError:
        password = ""
    if password:
        return f"{bold}admin{plain} / {bold}{password}{plain}", f"kept in {_short(path)}"
    return "with your staff login", 'forgotten? make manage ARGS="changepassword admin"'


def _short(path: Path) -> str:
    relative = os.path.relpath(path, BASE_DIR)
    return str(path) if relative.startswith("..") else relative
