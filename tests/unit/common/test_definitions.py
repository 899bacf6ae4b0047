"""The definitions file is written whole, from passwords of the environment, and holds none of them."""

import json
from pathlib import Path

import pytest

from common import definitions
from common.errors import ConfigurationError
from common.topology import USERS, password_hash

PASSWORDS = {definitions.password_name(user): f"S3cr3t-{user}" for user in USERS}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A template with all users."""
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"users": [{"name": user, "tags": ""} for user in USERS]}))
    return path


def test_each_user_gets_the_hash_of_its_password(template: Path, tmp_path: Path) -> None:
    definitions.write(template, tmp_path / "out.json", environment={**PASSWORDS, "PATH": "/bin"})
    text = (tmp_path / "out.json").read_text()
    hashes = {user["name"]: user["password_hash"] for user in json.loads(text)["users"]}
    assert hashes == {user: password_hash(user, f"S3cr3t-{user}") for user in USERS}
    assert "S3cr3t" not in text


def test_every_missing_password_is_named_at_once(template: Path, tmp_path: Path) -> None:
    environment = {**PASSWORDS, "RABBITMQ_FETCHER_PASSWORD": ""}
    del environment["RABBITMQ_OPERATOR_PASSWORD"]
    with pytest.raises(ConfigurationError, match="RABBITMQ_FETCHER_PASSWORD, RABBITMQ_OPERATOR_PASSWORD"):
        definitions.write(template, tmp_path / "out.json", environment=environment)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("content", [None, "no json"])
def test_a_template_that_cannot_be_read_is_named(content: str | None, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    if content is not None:
        broken.write_text(content)
    with pytest.raises(ConfigurationError, match=r"broken\.json"):
        definitions.write(broken, tmp_path / "out.json", environment=PASSWORDS)


def test_a_place_that_cannot_be_written_is_named_and_the_old_file_stays(template: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("old")
    (tmp_path / "out.json.new").mkdir()
    with pytest.raises(ConfigurationError, match=r"out\.json: cannot be written"):
        definitions.write(template, out, environment=PASSWORDS)
    assert out.read_text() == "old"


def test_the_template_of_the_project_has_exactly_the_users_of_the_topology(tmp_path: Path) -> None:
    template = Path(__file__).parents[3] / definitions.TEMPLATE
    definitions.write(template, tmp_path / "out.json", environment=PASSWORDS)
    rendered = json.loads((tmp_path / "out.json").read_text())
    assert {user["name"] for user in rendered["users"]} == set(USERS)
    assert "guest" not in json.dumps(rendered)
