"""Whom the database runs as: PostgreSQL refuses root, and another user cannot enter every folder."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.stack.errors import StackError

UNPRIVILEGED: Final = ("postgres", "nobody")
"""Whom root lets the database run as: the first that exists."""

SHARED_PLACES: Final = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - only a fresh, unguessable folder is made there
"""Where the data goes when the user above cannot enter the state folder."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine; without ids it is the one who runs us."""

    uid: int | None = None
    gid: int | None = None

    @property
    def owner(self) -> int:
        """The id that its files have."""
        return os.geteuid() if self.uid is None else self.uid

    def run(
        self, command: Sequence[str], *, environment: Mapping[str, str], text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, with `text` on its standard input and nothing inherited."""
        return subprocess.run(  # noqa: S603 - programs found by sandbox.stack.programs, and /bin/sh with fixed scripts
            list(command),
            input=text,
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def write(self, path: Path, text: str) -> None:
        """Write a file as this user, readable by nobody else.

        Root never writes into a folder of another user itself: what looks like a file there may be a link.

        Raises:
            StackError: It cannot be written.
        """
        script = 'umask 077; cat >"$1"'
        done = self.run(["/bin/sh", "-c", script, "sh", str(path)], environment={"PATH": os.defpath}, text=text)
        if done.returncode:
            raise StackError(f"{path} cannot be written: {done.stderr.strip()}")

    def can_work_in(self, folder: Path) -> bool:
        """Say whether this user can enter and change `folder`, all folders above it included."""
        script = 'cd "$1" && test -w .'
        return not self.run(["/bin/sh", "-c", script, "sh", str(folder)], environment={"PATH": os.defpath}).returncode


def database_account() -> Account:
    """Return whom PostgreSQL runs as: ourselves, or an unprivileged user where we are root.

    Raises:
        StackError: We are root and no such user exists.
    """
    if os.geteuid() != 0:
        return Account()
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StackError(f"PostgreSQL does not run as root, and there is no user {' or '.join(UNPRIVILEGED)}")


def make_private_folder(preferred: Path, account: Account) -> Path:
    """Make a folder of 0700 for `account`: at `preferred`, or where it can reach it, under a name nobody can guess.

    Raises:
        StackError: `preferred` exists and belongs to somebody else, or no place can be reached.
    """
    try:
        preferred.mkdir(mode=0o700)
        _give(preferred, account)
    except FileExistsError:
        check_private_folder(preferred, account)
    if account.can_work_in(preferred):
        return preferred
    if any(preferred.iterdir()):
        raise StackError(f"{preferred} holds a database, but its user cannot enter the folders above any more")
    preferred.rmdir()
    for place in SHARED_PLACES:
        if not os.access(place, os.W_OK):
            continue
        made = Path(tempfile.mkdtemp(prefix="feedmill-postgres-", dir=place))
        _give(made, account)
        if account.can_work_in(made):
            return made
        shutil.rmtree(made)
    raise StackError(f"no folder for the database: {preferred} cannot be entered by its user, nor {SHARED_PLACES[0]}")


def check_private_folder(folder: Path, account: Account) -> None:
    """Refuse a folder that is a link, of another user, or open to others.

    Raises:
        StackError: It is one of these, or it is gone.
    """
    try:
        found = folder.lstat()
    except OSError as error:
        raise StackError(f"{folder}: {error.strerror}; 'sandbox stack down --delete-data' starts afresh") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.owner or stat.S_IMODE(found.st_mode) & 0o077:
        raise StackError(f"{folder} is refused: not a folder of 0700 that belongs to user id {account.owner}")


def _give(folder: Path, account: Account) -> None:
    folder.chmod(0o700)
    if account.uid is not None and account.gid is not None:
        os.chown(folder, account.uid, account.gid)
