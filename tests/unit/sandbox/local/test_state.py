"""What the launcher remembers outlives upgrades and going back."""

import json

import pytest

from sandbox.local.errors import LocalError
from sandbox.local.state import LocalFolder

pytestmark = pytest.mark.unit


def test_what_a_newer_version_remembers_is_kept_by_an_older_one(folder: LocalFolder) -> None:
    service = {"process": {"pid": 1, "started": "once"}, "made_of": "abc", "of_tomorrow": 3}
    known = {"secrets": {"SECRET_KEY": "abc"}, "of_tomorrow": {"a": [1]}, "services": {"gateway": service}}
    (folder.path / "up.json").write_text(json.dumps(known), encoding="ascii")
    later = LocalFolder(folder.path)
    assert later.secret("SECRET_KEY") == "abc"
    later.save()
    written = json.loads((folder.path / "up.json").read_text(encoding="ascii"))
    assert written["of_tomorrow"] == {"a": [1]}
    assert written["services"] == {"gateway": service}


@pytest.mark.parametrize("text", ["", "{", '{"secrets": 1}'])
def test_a_broken_file_is_named_with_what_goes_with_it(folder: LocalFolder, text: str) -> None:
    (folder.path / "up.json").write_text(text, encoding="ascii")
    with pytest.raises(LocalError, match=r"up\.json is broken .*: mend it; .*only copy of SECRET_KEY") as raised:
        LocalFolder(folder.path)
    assert "remove" not in str(raised.value)
