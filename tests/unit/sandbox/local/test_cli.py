"""The command line of `sandbox local`."""

import pytest

from sandbox.__main__ import main


def test_run_without_a_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["local", "run"])
    assert ended.value.code == 2
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err
