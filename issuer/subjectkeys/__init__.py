"""Keys of agents: registered with proof of possession, rotated, listed. The issuer never sees a private half."""

from issuer.subjectkeys.model import KeyState, Registration, SubjectKey
from issuer.subjectkeys.service import SubjectKeys

__all__ = ["KeyState", "Registration", "SubjectKey", "SubjectKeys"]
