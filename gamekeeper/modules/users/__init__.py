"""Users: who somebody is - name, password, role - and no fact of the game."""

from .authority import acting_user, require_authority, with_actor
from .commands import Guest, Registered, add_guest, alive, create_guest, free_guest_name, register, set_role
from .errors import NameInvalid, RoleTooLow, UserNotFound
from .passwords import GivenPassword, Password, hash_password, outdated, verify_password
from .queries import UserView, find, list_users, named, show
from .records import NewUserId, Role, TimeZone, User, UserId, Username
from .rules import (
    GUEST_HOURS,
    RESERVED,
    USERNAME_CLAIM,
    USERNAME_POLICY,
    Name,
    NamePolicy,
    fold,
    lookup_key,
    may_act,
    rank,
    read_name,
    visible,
)

__all__ = [
    "GUEST_HOURS",
    "RESERVED",
    "USERNAME_CLAIM",
    "USERNAME_POLICY",
    "GivenPassword",
    "Guest",
    "Name",
    "NameInvalid",
    "NamePolicy",
    "NewUserId",
    "Password",
    "Registered",
    "Role",
    "RoleTooLow",
    "TimeZone",
    "User",
    "UserId",
    "UserNotFound",
    "UserView",
    "Username",
    "acting_user",
    "add_guest",
    "alive",
    "create_guest",
    "find",
    "fold",
    "free_guest_name",
    "hash_password",
    "list_users",
    "lookup_key",
    "may_act",
    "named",
    "outdated",
    "rank",
    "read_name",
    "register",
    "require_authority",
    "set_role",
    "show",
    "verify_password",
    "visible",
    "with_actor",
]
