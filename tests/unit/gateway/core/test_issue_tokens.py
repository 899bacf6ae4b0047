"""Tokens are made all together with their file, or not at all."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.contract.gateway.fakes import KEY, FakeTokens

from common.errors import ConfigurationError
from gateway.adapters.token_file import TokenFile
from gateway.core.issue_tokens import issue_tokens
from gateway.core.tokens import digest

pytestmark = pytest.mark.unit


def files(folder: Path) -> list[Path]:
    """Return what lies in a folder."""
    return list(folder.iterdir())


async def issue(store: FakeTokens, path: Path | None, *, only_if_none: bool = False) -> Sequence[str]:
    """Make three tokens."""
    return await issue_tokens(
        store, TokenFile(path), count=3, key=KEY, choose=secrets.choice, only_if_none=only_if_none
    )


async def test_the_file_holds_the_tokens_for_its_owner_only(tmp_path: Path) -> None:
    store, path = FakeTokens(), tmp_path / "tokens"
    made = await issue(store, path)
    assert path.read_text().splitlines() == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*store.digests] == [digest(token, KEY) for token in made]
    assert files(tmp_path) == [path]


async def test_nothing_is_made_when_there_were_tokens_ever(tmp_path: Path) -> None:
    store, path = FakeTokens(), tmp_path / "tokens"
    first = await issue(store, path, only_if_none=True)
    await store.revoke(1)
    assert await issue(store, path, only_if_none=True) == []
    assert path.read_text().splitlines() == first
    assert len(store.rows) == 3


async def test_a_file_of_another_database_is_replaced_by_the_first_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("of a database that is gone\n")
    made = await issue(FakeTokens(), path, only_if_none=True)
    assert path.read_text().splitlines() == made


async def test_a_file_that_exists_is_never_overwritten_by_more_tokens(tmp_path: Path) -> None:
    store, path = FakeTokens(), tmp_path / "tokens"
    path.write_text("handed out\n")
    with pytest.raises(ConfigurationError, match="exists already"):
        await issue(store, path)
    assert (path.read_text(), store.rows) == ("handed out\n", [])


async def test_no_token_is_made_that_cannot_be_handed_out(tmp_path: Path) -> None:
    store = FakeTokens()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await issue(store, tmp_path / "no such folder" / "tokens")
    assert store.rows == []


async def test_no_file_appears_when_the_commit_fails(tmp_path: Path) -> None:
    class Failing(FakeTokens):
        @asynccontextmanager
        async def transaction(self) -> AsyncIterator[FakeTokens]:
            yield self
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await issue(Failing(), tmp_path / "tokens")
    assert files(tmp_path) == []
