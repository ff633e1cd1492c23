"""Accounts: which accounts at other providers a user may log in with."""

from .commands import IssuedCode, Linked, SignedIn, forget, forget_all, issue_code, link, redeem, sign_in, unlink
from .errors import (
    AccountNotFound,
    AccountTaken,
    AlreadyLinked,
    GuestCannotLink,
    LastLoginMethod,
    SignInCodeInvalid,
    TooManyAccounts,
)
from .queries import AccountView, KeptTokens, list_accounts, show_tokens
from .records import Account, AccountId, Profile, ProviderId, SignInCode, Subject, Tokens
from .rules import ACCOUNT_CLAIM, CODE_SECONDS, MAX_ACCOUNTS, PLAYER_PREFIX, challenge_of

__all__ = [
    "ACCOUNT_CLAIM",
    "CODE_SECONDS",
    "MAX_ACCOUNTS",
    "PLAYER_PREFIX",
    "Account",
    "AccountId",
    "AccountNotFound",
    "AccountTaken",
    "AccountView",
    "AlreadyLinked",
    "GuestCannotLink",
    "IssuedCode",
    "KeptTokens",
    "LastLoginMethod",
    "Linked",
    "Profile",
    "ProviderId",
    "SignInCode",
    "SignInCodeInvalid",
    "SignedIn",
    "Subject",
    "Tokens",
    "TooManyAccounts",
    "challenge_of",
    "forget",
    "forget_all",
    "issue_code",
    "link",
    "list_accounts",
    "redeem",
    "show_tokens",
    "sign_in",
    "unlink",
]
