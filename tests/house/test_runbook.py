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


def test_an_upgrade_makes_and_imports_the_definitions_anew() -> None:
    parts = {
        name: RUNBOOK.partition(f"## {name}\n")[2].partition("\n## ")[0]
        for name in ("By packages", "Upgrades and rollbacks")
    }
    made = re.search(r"^.*feedmill definitions --out (\S+).*$", parts["By packages"], re.MULTILINE)
    assert made
    after = parts["Upgrades and rollbacks"].partition("deploy/install.sh runtime\n")[2]
    assert made[0] in after
    assert f"rabbitmqctl import_definitions {made[1]}" in after.partition("systemctl restart feedmill.target")[0]
