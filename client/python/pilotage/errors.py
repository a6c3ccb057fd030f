"""Everything that can go wrong, as one kind of exception with the service's own code.

The codes are those of docs/errors.md. The service puts the details into a google.rpc.Status in the trailing metadata of a
refusal: ErrorInfo, BadRequest and RetryInfo. If they are absent (the connection failed, a proxy answered), the status of
the call decides the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"
_DOMAIN = "pilotage"
_COUNT_KEY = "violations"


@dataclass(frozen=True)
class Violation:
    """One wrong field: its path by the names of the contract, the value given, the rule, and what is accepted."""

    path: str
    value: str
    rule: str
    accepted: str

    def __str__(self) -> str:
        given = f" (given: {self.value!r})" if self.value else ""
        accepted = f"; accepted: {self.accepted}" if self.accepted else ""
        return f"{self.path}: {self.rule}{given}{accepted}"


class PilotageError(Exception):
    """A call failed. `retry_after` is in seconds; None: the service names no time after which repeating may help."""

    code: str
    message: str
    violations: tuple[Violation, ...]
    violation_count: int
    retry_after: float | None
    notes: Mapping[str, str]

    def __init__(
        self,
        code: str,
        message: str,
        *,
        violations: Iterable[Violation] = (),
        violation_count: int | None = None,
        retry_after: float | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.violations = tuple(violations)
        self.violation_count = len(self.violations) if violation_count is None else violation_count
        self.retry_after = retry_after
        self.notes = dict(notes or {})

    def __str__(self) -> str:
        lines = [f"{self.message} [{self.code}]", *(f"  {violation}" for violation in self.violations)]
        left = self.violation_count - len(self.violations)
        if left > 0:
            lines.append(f"  {left} more not shown")
        if self.retry_after is not None:
            lines.append(f"  retry after {self.retry_after:g} s")
        return "\n".join(lines)


class InvalidArgument(PilotageError):
    """Something in the request breaks a rule: see `violations`."""


class NotFound(PilotageError):
    """There is no such thing, or it is not the caller's to see."""


class Conflict(PilotageError):
    """It clashes with what is there, for example a key that stands for other jobs."""


class Unauthenticated(PilotageError):
    """No token, or one that is not valid."""


class Forbidden(PilotageError):
    """The caller is known, and may not do this."""


class TooLarge(PilotageError):
    """More than one call may hold."""


class Overloaded(PilotageError):
    """Too much is asked at once: see `retry_after`."""


class QuotaExceeded(PilotageError):
    """The owner or the VO has too many jobs or task queues waiting."""


class Unavailable(PilotageError):
    """The service is not there now."""


class DeadlineExceeded(Unavailable):
    """The call took longer than its timeout."""


class Cancelled(PilotageError):
    """The caller cancelled."""


_KINDS: Mapping[str, type[PilotageError]] = {
    "invalid-argument": InvalidArgument,
    "not-found": NotFound,
    "conflict": Conflict,
    "unauthenticated": Unauthenticated,
    "forbidden": Forbidden,
    "too-large": TooLarge,
    "overloaded": Overloaded,
    "quota-exceeded": QuotaExceeded,
    "unavailable": Unavailable,
    "cancelled": Cancelled,
}

_CODES: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid-argument",
    grpc.StatusCode.OUT_OF_RANGE: "invalid-argument",
    grpc.StatusCode.NOT_FOUND: "not-found",
    grpc.StatusCode.ALREADY_EXISTS: "conflict",
    grpc.StatusCode.ABORTED: "conflict",
    grpc.StatusCode.FAILED_PRECONDITION: "conflict",
    grpc.StatusCode.UNAUTHENTICATED: "unauthenticated",
    grpc.StatusCode.PERMISSION_DENIED: "forbidden",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "overloaded",
    grpc.StatusCode.UNIMPLEMENTED: "unsupported",
    grpc.StatusCode.UNAVAILABLE: "unavailable",
    grpc.StatusCode.DEADLINE_EXCEEDED: "unavailable",
    grpc.StatusCode.CANCELLED: "cancelled",
}


def new_error(code: str, message: str, **extras: Any) -> PilotageError:
    return _KINDS.get(code, PilotageError)(code, message, **extras)


def error_of(error: grpc.RpcError, doing: str) -> PilotageError:
    """What gRPC raised, as one of ours. The caller keeps the cause by `raise ... from`."""
    status: grpc.StatusCode = error.code()
    text = error.details() or status.name
    detail = _detail_of(error)
    if detail is not None:
        code, message, extras = detail
        return new_error(code, f"{doing}: {message}", **extras)
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("unavailable", f"{doing}: no answer within the timeout")
    code = _CODES.get(status, "internal")
    # gRPC itself refuses messages beyond the limit with this status.
    if code == "overloaded" and re.search("larger than", text, re.IGNORECASE):
        code = "too-large"
    return new_error(code, f"{doing}: {text}")


def _detail_of(error: grpc.RpcError) -> tuple[str, str, dict[str, Any]] | None:
    encoded = next((value for key, value in error.trailing_metadata() or () if key == _DETAILS_KEY), None)
    if not isinstance(encoded, bytes):
        return None
    try:
        status = status_pb2.Status.FromString(encoded)
        info = _unpacked(status, error_details_pb2.ErrorInfo())
        if info is None or info.domain != _DOMAIN:
            return None
        bad = _unpacked(status, error_details_pb2.BadRequest())
        retry = _unpacked(status, error_details_pb2.RetryInfo())
    except Exception:  # What cannot be read says nothing: the status of the call still does.
        return None
    violations = [_violation_of(each.field, each.description) for each in (bad.field_violations if bad else ())]
    notes = dict(info.metadata)
    count = notes.pop(_COUNT_KEY, "")
    return (
        info.reason,
        status.message,
        {
            "violations": violations,
            "violation_count": int(count) if count.isdigit() else len(violations),
            "retry_after": retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
            "notes": notes,
        },
    )


def _unpacked(status: Any, message: Any) -> Any:
    return next((message for packed in status.details if packed.Unpack(message)), None)


# The value comes first and in quotes, so that nothing in it can be taken for the rest.
_DESCRIBED = re.compile(r'("(?:[^"\\]|\\.)*"): (.*?); accepted: (.*)', re.DOTALL)


def _violation_of(path: str, description: str) -> Violation:
    found = _DESCRIBED.fullmatch(description)
    if found is None:
        return Violation(path, "", description, "")
    value, rule, accepted = found.groups()
    return Violation(path, str(json.loads(value)), rule, accepted)
