"""Known OIDC issuers as data: where their tokens come from, what such a token must have, and what may be selected on.

A preset is a starting point that one line of configuration chooses. `docs/reference/attestors/oidc.md` says for each which
selectors an entry needs at least: no preset can prevent an entry that selects on too little.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from attestors.oidc.claims import ClaimPath

_DEFAULT_MAX_AGE: Final = 3600


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one kind of issuer.

    Attributes:
        issuer: its URL where there is one for all, else None.
        issuer_pattern: regular expression that a configured issuer must match whole.
        jwks_hosts: hosts beside the issuer's own that its keys are at.
        algorithms: that it signs with.
        required: claims that each of its tokens has.
        expected: claims and the only values that are accepted.
        claims: those that become selectors, by the name they have there.
        max_age_seconds: how old a token may be.
    """

    issuer: str | None = None
    issuer_pattern: str
    jwks_hosts: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ("RS256",)
    required: tuple[str, ...]
    expected: Mapping[str, tuple[str, ...]] = {}
    claims: Mapping[str, ClaimPath]
    max_age_seconds: int = _DEFAULT_MAX_AGE


def same(*names: str) -> dict[str, ClaimPath]:
    """Claims whose selector has their own name."""
    return {name: name for name in names}


_AWS: Final = "https://sts.amazonaws.com/"

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "github": Preset(
            issuer="https://token.actions.githubusercontent.com",
            issuer_pattern=r"https://token\.actions\.githubusercontent\.com(/[A-Za-z0-9-]+)?",
            required=("sub", "repository", "repository_id", "repository_owner_id", "ref", "event_name"),
            claims=same(
                "sub",
                "repository",
                "repository_id",
                "repository_owner",
                "repository_owner_id",
                "repository_visibility",
                "ref",
                "ref_type",
                "ref_protected",
                "environment",
                "event_name",
                "workflow_ref",
                "job_workflow_ref",
                "runner_environment",
                "actor_id",
            ),
        ),
        "gitlab": Preset(
            issuer="https://gitlab.com",
            issuer_pattern=r"https://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._-]+)*",
            required=("sub", "project_path", "project_id", "namespace_id", "ref", "ref_type"),
            claims=same(
                "sub",
                "project_path",
                "project_id",
                "namespace_path",
                "namespace_id",
                "ref",
                "ref_type",
                "ref_protected",
                "environment",
                "environment_protected",
                "pipeline_source",
                "ci_config_ref_uri",
                "runner_environment",
                "user_login",
            ),
        ),
        "kubernetes": Preset(
            issuer_pattern=r"https://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._-]+)*",
            algorithms=("RS256", "ES256"),
            required=("sub", "kubernetes.io.namespace", "kubernetes.io.serviceaccount.uid"),
            claims={
                "sub": "sub",
                "namespace": ("kubernetes.io", "namespace"),
                "serviceaccount": ("kubernetes.io", "serviceaccount", "name"),
                "serviceaccount-uid": ("kubernetes.io", "serviceaccount", "uid"),
                "pod": ("kubernetes.io", "pod", "name"),
                "pod-uid": ("kubernetes.io", "pod", "uid"),
                "node": ("kubernetes.io", "node", "name"),
            },
        ),
        "gcp": Preset(
            issuer="https://accounts.google.com",
            issuer_pattern=r"https://accounts\.google\.com",
            jwks_hosts=("www.googleapis.com",),
            required=("sub", "azp", "email"),
            expected={"email_verified": ("true",)},
            claims={
                **same("sub", "email"),
                "project-id": ("google", "compute_engine", "project_id"),
                "zone": ("google", "compute_engine", "zone"),
                "instance-id": ("google", "compute_engine", "instance_id"),
                "instance-name": ("google", "compute_engine", "instance_name"),
            },
        ),
        "azure": Preset(
            issuer_pattern=(
                r"https://login\.microsoftonline\.com/[0-9a-f-]{36}/v2\.0|https://sts\.windows\.net/[0-9a-f-]{36}/"
            ),
            jwks_hosts=("login.microsoftonline.com",),
            required=("sub", "oid", "tid"),
            expected={"idtyp": ("app",)},
            claims=same("sub", "oid", "tid", "azp", "appid", "xms_mirid", "roles"),
            max_age_seconds=86_400,
        ),
        "aws": Preset(
            issuer_pattern=r"https://[a-z0-9-]+\.tokens\.sts\.global\.api\.aws",
            algorithms=("RS256", "ES384"),
            required=("sub", "jti", f"{_AWS}.aws_account"),
            claims={
                "sub": "sub",
                "account": (_AWS, "aws_account"),
                "org-id": (_AWS, "org_id"),
                "source-region": (_AWS, "source_region"),
                "lambda-function-arn": (_AWS, "lambda_source_function_arn"),
            },
        ),
    }
)
