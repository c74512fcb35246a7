"""Programs of a side-by-side run: where they come from, how they are started and ended, and what they used."""

import ctypes
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
HERE = pathlib.Path(__file__).resolve().parent


class Trouble(Exception):
    """The run cannot go on, or somebody's totals are wrong."""


# Programs ------------------------------------------------------------------------------------------------------------


class Place:
    """A directory for everything, and the processes that were started: `close` ends and removes them."""

    def __init__(self, state):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="side-by-side-", dir=state))
        self.folder.chmod(0o755)
        self.children = []
        self.environment = dict(os.environ)

    def start(self, command, name):
        """A server that ends when this process does."""

        def before():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        with open(self.folder / f"{name}.log", "ab") as log:
            child = subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, preexec_fn=before
            )
        self.children.append(child)
        return child

    def end(self, child, folder, number=signal.SIGTERM):
        """Ends a server and removes what it stored, so that the disk does not fill up with those before."""
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
        child.wait()
        self.children.remove(child)
        shutil.rmtree(folder, ignore_errors=True)

    def close(self):
        for child in list(self.children):
            self.end(child, self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


# What is run, in which package it is, and where it may be already.
PROGRAMS = {
    "postgres": ("postgresql-15", ["/usr/lib/postgresql/15/bin/postgres"]),
    "redis-server": ("redis-server", ["/usr/bin/redis-server"]),
    "nats-server": ("nats-server", ["/usr/sbin/nats-server", "/usr/bin/nats-server"]),
}


def find_programs(place):
    """Paths by name. What the host lacks is fetched with apt-get and unpacked for this run: nothing is installed, so no package
    starts a service of its own."""
    roots = [pathlib.Path("/")]
    missing = [package for package, paths in PROGRAMS.values() if not any(os.path.exists(p) for p in paths)]
    if missing:
        unpacked = place.folder / "packages"
        cache = place.folder / "archives"
        (cache / "partial").mkdir(parents=True, exist_ok=True)
        command = ["apt-get", "-q", "-o", f"Dir::Cache::archives={cache}", "-o", "Debug::NoLocking=true", "install", "-y"]
        subprocess.run(
            [*command, "--no-install-recommends", "--download-only", *missing], check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr
        )
        for archive in sorted(cache.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
        roots.append(unpacked)
        libraries = glob.glob(f"{unpacked}/usr/lib/*-linux-gnu") + glob.glob(f"{unpacked}/lib/*-linux-gnu")
        place.environment["LD_LIBRARY_PATH"] = ":".join(libraries)
    found = {}
    for name, (package, paths) in PROGRAMS.items():
        candidates = [root / path.lstrip("/") for root in roots for path in paths if (root / path.lstrip("/")).exists()]
        if not candidates:
            raise Trouble(f"{name} is not in {package}")
        found[name] = candidates[0]
    return found


def build_client(place):
    compiler = next((found for found in map(shutil.which, ("cc", "clang", "gcc")) if found), None)
    if compiler is None:
        raise Trouble("there is no C compiler")
    client = place.folder / "replay"
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-o", client, HERE / "replay.c"], check=True)
    return client


def connect(port, child, seconds=20):
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 20)
        except OSError:
            if child.poll() is not None or time.monotonic() > end:
                raise Trouble("a server did not start") from None
            time.sleep(0.02)


# What a process tree used --------------------------------------------------------------------------------------------


def tree(pid):
    found = [pid]
    for task in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            children = pathlib.Path(task).read_text().split()
        except OSError:
            continue
        for child in children:
            found += tree(int(child))
    return found


def processor_seconds(pid):
    """Of a process, its descendants, and those of them that ended."""
    ticks = 0
    for member in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """Proportional set size of a process tree in bytes: pages that are shared count once."""
    total = 0
    for member in tree(pid):
        try:
            text = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def flushes(folder):
    """Cache flushes that the disk below `folder` was asked for since the machine started; None where nobody counts them."""
    device = os.stat(folder).st_dev
    try:
        fields = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
        parent = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().parent / "stat"
        # Flushes are counted for the whole disk, not for its partitions.
        if parent.exists() and parent.parent.name != "block":
            fields = parent.read_text().split()
        return int(fields[15])
    except (OSError, IndexError):
        return None
