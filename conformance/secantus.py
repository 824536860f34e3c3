"""SecantusDB as an oracle at test time: in an environment and a process of its own, reached through real pymongo.

It is GPL-2.0 and never imported: a virtual environment is made for it on first use (in the user's temporary folder),
its server listens on a free port of the loopback, and it ends with the `with` block.
"""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pymongo

from conformance.factories import Factory

VERSION: Final = "0.7.0b3"
#: Set to 1 to allow that the environment is made (it installs a package) and to run the comparison.
VARIABLE: Final = "KATO_COMPAT_SECANTUS"

#: Serves until its standard input ends, which it does at the latest with this process.
_SERVE: Final = """
import sys
from secantus import SecantusDBServer
with SecantusDBServer(storage_path=sys.argv[1]) as server:
    print(server.uri, flush=True)
    sys.stdin.read()
"""


def wanted() -> bool:
    """Whether the comparison was asked for."""
    return os.environ.get(VARIABLE) == "1"


def environment() -> Path:
    """The Python of SecantusDB's environment, made where it is not there yet."""
    folder = Path(tempfile.gettempdir()) / f"kato_compat_secantus_{VERSION}_{sys.version_info[0]}{sys.version_info[1]}"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"secantusdb=={VERSION}"], check=True)
        done.touch()
    return python


@contextmanager
def server() -> Iterator[Factory]:
    """A factory of collections on a SecantusDB server that runs as long as the block."""
    with tempfile.TemporaryDirectory(prefix="kc-", ignore_cleanup_errors=True) as folder:
        command = [str(environment()), "-c", _SERVE, folder]
        # It logs a traceback for each error of its own: those come back as answers, too.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            uri = process.stdout.readline().strip()
            if not uri:
                raise RuntimeError(f"SecantusDB {VERSION} did not start")
            client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri)
            try:
                yield Factory(lambda: client)
            finally:
                client.close()
        finally:
            process.terminate()
            process.communicate(timeout=30)
