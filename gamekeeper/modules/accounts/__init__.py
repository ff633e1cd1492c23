"""Accounts: which accounts at other providers a user may log in with."""

from .commands import ForgottenCodes, IssuedCode, Linked, SignedIn, forget_all, forget_codes, issue_code, link, redeem, sign_in, unlink
from .errors import (
    AccountNotFound,
    AccountTaken,
    AlreadyLinked,
    GuestCannotLink,
    LastLoginMethod,
    SignInCodeInvalid,
    TooManyAccounts,
)
from .queries import AccountView, KeptTokens, list_accounts, open_subject, show_tokens
from .records import Account, AccountId, Code, Profile, ProviderId, SignInCode, Subject, Tokens, Verifier
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
    "Code",
    "ForgottenCodes",
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
    "Verifier",
    "challenge_of",
    "forget_all",
    "forget_codes",
    "issue_code",
    "link",
    "list_accounts",
    "open_subject",
    "redeem",
    "show_tokens",
    "sign_in",
    "unlink",
]
