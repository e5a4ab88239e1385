"""Evidence `oidc`: an OpenID Connect token of a configured issuer (a CI system, a Kubernetes cluster, a cloud)."""

from attestors.oidc.attestor import OIDCAttestor
from attestors.oidc.config import OIDCProvider
from attestors.oidc.presets import PRESETS, Preset
from attestors.oidc.tokens import OIDCToken, OIDCTokens

__all__ = ["PRESETS", "OIDCAttestor", "OIDCProvider", "OIDCToken", "OIDCTokens", "Preset"]
