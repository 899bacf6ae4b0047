"""What the launcher says on the terminal; unlike a log it may show passwords and tokens, which are handed out here."""

import sys


def say(text: str, *, level: str = "INFO") -> None:
    """Print one line as the services log theirs; errors go to standard error."""
    stream = sys.stderr if level == "ERROR" else sys.stdout
    stream.write(f"[{level}] {text}\n")
    stream.flush()


def show(lines: str) -> None:
    """Print an answer as it is."""
    sys.stdout.write(lines + "\n")
    sys.stdout.flush()


def last_error(output: str) -> str:
    """Return what a program said last: its last `[ERROR]` line without the mark, or its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("[ERROR]")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("[ERROR]").strip()


def passed_on(line: str) -> str:
    """Return a line that a program said; one that is a warning is said again."""
    mark = "[WARNING]"
    if line.startswith(mark):
        say(line.removeprefix(mark).strip(), level="WARNING")
    return line
