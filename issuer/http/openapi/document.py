"""The OpenAPI 3.1 document: the table of operations, and the schemas of the types in it."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

import msgspec

from issuer.http.did import DID_RESOLUTION
from issuer.http.idempotency import HEADER as IDEMPOTENCY_KEY
from issuer.http.oauth import FORM, OAuthError
from issuer.http.openapi.admin import OPERATORS
from issuer.http.openapi.model import Access, Operation
from issuer.http.openapi.public import PROVIDERS, PUBLIC, SIDECARS
from issuer.http.problems import MEDIA_TYPE as PROBLEM
from issuer.http.problems import Problem
from remit.scope_wire import ScopeWire

OPERATIONS: Final = (*PUBLIC, *PROVIDERS, *SIDECARS, *OPERATORS)
"""Every operation of the issuer."""

JSON = dict[str, object]

_REFS: Final = "#/components/schemas/{name}"
_SCOPE: Final[JSON] = {"$ref": _REFS.format(name="ScopeWire")}
_RAW_FIELDS: Final[Mapping[tuple[str, str], JSON]] = {
    ("NewGrant", "scope"): _SCOPE,
    ("GrantRecord", "scope"): _SCOPE,
    ("Grant", "scope"): _SCOPE,
    ("Wanted", "authorization_details"): {"type": ["array", "null"], "items": _SCOPE, "minItems": 1, "maxItems": 1},
    ("TokenAnswer", "authorization_details"): {"type": "array", "items": _SCOPE, "minItems": 1, "maxItems": 1},
}
"""What is in the fields that are passed on undecoded; evidence is left open: its attestor reads it."""

_SECURITY: Final[Mapping[Access, list[JSON]]] = {
    Access.PUBLIC: [],
    Access.OPERATOR: [{"operator": []}],
    Access.PROVIDER: [{"provider": []}],
    Access.PROOF: [{"proof": []}],
    Access.SESSION: [{"session": [], "proof": []}],
    Access.EVIDENCE: [{"session": [], "proof": []}, {}],
    Access.HOLDER: [{"operator": []}, {"proof": []}],
}

_SCHEMES: Final[JSON] = {
    "operator": {"type": "http", "scheme": "bearer", "description": "an operator's credential, `remit_op_…`"},
    "provider": {"type": "http", "scheme": "bearer", "description": "a provider's credential, `remit_prov_…`"},
    "session": {
        "type": "http",
        "scheme": "DPoP",
        "description": "a sidecar's session; the proof names it (`ath`)",
    },
    "proof": {
        "type": "apiKey",
        "in": "header",
        "name": "DPoP",
        "description": "RFC 9449, with the nonce of the last answer, and with the claim `bsh`: base64url of the body's SHA-256",
    },
}

_IDEMPOTENCY: Final[JSON] = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "repeated with the same body it returns the first answer, with another one it is refused (422)",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}

_INTRODUCTION: Final = (
    "Every GET takes HEAD too. Beside the statuses below, what is not a valid HTTP request is answered 400, a path that is not "
    "here 404, another method 405, and a defect 500. A refusal is a problem document (RFC 9457) with a stable `code`; "
    "`/token`, `/revoke` and `/introspect` answer in OAuth's shape."
)


_EMPTY: Final[JSON] = {"description": "done"}


def document(url: str) -> JSON:
    """The document of the issuer whose public URL is `url`."""
    found, components = msgspec.json.schema_components(_types(), schema_hook=_anything, ref_template=_REFS)
    schemas = dict(zip(_types(), found, strict=True))
    paths: dict[str, dict[str, object]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Remit issuer", "version": version("remit-server"), "description": _INTRODUCTION},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": _with_raw_fields(components),
            "responses": {
                "Refused": _response("refused", PROBLEM, schemas[Problem]),
                "RefusedByOAuth": _response("refused", "application/json", schemas[OAuthError]),
            },
            "securitySchemes": _SCHEMES,
        },
    }


def _anything(kind: type) -> JSON:
    """The schema of a field that holds whatever JSON there is."""
    if kind is object:
        return {"description": "any JSON value"}
    raise NotImplementedError


def _types() -> list[object]:
    """Every type that has a schema, once."""
    types: dict[object, None] = dict.fromkeys((Problem, OAuthError, ScopeWire))
    for operation in OPERATIONS:
        types |= dict.fromkeys((operation.body, operation.answer))
    return [found for found in types if found is not None]


def _operation(operation: Operation, schemas: Mapping[object, JSON]) -> JSON:
    described: JSON = {
        "summary": operation.summary,
        "security": _SECURITY[operation.access],
        "parameters": _parameters(operation),
        "responses": _responses(operation, schemas),
    }
    if operation.body is not None:
        media_type = FORM if operation.form else "application/json"
        described["requestBody"] = {"required": True, "content": {media_type: {"schema": schemas[operation.body]}}}
    return described


def _parameters(operation: Operation) -> list[JSON]:
    found: list[JSON] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in operation.parameters
    ]
    if operation.query is not None:
        properties = msgspec.json.schema_components([operation.query])[1][operation.query.__name__]["properties"]
        found += [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
    return [*found, _IDEMPOTENCY] if operation.changes else found


def _responses(operation: Operation, schemas: Mapping[object, JSON]) -> JSON:
    refusal = {"$ref": f"#/components/responses/{'RefusedByOAuth' if operation.form else 'Refused'}"}
    good = {} if operation.answer is None else schemas[operation.answer]
    found: JSON = dict.fromkeys(map(str, operation.statuses), refusal)
    if operation.media_type == DID_RESOLUTION:
        found |= dict.fromkeys(map(str, {400, 404, *operation.refusals}), _response("not resolved", DID_RESOLUTION, {}))
    found[str(operation.status)] = _EMPTY if operation.status == 204 else _response("done", operation.media_type, good)
    return found


def _response(description: str, media_type: str, schema: JSON) -> JSON:
    return {"description": description, "content": {media_type: {"schema": schema} if schema else {}}}


def _with_raw_fields(components: Mapping[str, JSON]) -> JSON:
    """The schemas, with what is known of the fields that are `msgspec.Raw`."""
    described: JSON = {}
    for name, schema in components.items():
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        raw = {field: _RAW_FIELDS[name, field] for field in known if (name, field) in _RAW_FIELDS}
        described[name] = schema | ({"properties": known | raw} if raw else {})
    return described
