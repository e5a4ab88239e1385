"""The Workload API's messages, from workload.binpb, in a descriptor pool of their own.

The standard's proto has no package: in protobuf's default pool these would collide with the copy inside `spiffe` or any
other SPIFFE library of the same process.
"""

import importlib.resources
from collections.abc import Mapping
from typing import TypeVar, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError

from remit.jose.encoding import JSONValue
from sidecar.issue import IssuedToken


class _JWTSVIDRequest(Message):
    audience: list[str]
    spiffe_id: str


class _JWTSVIDs:
    """A repeated field of JWTSVID."""

    def add(self, *, spiffe_id: str, svid: str) -> None:
        """Append one."""


class _JWTSVIDResponse(Message):
    svids: _JWTSVIDs


class _JWTBundlesResponse(Message):
    bundles: dict[str, bytes]


class _ValidateJWTSVIDRequest(Message):
    audience: str
    svid: str


class _ValidateJWTSVIDResponse(Message):
    spiffe_id: str
    claims: dict[str, JSONValue]


M = TypeVar("M", bound=Message)


def _load() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    compiled = importlib.resources.files("sidecar.workload_api").joinpath("workload.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        pool.Add(file)
    return pool


_POOL = _load()


def message_class(name: str) -> type[Message]:
    """The class that protobuf makes for a message of workload.proto."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


def _class(shape: type[M]) -> type[M]:
    """The class of the message whose fields `shape` describes."""
    return cast("type[M]", message_class(shape.__name__.removeprefix("_")))


_jwt_svid_request = _class(_JWTSVIDRequest)
_jwt_svid_response = _class(_JWTSVIDResponse)
_jwt_bundles_response = _class(_JWTBundlesResponse)
_validate_request = _class(_ValidateJWTSVIDRequest)
_validate_response = _class(_ValidateJWTSVIDResponse)


class PassThrough(CodecBase):
    """Messages cross grpclib as bytes: replies are encoded once and kept."""

    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: object) -> bytes:  # noqa: ARG002 - the port's signature
        """Give the bytes as they are."""
        return message

    def decode(self, data: bytes, message_type: object) -> bytes:  # noqa: ARG002 - the port's signature
        """Give the bytes as they are."""
        return data


def decode_jwt_svid_request(data: bytes) -> tuple[list[str], str]:
    """`(audiences, spiffe_id)` of a JWTSVIDRequest. Raises `GRPCError` when it does not parse."""
    request = _decode(_jwt_svid_request, data)
    return list(request.audience), request.spiffe_id


def decode_validate_request(data: bytes) -> tuple[str, str]:
    """`(audience, token)` of a ValidateJWTSVIDRequest. Raises `GRPCError` when it does not parse."""
    request = _decode(_validate_request, data)
    return request.audience, request.svid


def encode_jwt_svids(tokens: tuple[IssuedToken, ...]) -> bytes:
    """A JWTSVIDResponse; the first is the default identity."""
    response = _jwt_svid_response()
    for token in tokens:
        response.svids.add(spiffe_id=token.spiffe_id, svid=token.token)
    return response.SerializeToString()


def encode_bundles(bundles: Mapping[str, bytes]) -> bytes:
    """A JWTBundlesResponse: JWK Sets by the SPIFFE ID of their trust domain."""
    response = _jwt_bundles_response()
    for trust_domain, jwks in bundles.items():
        response.bundles[trust_domain] = jwks
    return response.SerializeToString()


def encode_validated(spiffe_id: str, claims: Mapping[str, JSONValue]) -> bytes:
    """A ValidateJWTSVIDResponse; protobuf's Struct knows one kind of number, the double."""
    response = _validate_response()
    response.spiffe_id = spiffe_id
    response.claims.update(claims)
    return response.SerializeToString()


def _decode(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise GRPCError(Status.INVALID_ARGUMENT, "the request does not parse") from error
