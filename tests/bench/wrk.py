"""Load by wrk (https://github.com/wg/wrk), Debian's package of that name."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MISSING = "wrk is missing, which makes the load: apt-get install wrk"
SCRIPT = """
local paths = {%s}
local place = 0
request = function()
  place = place %% #paths + 1
  return wrk.format("GET", paths[place])
end
done = function(summary, latency)
  local failed = summary.errors
  local errors = failed.connect + failed.read + failed.write + failed.status + failed.timeout
  io.write(string.format('\\n{"requests":%%d,"us":%%d,"p50_us":%%d,"p99_us":%%d,"errors":%%d}\\n',
           summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors))
end
"""


@dataclass(frozen=True)
class Load:
    """What a server answered: requests/s, and times of answers in ms."""

    per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def is_there() -> bool:
    """Return whether wrk is installed."""
    return shutil.which("wrk") is not None


def script(paths: Sequence[str], file: Path) -> Path:
    """Write what lets wrk ask for these paths in turn."""
    file.write_text(SCRIPT % ", ".join(map(json.dumps, paths)), encoding="ascii")
    return file


def load(port: int, script_file: Path, *, seconds: float, connections: int, token: str) -> Load:
    """Ask for a while.

    Raises:
        SystemExit: wrk failed.
    """
    said = subprocess.run(  # noqa: S603 - fixed arguments
        [
            *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"),
            *(
                "--timeout",
                "10s",
                "--script",
                str(script_file),
                "--header",
                f"Authorization: Bearer {token}",
                f"http://127.0.0.1:{port}",
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise SystemExit(said.stderr)
    found = json.loads(said.stdout.splitlines()[-1])
    per_s = found["requests"] / found["us"] * 1e6
    return Load(per_s, found["p50_us"] / 1000, found["p99_us"] / 1000, found["errors"])
