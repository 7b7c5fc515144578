"""What tests need beyond Python: real services and a real browser, installed by apt where that is allowed.

Only as root on Debian or Ubuntu, and always said. Elsewhere nothing is touched: the tests that need a missing program
are left out and named at the end.
"""

import os
import shutil
import subprocess
from pathlib import Path

FOLDERS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
PROGRAMS = {  # program -> packages that bring it
    "mosquitto": ["mosquitto"],
    "mariadbd": ["mariadb-server"],
    "chromium": ["chromium"],
}


def postgresql() -> list[str]:
    """The newest PostgreSQL server's version on the machine, as a list of none or one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return [path.parts[-3] for path in found[-1:]]


def missing() -> list[str]:
    """The packages that are not there. PostGIS is named by the server's version, so it may come in a second round."""
    packages = [
        name for program, names in PROGRAMS.items() if not shutil.which(program, path=FOLDERS) for name in names
    ]
    version = postgresql()
    if not version:
        return [*packages, "postgresql"]
    if not Path(f"/usr/share/postgresql/{version[0]}/extension/postgis.control").exists():
        packages.append(f"postgresql-{version[0]}-postgis-3")
    return packages


def may_install() -> bool:
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def apt(*arguments: str) -> bool:
    command = ["apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-600:] + done.stderr[-600:], flush=True)
    return done.returncode == 0


def install_services() -> None:
    """Install what is missing, saying so; a failure is said and left to the tests to judge."""
    packages = missing()
    if not packages:
        return
    if not may_install():
        print(f"==> Not installed, so not tested: {', '.join(packages)}", flush=True)
        return
    print(f"==> Installing with apt, for the tests: {', '.join(packages)} (NO_SYSTEM=1 keeps it from that)", flush=True)
    apt("update")
    for package in packages:
        apt("install", "--no-install-recommends", package)
    for package in missing():
        if package.endswith("postgis-3"):
            print(f"==> Installing with apt, for the tests: {package}", flush=True)
            apt("install", "--no-install-recommends", package)
    if left := missing():
        print(f"==> Still missing: {', '.join(left)}", flush=True)
