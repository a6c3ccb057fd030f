"""What the service answers about jobs, as a program reads it: enums, UTC times, None for what is not known.

`message` of a record is the answer as it came, with every field of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import IntEnum
from typing import Any

from pilotage.v1 import job_pb2


class JobState(IntEnum):
    """The state of a job. DONE, FAILED and KILLED are final."""

    UNKNOWN = 0
    WAITING = 1
    HELD = 2
    MATCHED = 3
    RUNNING = 4
    COMPLETING = 5
    DONE = 6
    FAILED = 7
    KILLED = 8
    BLOCKED = 9

    @property
    def label(self) -> str:
        """As the command prints it: `Waiting`."""
        return self.name.capitalize()

    @property
    def is_final(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.KILLED)

    @classmethod
    def of(cls, value: JobState | str | int) -> JobState:
        """By its name in any case, or by its number. Raises ValueError for what is no state."""
        if isinstance(value, str):
            found = cls.__members__.get(value.upper())
            if found is None or found is cls.UNKNOWN:
                raise ValueError(f"{value!r} is no state of a job; accepted: {', '.join(s.label for s in cls if s)}")
            return found
        return cls(value)


def state_of(number: int) -> JobState:
    """A state that this version does not know is UNKNOWN."""
    try:
        return JobState(number)
    except ValueError:
        return JobState.UNKNOWN


@dataclass(frozen=True)
class Job:
    """A job as it is now."""

    job_id: int
    state: JobState
    name: str
    vo: str
    group: str
    owner: str
    priority: int
    attempt: int
    max_attempts: int
    reason: str
    vm_id: str
    site: str
    cloud: str
    cores: int
    submit_time: datetime | None
    change_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    exit_code: int | None
    message: job_pb2.Job = field(repr=False, compare=False)


@dataclass(frozen=True)
class Warning:
    """The jobs are accepted, but something about them should be looked at. `indexes`: positions among the jobs."""

    code: str
    text: str
    indexes: tuple[int, ...]


@dataclass(frozen=True)
class SubmitAnswer:
    """`job_ids` are in the order of the jobs. `repeated`: the service knew all of it, and this is its first answer again."""

    job_ids: tuple[int, ...]
    warnings: tuple[Warning, ...]
    repeated: bool
    key: str


@dataclass(frozen=True)
class SteeredJob:
    """What a call did to a job. `refusal` is empty, or says why nothing changed: see docs/errors.md."""

    job_id: int
    changed: bool
    state: JobState
    refusal: str
    new_job_id: int | None


@dataclass(frozen=True)
class Piece:
    """A piece of what an attempt writes. `offset`: where it begins; one without data says that an attempt has begun."""

    attempt: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Fact:
    """Something that happened. `message` has its typed data."""

    seq: int
    time: datetime | None
    subject: str
    kind: str
    text: str
    message: job_pb2.Fact = field(repr=False, compare=False)


def job_of(message: job_pb2.Job) -> Job:
    result = message.result if message.HasField("result") else None
    return Job(
        job_id=message.job_id,
        state=state_of(message.state),
        name=message.name,
        vo=message.vo,
        group=message.group,
        owner=message.owner,
        priority=message.priority,
        attempt=message.attempt,
        max_attempts=message.max_attempts,
        reason=message.reason,
        vm_id=message.vm_id,
        site=message.site,
        cloud=message.cloud,
        cores=message.cores,
        submit_time=time_of(message, "submit_time"),
        change_time=time_of(message, "change_time"),
        start_time=time_of(message, "start_time"),
        end_time=time_of(message, "end_time"),
        exit_code=result.exit_code if result is not None and result.HasField("exit_code") else None,
        message=message,
    )


def steered_of(message: job_pb2.SteeredJob) -> SteeredJob:
    return SteeredJob(
        job_id=message.job_id,
        changed=message.changed,
        state=state_of(message.state),
        refusal=enum_text(job_pb2.SteerRefusal, "STEER_REFUSAL_", message.refusal),
        new_job_id=message.new_job_id or None,
    )


def fact_of(message: job_pb2.Fact) -> Fact:
    return Fact(message.seq, time_of(message, "time"), message.subject, message.kind, message.text, message)


def warning_of(message: job_pb2.Warning, first_index: int) -> Warning:
    code = enum_text(job_pb2.WarningCode, "WARNING_CODE_", message.code)
    return Warning(code, message.text, tuple(first_index + index for index in message.indexes))


def time_of(message: Any, name: str) -> datetime | None:
    return getattr(message, name).ToDatetime(tzinfo=timezone.utc) if message.HasField(name) else None


def enum_text(kind: Any, prefix: str, number: int) -> str:
    """`not-found` for STEER_REFUSAL_NOT_FOUND; empty for 0; the number for a value of a newer service."""
    if number == 0:
        return ""
    names: Mapping[int, Any] = kind.DESCRIPTOR.values_by_number
    return names[number].name.removeprefix(prefix).lower().replace("_", "-") if number in names else str(number)
