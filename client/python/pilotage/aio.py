"""The client for asyncio: the methods of `Client`, awaited. Iterators are asynchronous; cancelling a task cancels its call.

`timeout` is in seconds and holds for the whole call. A client belongs to the event loop in which it is first used.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, List, Union

import grpc
import grpc.aio

from pilotage import calls, files
from pilotage.calls import Attempts, Parts, Path, Turns
from pilotage.errors import DeadlineExceeded, PilotageError, error_of
from pilotage.records import Fact, Job, JobState, Piece, SteeredJob, SubmitAnswer, Warning, fact_of, job_of, steered_of, warning_of
from pilotage.stubs import Stubs
from pilotage.v1 import job_pb2, sandbox_pb2

Jobs = Union[Iterable[job_pb2.JobSpec], AsyncIterable[job_pb2.JobSpec]]


class AsyncClient:
    """The service at `server` (host:port, several with commas between), as the caller whose token is given.

    Beyond this machine `ca_file`, the certificate authority of the service, is needed. `patience`: for how many seconds a call
    that may be repeated keeps trying while the service is unreachable.
    """

    def __init__(
        self,
        server: str = calls.DEFAULT_SERVER,
        *,
        token: str | None = None,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        patience: float = calls.DEFAULT_PATIENCE,
    ) -> None:
        self._target = calls.target_of(server, token, token_file, ca_file)
        self._turns = Turns(self._target.endpoints)
        self._patience = patience
        self._channels: dict[str, grpc.aio.Channel] = {}

    @classmethod
    def from_environment(cls, *, patience: float = calls.DEFAULT_PATIENCE) -> AsyncClient:
        """As the command does: PILOTAGE_SERVER, PILOTAGE_TOKEN_FILE and PILOTAGE_CA_FILE."""
        return cls(
            os.environ.get("PILOTAGE_SERVER", calls.DEFAULT_SERVER),
            token_file=os.environ.get("PILOTAGE_TOKEN_FILE"),
            ca_file=os.environ.get("PILOTAGE_CA_FILE"),
            patience=patience,
        )

    def _open(self, endpoint: str) -> grpc.aio.Channel:
        if self._target.ca_pem is None:
            return grpc.aio.insecure_channel(endpoint, options=calls.CHANNEL_OPTIONS)
        credentials = grpc.ssl_channel_credentials(self._target.ca_pem)
        return grpc.aio.secure_channel(endpoint, credentials, options=calls.CHANNEL_OPTIONS)

    def _channel(self, endpoint: str) -> grpc.aio.Channel:
        if endpoint not in self._channels:
            self._channels[endpoint] = self._open(endpoint)
        return self._channels[endpoint]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def submit(
        self, jobs: Jobs, *, key: str | None = None, timeout: float | None = None
    ) -> SubmitAnswer:
        """Any number of jobs, in calls of at most 10 000 jobs and 16 MiB; each call is accepted whole or refused whole.

        Idempotent under `key`; one is made where none is given.
        """
        chosen = key or calls.new_key()
        parts = [part async for part in self._submit_parts(jobs, chosen, calls.JOBS_PER_CALL, timeout)]
        return SubmitAnswer(
            job_ids=tuple(job_id for part in parts for job_id in part.job_ids),
            warnings=tuple(warning for part in parts for warning in part.warnings),
            repeated=bool(parts) and all(part.repeated for part in parts),
            key=chosen,
        )

    def submit_each(
        self, jobs: Jobs, *, key: str | None = None, timeout: float | None = None
    ) -> AsyncIterator[SubmitAnswer]:
        """Jobs without end: an answer per 1000 of them. No more jobs are read than the service has taken.

        Idempotent under `key` if the jobs come in the same order.
        """
        return self._submit_parts(jobs, key or calls.new_key(), calls.JOBS_PER_PART, timeout)

    async def _submit_parts(
        self, jobs: Jobs, key: str, max_jobs: int, timeout: float | None
    ) -> AsyncIterator[SubmitAnswer]:
        parts = Parts(key, max_jobs)
        first_index = 0
        async for job in _each(jobs):
            request = parts.add(job)
            if request is not None:
                yield await self._submit_part(request, first_index, timeout)
                first_index += len(request.jobs)
        request = parts.rest()
        if request is not None:
            yield await self._submit_part(request, first_index, timeout)

    async def _submit_part(
        self, request: job_pb2.SubmitJobsRequest, first_index: int, timeout: float | None
    ) -> SubmitAnswer:
        try:
            answer = await self._repeat("submitting jobs", "SubmitJobs", request, calls.SUBMIT_TIMEOUT, timeout)
        except PilotageError as error:
            raise calls.at_index(error, first_index) from error
        warnings: tuple[Warning, ...] = tuple(warning_of(warning, first_index) for warning in answer.warnings)
        return SubmitAnswer(tuple(answer.job_ids), warnings, answer.repeated_answer, request.idempotency_key)

    async def list(
        self,
        *,
        job_ids: Sequence[int] | None = None,
        states: Iterable[JobState | str] = (),
        owner: str = "",
        vo: str = "",
        filter: job_pb2.JobFilter | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Job]:
        """The jobs of the caller's VO that all of these select, newest first. Pages are read as the loop goes on.

        What `filter` says stands before `states`, `owner` and `vo`.
        """
        wanted = [int(JobState.of(state)) for state in states]
        left = limit
        for ids in [[]] if job_ids is None else calls.chunks(job_ids, calls.PAGE_SIZE):
            token = ""
            while left is None or left > 0:
                size = calls.PAGE_SIZE if left is None else min(calls.PAGE_SIZE, left)
                request = job_pb2.ListJobsRequest(
                    job_ids=ids, states=wanted, owner=owner, vo=vo, filter=filter, page_size=size, page_token=token  # type: ignore[arg-type]
                )
                page = await self._repeat("listing jobs", "ListJobs", request, calls.READ_TIMEOUT, timeout)
                for job in page.jobs:
                    yield job_of(job)
                left = None if left is None else left - len(page.jobs)
                token = page.next_page_token
                if not token:
                    break

    async def kill(self, jobs: calls.Selection, *, reason: str = "", timeout: float | None = None) -> List[SteeredJob]:
        """Ends jobs, running or not. An answer for each of them, in order."""
        return await self._steer("killing jobs", "KillJobs", jobs, reason, timeout)

    async def hold(self, jobs: calls.Selection, *, reason: str = "", timeout: float | None = None) -> List[SteeredJob]:
        """Keeps waiting jobs from starting until they are released."""
        return await self._steer("holding jobs", "HoldJobs", jobs, reason, timeout)

    async def release(self, jobs: calls.Selection, *, reason: str = "", timeout: float | None = None) -> List[SteeredJob]:
        """Gives held jobs back to the queue."""
        return await self._steer("releasing jobs", "ReleaseJobs", jobs, reason, timeout)

    async def reschedule(self, jobs: calls.Selection, *, reason: str = "", timeout: float | None = None) -> List[SteeredJob]:
        """Runs jobs again. One that has ended is submitted as a new job, which `new_job_id` names."""
        return await self._steer("rescheduling jobs", "RescheduleJobs", jobs, reason, timeout)

    async def history(self, job_id: int, *, timeout: float | None = None) -> List[Fact]:
        """What happened to a job, oldest first."""
        request = job_pb2.GetJobHistoryRequest(job_id=job_id)
        answer = await self._repeat("reading the history", "GetJobHistory", request, calls.READ_TIMEOUT, timeout)
        return [fact_of(fact) for fact in answer.facts]

    async def explain(self, job_id: int, *, timeout: float | None = None) -> job_pb2.ExplainJobResponse:
        """Why a job waits, or why it runs where it does: `summary` is one readable line."""
        request = job_pb2.ExplainJobRequest(job_id=job_id)
        answer: job_pb2.ExplainJobResponse = await self._repeat(
            "explaining the job", "ExplainJob", request, calls.READ_TIMEOUT, timeout
        )
        return answer

    async def spec(self, job_id: int, *, timeout: float | None = None) -> job_pb2.JobSpec:
        """What was submitted, with the defaults filled in. `submit` takes it as it is."""
        request = job_pb2.GetJobSpecRequest(job_id=job_id)
        answer: job_pb2.GetJobSpecResponse = await self._repeat(
            "reading the specification", "GetJobSpec", request, calls.READ_TIMEOUT, timeout
        )
        return answer.spec

    async def output(
        self, job_id: int, *, name: str = "stdout", attempt: int = 0, timeout: float | None = None
    ) -> AsyncIterator[bytes]:
        """What an attempt wrote (0: the last one), in pieces. No piece comes twice."""
        request = job_pb2.GetOutputRequest(job_id=job_id, name=calls.output_name(name), attempt=attempt)
        given = 0
        async with aclosing(self._stream("reading the output", "GetOutput", lambda: request, timeout)) as pieces:
            async for piece, seen in pieces:
                fresh = piece.data[max(0, given - seen) :]
                given = max(given, seen + len(piece.data))
                if fresh:
                    yield fresh

    async def read_output(
        self, job_id: int, *, name: str = "stdout", attempt: int = 0, timeout: float | None = None
    ) -> bytes:
        """All of it at once."""
        pieces = self.output(job_id, name=name, attempt=attempt, timeout=timeout)
        return b"".join([piece async for piece in pieces])

    async def peek(
        self,
        job_id: int,
        *,
        name: str = "stdout",
        attempt: int = 0,
        offset: int = 0,
        follow: bool = True,
        timeout: float | None = None,
    ) -> AsyncIterator[Piece]:
        """What the payload of a job writes, as it is written: from `offset`, and to the end of the job.

        With `follow=False`: what there is now of this attempt. Goes on where it was after a loss of the service.
        """
        peeked = calls.peek_of(job_id, name, attempt, offset, follow)
        async with aclosing(self._stream("peeking at the output", "PeekOutput", peeked.request, timeout)) as answers:
            async for answer, _ in answers:
                piece = peeked.seen(answer)
                if piece is not None:
                    yield piece

    async def put_file(
        self, path: Path, *, name: str | None = None, executable: bool | None = None, timeout: float | None = None
    ) -> job_pb2.InputFile:
        """Sends a file of this machine, unless the service has it from this caller; for `input_files` of a JobSpec.

        `name`: its path for the payload, by default its last part. `executable`: by default as it is here.
        """
        file = await asyncio.to_thread(files.input_file_of, path, name, executable)
        wanted = sandbox_pb2.HasFilesRequest(digests=[file.digest])
        answer = await self._repeat("asking for files", "HasFiles", wanted, calls.READ_TIMEOUT, timeout)
        if answer.missing:
            pieces = lambda: files.put_requests(path, file)  # noqa: E731
            await self._repeat("putting a file", "PutFile", pieces, files.PUT_TIMEOUT, timeout)
        return file

    async def output_files(self, job_id: int, *, attempt: int = 0, timeout: float | None = None) -> List[files.OutputFile]:
        """The files that an attempt left, by path (0: the last one)."""
        request = sandbox_pb2.ListOutputFilesRequest(job_id=job_id, attempt=attempt)
        answer = await self._repeat("listing output files", "ListOutputFiles", request, calls.READ_TIMEOUT, timeout)
        return [files.output_file_of(file) for file in answer.files]

    async def output_file(
        self, job_id: int, path: str, *, attempt: int = 0, timeout: float | None = None
    ) -> AsyncIterator[bytes]:
        """The content of an output file, in pieces. Raises Conflict at the end where it is not what its digest says."""
        reading = files.ReadFile(job_id, path, attempt)
        async with aclosing(self._stream("reading an output file", "GetOutputFile", reading.request, timeout)) as answers:
            async for answer, _ in answers:
                piece = reading.seen(answer)
                if piece:
                    yield piece
        reading.finish()

    async def read_output_file(
        self, job_id: int, path: str, *, attempt: int = 0, timeout: float | None = None
    ) -> bytes:
        """All of it at once."""
        return b"".join([piece async for piece in self.output_file(job_id, path, attempt=attempt, timeout=timeout)])

    async def watch(self, job_ids: Sequence[int], *, timeout: float | None = None) -> AsyncIterator[Job]:
        """The jobs as they are, then every change, until all have ended. A job may come twice.

        Raises NotFound at the end if one of them is not there, and DeadlineExceeded after `timeout`.
        """
        watched = calls.watched_jobs(job_ids)
        if not watched.open:
            return
        async with aclosing(self._stream("watching jobs", "WatchJobs", watched.request, timeout)) as answers:
            async for answer, _ in answers:
                for job in watched.seen(answer):
                    yield job
                if not watched.open:
                    break
        watched.finish()

    async def wait(self, job_ids: Sequence[int], *, timeout: float | None = None) -> List[Job]:
        """The jobs when all have ended, in the order of the ids."""
        last = {job.job_id: job async for job in self.watch(job_ids, timeout=timeout)}
        return [last[job_id] for job_id in job_ids]

    async def delete(self, jobs: calls.Selection, *, reason: str = "", timeout: float | None = None) -> List[SteeredJob]:
        """Removes jobs that have ended, with their descriptions and output, for good."""
        return await self._bulk("deleting jobs", "BulkDeleteJobs", calls.bulk_of(jobs, reason), timeout)

    async def set_priority(
        self, jobs: calls.Selection, priority: int, *, reason: str = "", timeout: float | None = None
    ) -> List[SteeredJob]:
        """Sets the priority (0 to 9, higher first) of jobs that have not ended."""
        request = job_pb2.BulkPriorityRequest(jobs=calls.bulk_of(jobs, reason), priority=priority)
        return await self._bulk("setting priorities", "BulkSetPriority", request, timeout)

    async def _steer(
        self, doing: str, method: str, jobs: calls.Selection, reason: str, timeout: float | None
    ) -> List[SteeredJob]:
        if isinstance(jobs, job_pb2.JobFilter):
            return await self._bulk(doing, calls.BULK_METHODS[method], calls.bulk_of(jobs, reason), timeout)
        steered: List[SteeredJob] = []
        for ids in calls.chunks(jobs, calls.IDS_PER_CALL):
            request = job_pb2.SteerJobsRequest(job_ids=ids, reason=reason)
            answer = await self._once(doing, method, request, calls.STEER_TIMEOUT if timeout is None else timeout)
            steered += [steered_of(job) for job in answer.jobs]
        return steered

    async def _bulk(self, doing: str, method: str, request: Any, timeout: float | None) -> List[SteeredJob]:
        """Made once, as all that steers: an answer per job, as it is done."""
        try:
            answers = self._call(await self._reached(timeout), method, request, timeout)
            return [steered_of(job) async for answer in answers for job in answer.jobs]
        except grpc.RpcError as error:
            raise error_of(error, doing) from error

    async def _once(self, doing: str, method: str, request: Any, timeout: float) -> Any:
        """Never a second time."""
        try:
            return await self._call(await self._reached(timeout), method, request, timeout)
        except grpc.RpcError as error:
            raise error_of(error, doing) from error

    async def _reached(self, timeout: float | None) -> str:
        """An endpoint that can be connected to before anything is sent, where there is one."""
        within = calls.CONNECT_TIMEOUT if timeout is None else min(timeout, calls.CONNECT_TIMEOUT)
        for _ in range(self._turns.count - 1):
            endpoint = self._turns.current
            try:
                await asyncio.wait_for(self._channel(endpoint).channel_ready(), within)
                break
            except asyncio.TimeoutError:
                self._turns.failed(endpoint)
        return self._turns.current

    async def _repeat(self, doing: str, method: str, request: Any, limit: float, timeout: float | None) -> Any:
        attempts = Attempts(self._turns, self._patience, timeout)
        while True:
            endpoint = self._turns.current
            try:
                return await self._call(endpoint, method, request, attempts.left(limit))
            except grpc.RpcError as error:
                cause: BaseException = error
                try:
                    pause = attempts.pause_after(error_of(error, doing), endpoint)
                except PilotageError as problem:
                    raise problem from cause
            await asyncio.sleep(pause)

    def _call(self, endpoint: str, method: str, request: Any, timeout: float | None) -> Any:
        call = Stubs(self._channel(endpoint)).method(method)
        return call(request() if callable(request) else request, metadata=self._target.metadata, timeout=timeout)

    async def _stream(
        self, doing: str, method: str, request: Callable[[], Any], timeout: float | None
    ) -> AsyncGenerator[tuple[Any, int], None]:
        """The messages of a stream, each with the bytes of data that this stream brought before it. Resumes."""
        attempts = Attempts(self._turns, self._patience, timeout)
        while True:
            endpoint = self._turns.current
            call = self._call(endpoint, method, request(), attempts.left())
            seen = 0
            try:
                async for message in call:
                    attempts.reset()
                    yield message, seen
                    seen += len(getattr(message, "data", b""))
                return
            except grpc.RpcError as error:
                problem = error_of(error, doing)
                if isinstance(problem, DeadlineExceeded):
                    raise problem from error
                try:
                    pause = attempts.pause_after(problem, endpoint)
                except PilotageError as last:
                    raise last from error
            finally:
                call.cancel()
            await asyncio.sleep(pause)


async def _each(jobs: Jobs) -> AsyncIterator[job_pb2.JobSpec]:
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield job
    else:
        for job in jobs:
            yield job
