"""Keys of agents and accounts: registered with proof of possession, rotated, listed. The issuer never sees a private half."""

from issuer.subjectkeys.accounts import AccountKeys
from issuer.subjectkeys.model import KeyState, Registration, SubjectKey
from issuer.subjectkeys.service import SubjectKeys

__all__ = ["AccountKeys", "KeyState", "Registration", "SubjectKey", "SubjectKeys"]
