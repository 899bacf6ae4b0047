"""`feedmill`: the administration commands that belong to no single service.

Each command loads what it alone needs when it is asked for: a container's health check is this program too, four times
a minute, and needs neither SQLAlchemy nor an HTTP client.
"""

import argparse
import asyncio
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path

from common import definitions, log, probe
from common.clock import SystemClock
from common.errors import ConfigurationError, FeedmillError, exit_code_of
from common.settings import SERVICE_SETTINGS, Settings, load, service_passwords

_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage or configuration."""
    options = _parser().parse_args(argv)
    log.configure("feedmill")
    try:
        _log.info(options.run(options))
    except FeedmillError as error:
        _log.error("%s", error)
        return exit_code_of(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="feedmill", description="Administration of a feedmill installation.")
    parser.add_argument("--version", action="version", version=f"feedmill {version('feedmill-common')}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database to the newest revision").set_defaults(run=_migrate)
    health = commands.add_parser("health", help="fail unless database and broker answer")
    health.add_argument(
        "--as",
        dest="service",
        choices=sorted(SERVICE_SETTINGS),
        help="with the rights of this service, where it has a password of its own; default: as DB_USER",
    )
    health.set_defaults(run=_health)
    doctor = "say of everything that is needed whether it is well, and what helps where it is not"
    look = commands.add_parser("doctor", help=doctor, description="Exit code 1: there is an error.")
    look.add_argument(
        "--definitions",
        type=Path,
        default=definitions.TEMPLATE,
        help="what the broker should hold; default: %(default)s",
    )
    only = "look at the settings of the services and at nothing else; exit code 2: one would be refused"
    look.add_argument("--settings", dest="run", action="store_const", const=_check_settings, help=only)
    look.set_defaults(run=_doctor)
    _add_moving(commands)
    fill = commands.add_parser(
        "definitions",
        help="write the broker's definitions with password hashes",
        description="Passwords come from RABBITMQ_<USER>_PASSWORD; only their salted hashes are written.",
    )
    fill.add_argument("--template", type=Path, default=definitions.TEMPLATE, help="default: %(default)s")
    fill.add_argument("--out", type=Path, required=True, help="file to write; its folder exists")
    fill.set_defaults(run=_definitions)
    return parser


def _add_moving(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    write = commands.add_parser(
        "dump",
        help="write the whole database to a new folder",
        description="Services may go on. Data, row counts and positions are of one moment.",
    )
    write.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help="default: dumps/feedmill-<time>")
    write.set_defaults(run=_dump)
    take = commands.add_parser(
        "restore",
        help="make the database what a dump holds",
        description="All or nothing: a dump that is not whole or does not fit leaves the database as it was.",
    )
    take.add_argument("folder", type=Path, metavar="FOLDER", help="what `feedmill dump` has written")
    take.add_argument(
        "--force", action="store_true", help="replace what the database holds; take a dump of an older revision"
    )
    take.add_argument(
        "--check", action="store_true", help="only say whether it would be taken; services may go on meanwhile"
    )
    take.set_defaults(run=_restore)


def _migrate(_options: argparse.Namespace) -> str:
    from common.db import migrate  # noqa: PLC0415 - see above

    settings = load(Settings)
    revision = asyncio.run(migrate.upgrade(settings.database, passwords=service_passwords()))
    return log.fields("database migrated", revision=revision)


def _dump(options: argparse.Namespace) -> str:
    from common.db.dump import dump  # noqa: PLC0415 - see above

    folder = options.folder or Path("dumps", f"feedmill-{SystemClock().now():%Y%m%dT%H%M%SZ}")
    made = asyncio.run(dump(load(Settings).database, folder))
    return log.fields("database dumped", folder=folder, revision=made.revision, rows=sum(made.stock.rows.values()))


def _restore(options: argparse.Namespace) -> str:
    from common.db.restore import examine, restore  # noqa: PLC0415 - see above

    event, act = ("dump can be restored", examine) if options.check else ("database restored", restore)
    made = asyncio.run(act(load(Settings).database, options.folder, force=options.force))
    rows = sum(made.stock.rows.values())
    return log.fields(event, folder=options.folder, rows=rows, as_of=f"{made.made_at:%Y-%m-%dT%H:%M:%SZ}")


def _health(options: argparse.Namespace) -> str:
    asyncio.run(probe.servers_answer(load(SERVICE_SETTINGS.get(options.service, Settings))))
    return "database and broker answer"


def _doctor(options: argparse.Namespace) -> str:
    from common.doctor.report import is_well, summary, written  # noqa: PLC0415 - see above
    from common.doctor.visit import Surroundings, examine  # noqa: PLC0415 - see above

    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # logs as an error of its own what is in the report
    lines = asyncio.run(examine(Surroundings(template=options.definitions), SystemClock()))
    sys.stdout.write(written(lines))
    if not is_well(lines):
        raise FeedmillError(summary(lines))
    return summary(lines)


def _check_settings(_options: argparse.Namespace) -> str:
    from common.doctor import machine  # noqa: PLC0415 - see above
    from common.doctor.report import Level  # noqa: PLC0415 - see above

    faults = [f"{line.what}: {line.seen}" for line in machine.settings() if line.level is Level.ERROR]
    if faults:
        raise ConfigurationError("; ".join(faults))
    return "settings are complete"


def _definitions(options: argparse.Namespace) -> str:
    load(Settings)  # puts the names of .env into the environment, and refuses unknown ones
    definitions.write(options.template, options.out, environment=os.environ)
    return log.fields("definitions written", file=options.out)


if __name__ == "__main__":
    sys.exit(main())
