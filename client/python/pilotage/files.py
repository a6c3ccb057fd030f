"""Files of jobs, as both clients send and read them: the digest of a file, the messages of a put, and the check of what is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from pilotage.calls import Path
from pilotage.errors import PilotageError, new_error
from pilotage.v1 import job_pb2, sandbox_pb2

PUT_TIMEOUT = 600.0
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class OutputFile:
    """A file that a payload left. `digest`: sha256 of its content."""

    path: str
    bytes: int
    digest: str
    executable: bool


def output_file_of(message: sandbox_pb2.OutputFile) -> OutputFile:
    return OutputFile(message.path, message.bytes, message.digest, message.executable)


def input_file_of(path: Path, name: str | None, executable: bool | None) -> job_pb2.InputFile:
    """What a job says of a file of this machine. Reads it whole."""
    size, sha256 = 0, hashlib.sha256()
    for piece in _pieces(path):
        size += len(piece)
        sha256.update(piece)
    return job_pb2.InputFile(
        path=os.path.basename(os.fspath(path)) if name is None else name,
        digest=sha256.hexdigest(),
        bytes=size,
        executable=os.access(path, os.X_OK) if executable is None else executable,
    )


def put_requests(path: Path, file: job_pb2.InputFile) -> Iterator[sandbox_pb2.PutFileRequest]:
    yield sandbox_pb2.PutFileRequest(digest=file.digest, bytes=file.bytes)
    for piece in _pieces(path):
        yield sandbox_pb2.PutFileRequest(data=piece)


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
    except OSError as error:
        raise new_error("not-found", f"reading {os.fspath(path)}: {error.strerror}") from error


class ReadFile:
    """Where the reading of an output file stands: a stream that is asked for again goes on there."""

    def __init__(self, job_id: int, path: str, attempt: int) -> None:
        self._request = sandbox_pb2.GetOutputFileRequest(job_id=job_id, path=path, attempt=attempt)
        self._sha256 = hashlib.sha256()
        self._digest = ""

    def request(self) -> sandbox_pb2.GetOutputFileRequest:
        return self._request

    def seen(self, answer: sandbox_pb2.GetOutputFileResponse) -> bytes:
        if answer.HasField("file"):
            if self._digest not in ("", answer.file.digest):
                raise self._changed()
            self._digest = answer.file.digest
        self._sha256.update(answer.data)
        again = sandbox_pb2.GetOutputFileRequest()
        again.CopyFrom(self._request)
        again.offset += len(answer.data)
        self._request = again
        return answer.data

    def finish(self) -> None:
        """Raises Conflict where the content is not what its digest says."""
        if self._sha256.hexdigest() != self._digest:
            raise self._changed()

    def _changed(self) -> PilotageError:
        return new_error("conflict", f"{self._request.path} changed while it was read: read it again")
