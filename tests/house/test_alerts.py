"""Alert rules, their tests and the dashboard name only what the services export, and say what to do."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.house import exported
from tests.house.tree import ROOT, text

FOLDER = Path("deploy/prometheus")
CONFIGURATIONS = [FOLDER / "prometheus.yml", FOLDER / "packages.yml"]
RULES = sorted(path.relative_to(ROOT) for path in (ROOT / FOLDER / "rules").glob("*.yml"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / FOLDER / "tests").glob("*.yml"))
ALERTS: list[dict[str, Any]] = [
    rule for path in RULES for group in yaml.safe_load(text(path))["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads(text(Path("deploy/grafana/feedmill.json")))
KNOWN = exported.of_services() | exported.BROKER

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def promtool(*words: str | Path, cwd: Path = ROOT) -> str:
    """Run promtool and return what it says; it must succeed."""
    command = ["promtool", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - Debian's own
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@needs_promtool
def test_each_rule_fires_and_keeps_quiet_as_its_tests_say() -> None:
    assert promtool("test", "rules", *TESTS).count("SUCCESS") == len(TESTS)


@needs_promtool
def test_the_tests_of_rules_can_fail(tmp_path: Path) -> None:
    shutil.copytree(ROOT / FOLDER, tmp_path / "prometheus")
    rules = tmp_path / "prometheus/rules/landing.yml"
    rules.write_text(rules.read_text().replace('"normalizer.raw.dead"}) > 0', '"normalizer.raw.dead"}) > 1'))
    with pytest.raises(AssertionError, match="FeedmillDeadLetters"):
        promtool("test", "rules", "tests/landing.yml", cwd=tmp_path / "prometheus")


@needs_promtool
@pytest.mark.parametrize("path", CONFIGURATIONS, ids=str)
def test_the_configurations_are_understood(path: Path) -> None:
    promtool("check", "config", "--syntax-only", path)


def test_every_alert_is_tested_both_ways() -> None:
    names = [case["name"] for path in TESTS for case in yaml.safe_load(text(path))["tests"]]
    for way in ("fires", "is quiet"):
        tested = {name.partition(" ")[0] for name in names if f" {way}: " in name}
        assert {rule["alert"] for rule in ALERTS} == tested, way


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_what_to_do_and_where_to_read_on(rule: dict[str, Any]) -> None:
    said = rule["annotations"]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert said["summary"]
    assert len(said["description"]) > len(said["summary"])
    page, _, anchor = said["runbook"].partition("#")
    assert anchor in anchors(text(Path(page)))
    assert f"`{rule['alert']}`" in text(Path("docs/deployment.md"))


def test_rules_and_dashboard_name_what_is_exported() -> None:
    expressions = [rule["expr"] for rule in ALERTS]
    expressions += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert {name for expression in expressions for name in exported.named(expression)} - KNOWN == set()
    assert exported.named("rate(feedmill_nonsense_total[5m]) > up") - KNOWN == {"feedmill_nonsense_total"}


def test_everything_that_is_exported_is_shown_or_watched() -> None:
    seen = json.dumps(DASHBOARD) + json.dumps(ALERTS)
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in KNOWN if name.startswith("feedmill_")}
    assert [name for name in sorted(families) if name not in seen] == []


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=str)
def test_rules_ask_for_jobs_that_are_scraped(path: Path) -> None:
    jobs = {job["job_name"] for job in yaml.safe_load(text(path))["scrape_configs"]}
    asked = {name for rule in ALERTS for name in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert asked - jobs == set()


def test_panels_have_a_place_of_their_own() -> None:
    cells = [
        (column, line)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24
