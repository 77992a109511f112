"""What a site's developer adds, ready to be copied: handlers for a few stacks, with this site's own paths in them."""

from dataclasses import dataclass

from django.template.loader import render_to_string

from sites.models import ConnectedSite

FOLDER = "admin/sites/connectedsite/handlers"


@dataclass(frozen=True)
class Example:
    """A handler for one stack: what to install, which file it is, and its code."""

    title: str
    install: str
    file: str
    code: str


@dataclass(frozen=True)
class Handlers:
    """The paths that a site answers, and code that does."""

    delete: str
    batch: str
    examples: list[Example]


def handlers_of(site: ConnectedSite) -> Handlers:
    """No secret is in it: the code reads the one in SYNC_SECRET."""
    base = site.sync_path.rstrip("/")
    delete = f"{base}/delete"
    context = {"upsert": site.sync_path, "delete": delete, "upsert_route": site.sync_path.lstrip("/"), "delete_route": delete.lstrip("/")}

    def code(name: str) -> str:
        return render_to_string(f"{FOLDER}/{name}.txt", context).strip()

    return Handlers(
        delete,
        f"{base}/batch",
        [
            Example("Next.js", "npm install standardwebhooks", f"app{base}/route.js", code("next")),
            Example("Django", "pip install standardwebhooks", "urls.py", code("django")),
            Example("FastAPI", "pip install fastapi standardwebhooks", "main.py", code("fastapi")),
        ],
    )
