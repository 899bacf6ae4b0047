"""The form of tokens, their check characters and what is stored of them."""

import hashlib
import hmac
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.tokens import ALPHABET, LENGTH, RANDOM_CHARACTERS, check_characters, digest, is_well_formed, new_token

pytestmark = pytest.mark.unit

texts = st.text(ALPHABET, min_size=RANDOM_CHARACTERS, max_size=RANDOM_CHARACTERS)


def test_a_token_is_sixteen_letters_and_digits() -> None:
    made = {new_token(secrets.choice) for _ in range(200)}
    assert len(made) == 200
    assert all(len(token) == LENGTH == 16 and set(token) <= set(ALPHABET) for token in made)
    assert all(is_well_formed(token) for token in made)


def test_the_check_characters_stay_as_they_were_for_tokens_handed_out() -> None:
    assert check_characters("0000000000000") == "tBF"
    assert check_characters("zzzzzzzzzzzzz") == "Qn6"


@given(texts, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(chosen: str, place: int, other: str) -> None:
    token = chosen + check_characters(chosen)
    changed = token[:place] + other + token[place + 1 :]
    assert is_well_formed(changed) is (changed == token)


@pytest.mark.parametrize(
    "text",
    ["", "a", "0" * 15, "0" * 17, "0" * 16, "000000000000000\n", "٠" * 16, "é" * 16, "' OR 1=1 --     ", "\x00" * 16],
    ids=ascii,
)
def test_what_is_no_token_is_refused(text: str) -> None:
    assert not is_well_formed(text)


@pytest.mark.parametrize("chosen", ["0" * 12 + "-", "' OR 1=1 ----", "\n" + "0" * 12], ids=ascii)
def test_other_characters_are_refused_even_with_their_own_check_characters(chosen: str) -> None:
    assert not is_well_formed(chosen + check_characters(chosen))


def test_a_guess_of_the_right_form_is_refused_nearly_always() -> None:
    guesses = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(2000)]
    assert sum(map(is_well_formed, guesses)) < 5


def test_what_is_stored_is_the_hmac_under_the_key() -> None:
    assert digest("abc", b"key") == hmac.new(b"key", b"abc", hashlib.sha256).hexdigest()
    assert digest("abc", b"key") != digest("abc", b"kez")
