"""The key ring: digests and seals that only the keep's keys make or open, and keys that can be replaced."""

import pytest

from gamekeeper.errors import SecretKeyNeeded
from gamekeeper.kernel.keyring import KeyRing

OLD, NEW = "an old key of the keep, 32 letters", "a new key of the keep, 32 letters."


def test_a_new_key_makes_and_all_find_and_open() -> None:
    before, after = KeyRing([OLD]), KeyRing([NEW, OLD])
    stored, sealed = before.fingerprint("mail", "ada@example.org"), before.seal("mail", "ada@example.org")

    assert stored in after.fingerprints("mail", "ada@example.org")
    assert after.open("mail", sealed) == "ada@example.org"
    assert after.fingerprint("mail", "ada@example.org") != stored
    assert (before.is_newest(stored), after.is_newest(stored), after.is_newest(sealed)) == (True, False, False)


def test_nothing_is_opened_for_another_purpose_by_another_key_or_changed() -> None:
    ring = KeyRing([OLD])
    sealed = ring.seal("mail", "ada@example.org")
    changed = sealed[:-6] + ("AAAAA=" if sealed[-6:] != "AAAAA=" else "BBBBB=")

    assert ring.open("token", sealed) is None
    assert KeyRing([NEW]).open("mail", sealed) is None
    assert ring.open("mail", changed) is None
    assert ring.open("mail", "") is None
    assert ring.fingerprint("mail", "ada") != ring.fingerprint("token", "ada")
    assert "ada" not in sealed


def test_without_a_key_nothing_is_made() -> None:
    with pytest.raises(SecretKeyNeeded):
        KeyRing([]).seal("mail", "ada@example.org")
    with pytest.raises(SecretKeyNeeded):
        KeyRing([]).fingerprint("mail", "ada@example.org")
