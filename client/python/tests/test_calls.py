"""What needs no service: settings, repeats, the cut of a submission, the reading of refusals, the states of the contract."""

import socket
import tempfile
import time
import unittest
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

import pilotage
from pilotage import Client, JobSpec, JobState
from pilotage.calls import Parts, part_key
from pilotage.v1 import job_pb2, job_pb2_grpc


class Service(job_pb2_grpc.JobServiceServicer):
    """Answers with what a test has planned, then as a service does."""

    def __init__(self) -> None:
        self.plan: list = []
        self.keys: list[str] = []
        self.kills = 0

    def _next(self, context) -> None:
        if self.plan:
            code, details = self.plan.pop(0)
            if details is not None:
                context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
            context.abort(code, "as planned")

    def SubmitJobs(self, request, context):
        self.keys.append(request.idempotency_key)
        self._next(context)
        return job_pb2.SubmitJobsResponse(job_ids=range(1, len(request.jobs) + 1))

    def ListJobs(self, request, context):
        self._next(context)
        return job_pb2.ListJobsResponse(jobs=[job_pb2.Job(job_id=1, state=99)])

    def KillJobs(self, request, context):
        self.kills += 1
        self._next(context)
        return job_pb2.SteerJobsResponse(jobs=[job_pb2.SteeredJob(job_id=job_id, changed=True) for job_id in request.job_ids])

    def GetOutput(self, request, context):
        for at, data in enumerate([b"ab", b"cd", b"ef"]):
            if at == 2:
                self._next(context)
            yield job_pb2.OutputChunk(data=data)

    def PeekOutput(self, request, context):
        written = b"abcdef"
        yield job_pb2.PeekOutputResponse(attempt=1, offset=request.offset)
        for at in range(request.offset, len(written), 2):
            if at == 4:
                self._next(context)
            yield job_pb2.PeekOutputResponse(attempt=1, offset=at, data=written[at : at + 2])


def refusal(reason: str, retry_seconds: float = 0.0) -> status_pb2.Status:
    details = [error_details_pb2.ErrorInfo(reason=reason, domain="pilotage", metadata={"limit": "5"})]
    if retry_seconds:
        delay = duration_pb2.Duration(nanos=int(retry_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=8, message="too much")
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


class RepeatTest(unittest.TestCase):
    def setUp(self) -> None:
        self.service = Service()
        server = grpc.server(futures.ThreadPoolExecutor(4))
        job_pb2_grpc.add_JobServiceServicer_to_server(self.service, server)
        self.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(0).wait())
        self.client = self.enterContext(Client(f"127.0.0.1:{self.port}", token="t", patience=5))

    def test_a_submission_is_repeated_under_its_key(self) -> None:
        self.service.plan = [(grpc.StatusCode.UNAVAILABLE, None)] * 2
        self.client.submit([JobSpec(executable="a")])
        self.assertEqual((len(self.service.keys), len(set(self.service.keys))), (3, 1))
        self.assertEqual(len(self.service.keys[0]), 24)

    def test_what_steers_is_made_once(self) -> None:
        self.service.plan = [(grpc.StatusCode.UNAVAILABLE, None)]
        with self.assertRaises(pilotage.Unavailable):
            self.client.kill([1])
        self.assertEqual(self.service.kills, 1)

    def test_waits_as_long_as_the_service_asks(self) -> None:
        self.service.plan = [(grpc.StatusCode.RESOURCE_EXHAUSTED, refusal("overloaded", 0.7))]
        began = time.monotonic()
        (job,) = self.client.list()
        self.assertGreaterEqual(time.monotonic() - began, 0.7)
        self.assertEqual(job.state, JobState.UNKNOWN)

    def test_other_refusals_are_raised_at_once(self) -> None:
        self.service.plan = [(grpc.StatusCode.RESOURCE_EXHAUSTED, refusal("quota-exceeded"))]
        with self.assertRaises(pilotage.QuotaExceeded) as caught:
            list(self.client.list())
        self.assertEqual((caught.exception.notes, caught.exception.retry_after), ({"limit": "5"}, None))

    def test_gives_up_when_patience_or_the_timeout_ends(self) -> None:
        for given in ({"patience": 0.5}, {"patience": 30}):
            self.service.plan = [(grpc.StatusCode.UNAVAILABLE, None)] * 100
            timeout = None if given["patience"] < 1 else 0.5
            with Client(f"127.0.0.1:{self.port}", token="t", **given) as client:
                began = time.monotonic()
                with self.assertRaises(pilotage.Unavailable):
                    list(client.list(timeout=timeout))
                self.assertLess(time.monotonic() - began, 3)

    def test_an_output_goes_on_where_it_was(self) -> None:
        self.service.plan = [(grpc.StatusCode.UNAVAILABLE, None)]
        self.assertEqual(list(self.client.output(1)), [b"ab", b"cd", b"ef"])

    def test_a_peek_goes_on_where_it_was(self) -> None:
        self.service.plan = [(grpc.StatusCode.UNAVAILABLE, None)]
        pieces = [(piece.offset, piece.data) for piece in self.client.peek(1)]
        self.assertEqual(pieces, [(0, b""), (0, b"ab"), (2, b"cd"), (4, b"ef")])

    def test_leaves_an_endpoint_that_is_not_there(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            dead = f"127.0.0.1:{unused.getsockname()[1]}"
            for _ in range(4):
                with Client(f"{dead},127.0.0.1:{self.port}", token="t") as client:
                    self.assertEqual(len(list(client.list())), 1)
                    self.assertTrue(client.kill([1])[0].changed)


class SettingsTest(unittest.TestCase):
    def test_no_token_goes_in_the_clear_beyond_this_machine(self) -> None:
        with self.assertRaisesRegex(pilotage.InvalidArgument, "not sent in the clear to far:7400"):
            Client("127.0.0.1:1,far:7400", token="t")

    def test_what_is_no_server_or_no_token(self) -> None:
        for server in ("", "host", "host:0", "host:70000", "a b:1"):
            with self.assertRaises(pilotage.InvalidArgument):
                Client(server, token="t")
        with self.assertRaises(pilotage.InvalidArgument):
            Client(token="t", token_file="t")
        with self.assertRaises(pilotage.NotFound):
            Client(token_file="/nowhere/token")
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "token")
            path.write_text("two words\n")
            with self.assertRaises(pilotage.Unauthenticated):
                Client(token_file=path)


class PartsTest(unittest.TestCase):
    def test_cuts_by_number_and_by_size(self) -> None:
        parts = Parts("k", 3)
        full = [part for part in (parts.add(JobSpec(executable="a")) for _ in range(7)) if part]
        self.assertEqual([(len(part.jobs), part.idempotency_key) for part in full], [(3, "k"), (3, "k.1")])
        rest = parts.rest()
        assert rest is not None
        self.assertEqual((len(rest.jobs), rest.idempotency_key), (1, "k.2"))
        large = Parts("k", 1000)
        cut = [large.add(JobSpec(executable="a" * 6_000_000)) for _ in range(3)]
        self.assertEqual([part is None for part in cut], [True, True, False])

    def test_refuses_what_fits_nowhere(self) -> None:
        with self.assertRaises(pilotage.TooLarge):
            Parts("k", 10).add(JobSpec(executable="a" * 17_000_000))
        for key in ("", "k" * 129):
            with self.assertRaises(pilotage.InvalidArgument):
                part_key(key, 0)


class StatesTest(unittest.TestCase):
    def test_are_those_of_the_contract(self) -> None:
        contract = {name.removeprefix("JOB_STATE_"): number for name, number in job_pb2.JobState.items()}
        contract["UNKNOWN"] = contract.pop("UNSPECIFIED")
        known = {state.name: state.value for state in JobState}
        self.assertEqual({name: known.get(name) for name in contract}, contract)


if __name__ == "__main__":
    unittest.main(verbosity=2)
