"""What both clients share: where calls go, when they are repeated, and how a submission is cut. No input or output here.

A call is repeated only where repeating is harmless, while the service is unreachable or asks to come again, after a jittered
pause that grows, and never beyond the caller's patience. Of several endpoints any serves: an unreachable one is left for
the next.
"""

from __future__ import annotations

import random
import re
import secrets
import string
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Union

from pilotage.errors import DeadlineExceeded, PilotageError, TooLarge, Unavailable, Unauthenticated, Violation, new_error
from pilotage.records import Job, Piece, job_of
from pilotage.v1 import job_pb2

Path = Union[str, "PathLike[str]"]

# Jobs by their numbers, or all that a filter selects.
Selection = Union[Sequence[int], job_pb2.JobFilter]

DEFAULT_SERVER = "127.0.0.1:7400"
DEFAULT_PATIENCE = 30.0
READ_TIMEOUT = 20.0
STEER_TIMEOUT = 30.0
SUBMIT_TIMEOUT = 60.0
CONNECT_TIMEOUT = 3.0

JOBS_PER_CALL = 10_000
JOBS_PER_PART = 1000
IDS_PER_CALL = 10_000
PAGE_SIZE = 1000
_REQUEST_BYTES = 16 * 1024 * 1024
_FRAMING_BYTES = 1024
_JOB_FRAMING_BYTES = 6
_KEY_LENGTH = 128
_GENERATED_KEY_LENGTH = 24
_MAX_ENDPOINTS = 32
_MAX_TOKEN_BYTES = 64 * 1024

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 3.0

CHANNEL_OPTIONS: Sequence[tuple[str, int]] = (
    # Ten thousand jobs in one message of a watch are about 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 3000),
    ("grpc.keepalive_time_ms", 30_000),
    # A web proxy that the environment names does not lead to the service.
    ("grpc.enable_http_proxy", 0),
)

_ENDPOINT = re.compile(r"(?:\[[0-9a-fA-F:.]{2,45}\]|[a-zA-Z0-9._-]{1,253}):(\d{1,5})")
_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\]):\d{1,5}")


@dataclass(frozen=True)
class Target:
    """Where the service is, and as whom it is called."""

    endpoints: tuple[str, ...]
    token: str
    ca_pem: bytes | None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)


def target_of(server: str, token: str | None, token_file: Path | None, ca_file: Path | None) -> Target:
    """Raises InvalidArgument for what is no list of endpoints, and for one that a token would reach in the clear."""
    endpoints = tuple(part.strip() for part in server.split(","))
    if len(endpoints) > _MAX_ENDPOINTS or not all(_is_endpoint(endpoint) for endpoint in endpoints):
        raise new_error(
            "invalid-argument", f"{server} is no server; accepted: host:port, or up to {_MAX_ENDPOINTS} with commas between"
        )
    far = next((endpoint for endpoint in endpoints if not _LOOPBACK.fullmatch(endpoint)), None)
    if ca_file is None and far is not None:
        raise new_error("invalid-argument", f"a token is not sent in the clear to {far}: give ca_file")
    return Target(endpoints, _token_of(token, token_file), None if ca_file is None else _read(ca_file))


def _is_endpoint(text: str) -> bool:
    found = _ENDPOINT.fullmatch(text)
    return found is not None and 0 < int(found[1]) < 65_536


def _token_of(token: str | None, token_file: Path | None) -> str:
    if (token is None) == (token_file is None):
        raise new_error("invalid-argument", "give either token or token_file")
    text = token if token is not None else _read(token_file or "").decode("utf-8", "replace")
    if not re.fullmatch(r"[\x21-\x7e]+", text.strip()):
        raise Unauthenticated("unauthenticated", f"{token_file or 'token'} does not contain a token")
    return text.strip()


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1024 * 1024)
    except OSError as error:
        raise new_error("not-found", f"reading {path}: {error.strerror}") from error


class Turns:
    """Which endpoint calls go to: one for as long as it works, then the next. Begins anywhere, so that callers spread."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._order = random.sample(list(endpoints), len(endpoints))
        self._at = 0

    @property
    def current(self) -> str:
        return self._order[self._at]

    @property
    def count(self) -> int:
        return len(self._order)

    def failed(self, endpoint: str) -> None:
        if endpoint == self.current:
            self._at = (self._at + 1) % len(self._order)


class Attempts:
    """The tries of one call: how long each may take, and how long to wait before the next."""

    def __init__(self, turns: Turns, patience: float, timeout: float | None) -> None:
        self._turns = turns
        self._patience = patience
        self._pause = _FIRST_PAUSE
        self._began = time.monotonic()
        self._at_once = 0
        self._end = None if timeout is None else self._began + timeout

    def left(self, limit: float | None = None) -> float | None:
        """Seconds for the next try, in whole at most `limit`. None: without end."""
        if self._end is None:
            return limit
        left = max(0.001, self._end - time.monotonic())
        return left if limit is None else min(left, limit)

    def pause_after(self, error: PilotageError, endpoint: str) -> float:
        """Seconds to wait before the next try. Raises the error where there should be none."""
        if not worth_repeating(error):
            raise error
        now = time.monotonic()
        if self._end is not None and now >= self._end:
            raise error
        if isinstance(error, Unavailable):
            self._turns.failed(endpoint)
            if self._at_once < self._turns.count - 1 and now < self._began + self._patience:
                self._at_once += 1
                return 0.0
        self._at_once = 0
        left = self._began + self._patience - now
        if self._end is not None:
            left = min(left, self._end - now)
        asked = error.retry_after or 0.0
        if left <= 0 or asked > left:
            raise error
        pause = min(left, max(asked, self._pause * (0.5 + random.random())))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause

    def reset(self) -> None:
        """Something came: patience starts anew."""
        self._pause = _FIRST_PAUSE
        self._began = time.monotonic()
        self._at_once = 0


def worth_repeating(error: PilotageError) -> bool:
    return error.code == "unavailable" or (error.code == "overloaded" and error.retry_after is not None)


def deadline_passed(doing: str) -> DeadlineExceeded:
    return DeadlineExceeded("unavailable", f"{doing}: no end within the timeout")


def new_key() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(_GENERATED_KEY_LENGTH))


def part_key(key: str, part: int) -> str:
    """The first part carries the caller's key itself, so that the same key with other jobs is refused at once."""
    text = key if part == 0 else f"{key}.{part}"
    if key and len(text) <= _KEY_LENGTH:
        return text
    longest = _KEY_LENGTH - (len(text) - len(key))
    violation = Violation("idempotency_key", key[:100], "its length, with the number of the part", f"1 to {longest} characters")
    raise new_error("invalid-argument", "the idempotency key does not fit", violations=[violation])


class Parts:
    """Cuts jobs into calls that the service takes, each with a key of its own.

    The cut and the keys depend on nothing but the jobs and the caller's key: the same submission again is the same calls
    again, and the service answers each as it did the first time.
    """

    def __init__(self, key: str, max_jobs: int) -> None:
        self._key = key
        self._max_jobs = max_jobs
        self._batch: list[job_pb2.JobSpec] = []
        self._bytes = 0
        self._part = 0
        self._index = 0

    def add(self, job: job_pb2.JobSpec) -> job_pb2.SubmitJobsRequest | None:
        """A call that is full, or None."""
        size = job.ByteSize() + _JOB_FRAMING_BYTES
        limit = _REQUEST_BYTES - _FRAMING_BYTES
        if size > limit:
            violation = Violation(f"jobs[{self._index}]", f"{size} bytes", "a job fits in one call", f"at most {limit} bytes")
            raise TooLarge("too-large", f"job {self._index + 1} is too large for any call", violations=[violation])
        is_full = len(self._batch) == self._max_jobs or self._bytes + size > limit
        full = self._cut() if is_full else None
        self._batch.append(job)
        self._bytes += size
        self._index += 1
        return full

    def rest(self) -> job_pb2.SubmitJobsRequest | None:
        return self._cut() if self._batch else None

    def _cut(self) -> job_pb2.SubmitJobsRequest:
        request = job_pb2.SubmitJobsRequest(jobs=self._batch, idempotency_key=part_key(self._key, self._part))
        self._part += 1
        self._batch = []
        self._bytes = 0
        return request


def at_index(error: PilotageError, first_index: int) -> PilotageError:
    """The service counts within a part; the caller counts all jobs."""
    if first_index == 0:
        return error

    def shifted(path: str) -> str:
        return re.sub(r"^jobs\[(\d+)\]", lambda found: f"jobs[{int(found[1]) + first_index}]", path)

    violations = [Violation(shifted(v.path), v.value, v.rule, v.accepted) for v in error.violations]
    return type(error)(
        error.code,
        f"{error.message} (the {first_index} jobs before were accepted)",
        violations=violations,
        violation_count=error.violation_count,
        retry_after=error.retry_after,
        notes=error.notes,
    )


def chunks(ids: Sequence[int], size: int) -> list[list[int]]:
    return [list(ids[start : start + size]) for start in range(0, len(ids), size)]


BULK_METHODS = {
    "KillJobs": "BulkKillJobs",
    "HoldJobs": "BulkHoldJobs",
    "ReleaseJobs": "BulkReleaseJobs",
    "RescheduleJobs": "BulkRescheduleJobs",
}


def bulk_of(jobs: Selection, reason: str) -> job_pb2.BulkSteerRequest:
    if isinstance(jobs, job_pb2.JobFilter):
        return job_pb2.BulkSteerRequest(filter=jobs, reason=reason)
    return job_pb2.BulkSteerRequest(job_ids=jobs, reason=reason)


def output_name(name: str) -> job_pb2.OutputName:
    numbers = {"stdout": job_pb2.OUTPUT_NAME_STDOUT, "stderr": job_pb2.OUTPUT_NAME_STDERR}
    if name not in numbers:
        raise new_error("invalid-argument", f"{name} is no output; accepted: stdout, stderr")
    return numbers[name]


def missing_jobs(job_ids: Sequence[int]) -> PilotageError:
    return new_error("not-found", f"no job {', '.join(str(job_id) for job_id in job_ids[:10])}")


class WatchedJobs:
    """What is left of a watch: the jobs that have not ended, and those that are not there."""

    def __init__(self, job_ids: Sequence[int]) -> None:
        self.open = set(job_ids)
        self._missing: list[int] = []

    def request(self) -> job_pb2.WatchJobsRequest:
        return job_pb2.WatchJobsRequest(job_ids=sorted(self.open))

    def seen(self, answer: job_pb2.WatchJobsResponse) -> list[Job]:
        self._missing += [job_id for job_id in answer.not_found if job_id in self.open]
        self.open.difference_update(answer.not_found)
        jobs = [job_of(job) for job in answer.jobs]
        self.open.difference_update(job.job_id for job in jobs if job.state.is_final)
        return jobs

    def finish(self) -> None:
        if self._missing:
            raise missing_jobs(self._missing)


def watched_jobs(job_ids: Sequence[int]) -> WatchedJobs:
    if len(job_ids) <= IDS_PER_CALL:
        return WatchedJobs(job_ids)
    violation = Violation("job_ids", f"{len(job_ids)} ids", "at most 10 000 jobs a watch", f"1 to {IDS_PER_CALL} job ids")
    raise TooLarge("too-large", "too many jobs for one watch", violations=[violation])


class Peeked:
    """Where a peek at an output stands: a stream that is asked for again goes on there, and no byte comes twice."""

    def __init__(self, request: job_pb2.PeekOutputRequest) -> None:
        self._request = request

    def request(self) -> job_pb2.PeekOutputRequest:
        return self._request

    def seen(self, answer: job_pb2.PeekOutputResponse) -> Piece | None:
        """None: it says only that the attempt has begun, once more."""
        now = self._request
        is_again = not answer.data and answer.attempt == now.attempt and answer.offset == now.offset > 0
        self._request = job_pb2.PeekOutputRequest()
        self._request.CopyFrom(now)
        self._request.attempt = answer.attempt
        self._request.offset = answer.offset + len(answer.data)
        return None if is_again else Piece(answer.attempt, answer.offset, answer.data)


def peek_of(job_id: int, name: str, attempt: int, offset: int, follow: bool) -> Peeked:
    return Peeked(
        job_pb2.PeekOutputRequest(job_id=job_id, name=output_name(name), attempt=attempt, offset=offset, follow=follow)
    )
