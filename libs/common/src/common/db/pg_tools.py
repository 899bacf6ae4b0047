"""PostgreSQL's own programs, run on the database of our settings."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from common.errors import TransferError
from common.settings import DatabaseSettings

LIBRARY: Final = Path("/usr/lib/postgresql")
"""Where Debian's packages put programs of each version."""

END_WITHIN_S: Final = 10.0


async def run(program: str, *arguments: str, settings: DatabaseSettings) -> str:
    """Run `pg_dump` or `pg_restore` on a database and return what it printed; ended when this is cancelled.

    Raises:
        TransferError: It is not installed, or says that something is wrong; the text is its last line.
    """
    process = await asyncio.create_subprocess_exec(
        find(program),
        *arguments,
        env=_environment(settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us to pass on
    )
    try:
        printed, said = await process.communicate()
    except BaseException:
        process.terminate()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        raise
    if process.returncode:
        raise TransferError(_reason(said.decode(errors="replace")) or f"{program}: exit code {process.returncode}")
    return printed.decode(errors="replace")


def find(program: str, library: Path = LIBRARY) -> str:
    """Return the path of a program: that in PATH, else that of Debian's newest PostgreSQL.

    Raises:
        TransferError: It is not installed.
    """
    in_path = shutil.which(program)
    if in_path:
        return in_path
    installed = [path for path in library.glob(f"*/bin/{program}") if os.access(path, os.X_OK)]
    if not installed:
        raise TransferError(f"{program} is not installed: apt-get install postgresql-client")
    return str(max(installed, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0))


def _reason(said: str) -> str:
    """Return the first line that speaks of an error; the ones behind it explain or follow from it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line), lines[-1] if lines else "")


def _environment(settings: DatabaseSettings) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "PGHOST": settings.host,
        "PGPORT": str(settings.port),
        "PGUSER": settings.user,
        "PGPASSWORD": settings.password.get_secret_value(),
        "PGDATABASE": settings.name,
        "PGCONNECT_TIMEOUT": str(max(2, round(settings.connect_timeout_s))),
    }
