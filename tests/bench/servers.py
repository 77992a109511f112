"""The servers that stand for sites: nginx where any answer will do, our own sink where it has to wait or to read."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ssodash.leash import die_with_parent
from tests.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; default_type application/json; tcp_nodelay on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ {listens} location / {{ return 200 '{{"success":true}}'; }} }}
}}
"""
WRK = """
wrk.method = "POST"
wrk.body = '{"id":"user_000001","email":"user_000001@example.com","full_name":"Name","role":"user","action":"upsert","version":1}'
wrk.headers["Content-Type"] = "application/json"
"""


def missing_program() -> str | None:
    """What to install, in one line; None when all is here."""
    absent = [name for name in ("nginx", "wrk") if _program(name) is None]
    return f"make bench needs {' and '.join(absent)}: sudo apt-get install -y {' '.join(absent)}" if absent else None


def _program(name: str) -> str | None:
    # Debian keeps nginx where only root looks.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def nginx(count: int) -> Iterator[list[str]]:
    """One process that answers `{"success":true}` on so many ports; yields their URLs."""
    program = _program("nginx")
    assert program
    with tempfile.TemporaryDirectory(prefix="ssodash-bench-") as folder:
        ports = [free_port() for _ in range(count)]
        listens = " ".join(f"listen 127.0.0.1:{port} backlog=1024;" for port in ports)
        conf = Path(folder) / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, listens=listens))
        with _child([program, "-p", folder, "-c", str(conf), "-e", "stderr"]):
            _wait_for(ports[-1])
            yield [f"http://127.0.0.1:{port}" for port in ports]


@contextlib.contextmanager
def sink(count: int, *, delay: float = 0.0, hanging: int = 0) -> Iterator[list[str]]:
    """Our own sites (tests/bench/sink.py); yields their URLs."""
    command = [sys.executable, "-m", "tests.bench.sink", "--ports", str(count), "--delay", str(delay), "--hanging", str(hanging)]
    with _child(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield [f"http://127.0.0.1:{port}" for port in json.loads(process.stdout.readline())]


def wrk(url: str, *, connections: int, seconds: int = 3) -> float:
    """Requests a second that wrk gets out of this server."""
    program = _program("wrk")
    assert program
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK)
        script.flush()
        command = [program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, f"{url}/api/users/sync"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 20).stdout
    found = re.search(r"Requests/sec: +([0-9.]+)", said)
    assert found, said
    return float(found[1])


def _wait_for(port: int) -> None:
    ends = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)  # nginx tells nobody when it listens


@contextlib.contextmanager
def _child(command: Sequence[str], *, stdout: int | None = None) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, cwd=PROJECT, stdout=stdout, text=True, preexec_fn=die_with_parent(signal.SIGTERM))
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()
