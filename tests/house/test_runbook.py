"""The runbook has a line for each alarm that Prometheus may raise, and for no other."""

import re

from tests.house.tree import ROOT

RUNBOOK = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))


def test_every_alarm_has_its_line() -> None:
    alarms = {name for path in RULES for name in re.findall(r"- alert: (\w+)", path.read_text(encoding="utf-8"))}
    assert alarms
    assert set(re.findall(r"^\| `(Feedmill\w+)` \|", RUNBOOK, re.MULTILINE)) == alarms


def test_what_an_alarm_points_to_is_there() -> None:
    pointed = {
        anchor for path in RULES for anchor in re.findall(r"runbook: (\S+)#(\S+)", path.read_text(encoding="utf-8"))
    }
    assert pointed
    for file, anchor in pointed:
        headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, file
