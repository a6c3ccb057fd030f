"""A client for Pilotage: submit jobs, follow them, and fetch their output.

`Client` is synchronous, `AsyncClient` is for asyncio; both have the same methods. What a job needs is a JobSpec, a message of
the contract. Every failure is a PilotageError with the service's code and the wrong fields.
"""

from pilotage.aio import AsyncClient
from pilotage.client import Client
from pilotage.errors import (
    Cancelled,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InvalidArgument,
    NotFound,
    Overloaded,
    PilotageError,
    QuotaExceeded,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Violation,
)
from pilotage.files import OutputFile
from pilotage.records import Fact, Job, JobState, Piece, SteeredJob, SubmitAnswer, Warning
from pilotage.v1.job_pb2 import Cores, ExplainJobResponse, InputFile, JobFilter, JobSpec, Names, Requirements

__all__ = [
    "AsyncClient",
    "Cancelled",
    "Client",
    "Conflict",
    "Cores",
    "DeadlineExceeded",
    "ExplainJobResponse",
    "Fact",
    "Forbidden",
    "InputFile",
    "InvalidArgument",
    "Job",
    "JobFilter",
    "JobSpec",
    "JobState",
    "Names",
    "NotFound",
    "OutputFile",
    "Overloaded",
    "Piece",
    "PilotageError",
    "QuotaExceeded",
    "Requirements",
    "SteeredJob",
    "SubmitAnswer",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Violation",
    "Warning",
]
