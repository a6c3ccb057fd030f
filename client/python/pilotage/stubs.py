"""The methods of the services that users call, by their names, on one channel of either kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotage.v1 import job_pb2_grpc, sandbox_pb2_grpc


class Stubs:
    def __init__(self, channel: Any) -> None:
        self._services = (job_pb2_grpc.JobServiceStub(channel), sandbox_pb2_grpc.SandboxServiceStub(channel))

    def method(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = next(getattr(one, name) for one in self._services if hasattr(one, name))
        return found
