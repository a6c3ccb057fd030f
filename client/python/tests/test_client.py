"""The synchronous client against a served installation, whose local cloud runs the jobs."""

import os
import sys
import tempfile
import time
import unittest
from datetime import datetime, timezone
from pathlib import Path

import pilotage
from installation import SERVER, token_file
from pilotage import Client, Cores, JobFilter, JobSpec, JobState, Requirements

WITHIN = 60.0


SMALL = Requirements(memory_bytes=64 * 1024**2, disk_bytes=64 * 1024**2, cores=Cores(min=1, max=1))


def shell(script: str, **fields) -> JobSpec:
    return JobSpec(executable="/bin/sh", arguments=["-c", script], requirements=SMALL, **fields)


def held_back(**fields) -> JobSpec:
    """A job that no machine of the installation can run: it waits."""
    return JobSpec(executable="/bin/true", requirements=Requirements(cores=Cores(min=1000, max=1000)), **fields)


class ClientTest(unittest.TestCase):
    def setUp(self) -> None:
        self.client = self.enterContext(Client(SERVER, token_file=token_file("ada")))


class SubmitTest(ClientTest):
    def test_runs_a_job_and_reads_its_output(self) -> None:
        answer = self.client.submit([shell("echo out; echo err >&2; exit 3", name="python-output", max_attempts=1)])
        (job,) = self.client.wait(answer.job_ids, timeout=WITHIN)
        self.assertEqual((job.state, job.exit_code, job.name, job.owner), (JobState.FAILED, 3, "python-output", "ada"))
        self.assertEqual(self.client.read_output(job.job_id), b"out\n")
        self.assertEqual(self.client.read_output(job.job_id, name="stderr"), b"err\n")
        assert job.submit_time and job.start_time and job.end_time
        self.assertLessEqual(job.submit_time, job.start_time)
        self.assertLess(abs((datetime.now(timezone.utc) - job.end_time).total_seconds()), 300)

    def test_output_of_many_pieces_is_whole(self) -> None:
        answer = self.client.submit([shell("i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done")])
        self.client.wait(answer.job_ids, timeout=WITHIN)
        pieces = list(self.client.output(answer.job_ids[0]))
        self.assertGreater(len(pieces), 1)
        self.assertEqual(b"".join(pieces), b"".join(b"line-%d\n" % at for at in range(20000)))

    def test_a_key_gives_the_first_answer_again(self) -> None:
        jobs = [held_back(name=f"python-key-{at}") for at in range(3)]
        first = self.client.submit(jobs, key="python-package-key")
        again = self.client.submit(jobs, key="python-package-key")
        self.assertEqual((first.repeated, again.repeated, again.job_ids), (False, True, first.job_ids))
        with self.assertRaises(pilotage.Conflict):
            self.client.submit(jobs[:1], key="python-package-key")

    def test_more_jobs_than_a_call_holds(self) -> None:
        answer = self.client.submit([held_back() for _ in range(10_001)])
        self.assertEqual(len(set(answer.job_ids)), 10_001)
        self.assertEqual(answer.warnings[0].code, "no-offering")
        self.assertEqual(answer.warnings[-1].indexes, (10_000,))
        killed = self.client.kill(answer.job_ids, reason="the test is over")
        self.assertEqual({job.state for job in killed}, {JobState.KILLED})

    def test_a_stream_reads_no_further_than_it_is_answered(self) -> None:
        given = 0

        def endless():
            nonlocal given
            while True:
                given += 1
                yield held_back(name="python-stream")

        stream = self.client.submit_each(endless())
        ids = [*next(stream).job_ids, *next(stream).job_ids]
        stream.close()
        self.assertEqual((len(set(ids)), given), (2000, 2001))
        self.client.kill(ids)

    def test_names_every_wrong_field(self) -> None:
        wrong = JobSpec(executable="", max_attempts=99, requirements=Requirements(wall_ms=1))
        with self.assertRaises(pilotage.InvalidArgument) as caught:
            self.client.submit([held_back(), wrong])
        error = caught.exception
        fields = {violation.path for violation in error.violations}
        self.assertEqual(fields, {"jobs[1].executable", "jobs[1].max_attempts", "jobs[1].requirements.wall_ms"})
        attempts = next(violation for violation in error.violations if violation.path.endswith("max_attempts"))
        self.assertEqual(attempts.value, "99")
        self.assertIn("10", attempts.accepted)
        self.assertEqual((error.code, error.retry_after), ("invalid-argument", None))
        self.assertIn("jobs[1].max_attempts", str(error))

    def test_counts_wrong_fields_over_all_calls(self) -> None:
        jobs = [held_back() for _ in range(1000)] + [JobSpec(executable="")]
        with self.assertRaises(pilotage.InvalidArgument) as caught:
            for _ in self.client.submit_each(jobs):
                pass
        self.assertEqual([violation.path for violation in caught.exception.violations], ["jobs[1000].executable"])


class SteerTest(ClientTest):
    def test_hold_release_kill(self) -> None:
        (job_id,) = self.client.submit([held_back(name="python-steer")]).job_ids
        (held,) = self.client.hold([job_id], reason="later")
        self.assertEqual((held.changed, held.state, held.refusal), (True, JobState.HELD, ""))
        (again,) = self.client.hold([job_id])
        self.assertEqual((again.changed, again.refusal), (False, "held"))
        (released,) = self.client.release([job_id])
        self.assertEqual(released.state, JobState.WAITING)
        (killed,) = self.client.kill([job_id])
        self.assertEqual(killed.state, JobState.KILLED)
        (ended,) = self.client.kill([job_id])
        self.assertEqual(ended.refusal, "ended")
        (anew,) = self.client.reschedule([job_id])
        assert anew.new_job_id is not None
        self.assertGreater(anew.new_job_id, job_id)
        self.client.kill([anew.new_job_id])
        kinds = [fact.text for fact in self.client.history(job_id)]
        self.assertTrue(any("later" in text for text in kinds), kinds)

    def test_lists_what_is_selected(self) -> None:
        ids = self.client.submit([held_back(name=f"python-list-{at}") for at in range(5)]).job_ids
        self.client.hold(ids[:2])
        held = list(self.client.list(job_ids=ids, states=["held"]))
        self.assertEqual({job.job_id for job in held}, set(ids[:2]))
        self.assertEqual(len(held), 2)
        self.assertEqual(len(list(self.client.list(states=[JobState.HELD, JobState.WAITING], limit=3))), 3)
        self.assertEqual(list(self.client.list(owner="nemo")), [])
        self.client.kill(ids)
        with self.assertRaisesRegex(ValueError, "accepted: Waiting, Held"):
            next(self.client.list(states=["asleep"]))

    def test_explains_and_gives_the_specification_back(self) -> None:
        given = held_back(name="python-spec", environment={"A": "ä b"})
        (job_id,) = self.client.submit([given]).job_ids
        self.assertIn("cores", self.client.explain(job_id).summary)
        spec = self.client.spec(job_id)
        self.assertEqual((spec.executable, dict(spec.environment)), ("/bin/true", {"A": "ä b"}))
        (twin,) = self.client.submit([spec]).job_ids
        self.client.kill([job_id, twin])


class FilterTest(ClientTest):
    def test_steers_all_that_a_filter_selects(self) -> None:
        group = "python-filter"
        ids = set(self.client.submit([held_back(job_group=group) for _ in range(1200)]).job_ids)
        mine = JobFilter(job_group=group)
        self.assertEqual({job.job_id for job in self.client.list(filter=mine)}, ids)
        raised = self.client.set_priority(mine, 7)
        self.assertEqual(({job.job_id for job in raised if job.changed}, raised[0].refusal), (ids, ""))
        self.assertEqual({job.priority for job in self.client.list(filter=mine, limit=5)}, {7})
        self.assertEqual({job.state for job in self.client.hold(mine)}, {JobState.HELD})
        self.assertEqual({job.state for job in self.client.release(mine)}, {JobState.WAITING})
        self.assertEqual({job.job_id for job in self.client.kill(mine) if job.changed}, ids)
        first = sorted(ids)[:3]
        self.assertTrue(all(job.changed for job in self.client.delete(first)))
        self.assertEqual(len(self.client.delete(mine)), len(ids) - 3)
        self.assertEqual(list(self.client.list(filter=mine)), [])
        with self.assertRaises(pilotage.InvalidArgument):
            self.client.set_priority(first, 77)


class WatchTest(ClientTest):
    def test_shows_each_state_until_the_end(self) -> None:
        ids = self.client.submit([shell("sleep 1") for _ in range(2)]).job_ids
        seen: dict[int, list[JobState]] = {job_id: [] for job_id in ids}
        for job in self.client.watch(ids, timeout=WITHIN):
            seen[job.job_id].append(job.state)
        for states in seen.values():
            self.assertEqual(states[-1], JobState.DONE)
            self.assertEqual(states, sorted(states))
            self.assertGreater(len(set(states)), 1)

    def test_ends_at_its_timeout(self) -> None:
        (job_id,) = self.client.submit([held_back()]).job_ids
        began = time.monotonic()
        with self.assertRaises(pilotage.DeadlineExceeded):
            self.client.wait([job_id], timeout=1.0)
        self.assertLess(time.monotonic() - began, 5)
        self.client.kill([job_id])

    def test_names_jobs_that_are_not_there(self) -> None:
        (job_id,) = self.client.submit([held_back()]).job_ids
        self.client.kill([job_id])
        with self.assertRaisesRegex(pilotage.NotFound, "no job 999999999"):
            list(self.client.watch([job_id, 999_999_999], timeout=WITHIN))


class PeekTest(ClientTest):
    def test_shows_what_a_running_payload_writes(self) -> None:
        (job_id,) = self.client.submit([shell("echo one; sleep 3; echo two; echo err >&2")]).job_ids
        seen: list[tuple[bytes, JobState]] = []
        for piece in self.client.peek(job_id, timeout=WITHIN):
            if piece.data:
                (job,) = self.client.list(job_ids=[job_id])
                seen.append((piece.data, job.state))
        self.assertEqual(b"".join(data for data, _ in seen), b"one\ntwo\n")
        self.assertEqual(seen[0], (b"one\n", JobState.RUNNING))
        now = list(self.client.peek(job_id, offset=4, follow=False, timeout=WITHIN))
        self.assertEqual(b"".join(piece.data for piece in now), b"two\n")
        errors = self.client.peek(job_id, name="stderr", follow=False, timeout=WITHIN)
        self.assertEqual(b"".join(piece.data for piece in errors), b"err\n")


class FilesTest(ClientTest):
    def test_sends_input_files_and_reads_output_files(self) -> None:
        content = os.urandom(300_000)
        with tempfile.TemporaryDirectory() as directory:
            data = Path(directory, "data.bin")
            data.write_bytes(content)
            script = Path(directory, "run.sh")
            script.write_text("#!/bin/sh\nmkdir out && cp in/data.bin out/copy.bin && echo done > out/note.txt\n")
            script.chmod(0o755)
            files = [self.client.put_file(data, name="in/data.bin"), self.client.put_file(script)]
            # A second time nothing is sent.
            self.assertEqual(self.client.put_file(data, name="in/data.bin"), files[0])
        self.assertTrue(files[1].executable)
        job = JobSpec(executable="./run.sh", input_files=files, output_files=["out/"], requirements=SMALL)
        (job_id,) = self.client.submit([job]).job_ids
        (ended,) = self.client.wait([job_id], timeout=WITHIN)
        self.assertEqual(ended.state, JobState.DONE, self.client.read_output(job_id, name="stderr"))
        listed = self.client.output_files(job_id)
        self.assertEqual([(file.path, file.bytes) for file in listed], [("out/copy.bin", 300_000), ("out/note.txt", 5)])
        self.assertEqual(self.client.read_output_file(job_id, "out/copy.bin"), content)
        self.assertEqual(listed[0].digest, files[0].digest)
        with self.assertRaises(pilotage.NotFound):
            self.client.read_output_file(job_id, "out/nothing")
        with Client(SERVER, token_file=token_file("eve")) as eve:
            with self.assertRaises(pilotage.NotFound):
                eve.read_output_file(job_id, "out/note.txt")
            stolen = JobSpec(executable="/bin/true", input_files=files)
            with self.assertRaises(pilotage.InvalidArgument):
                eve.submit([stolen])


class OthersTest(ClientTest):
    def test_another_vo_sees_nothing(self) -> None:
        (job_id,) = self.client.submit([held_back(name="python-private")]).job_ids
        with Client(SERVER, token_file=token_file("eve")) as eve:
            self.assertEqual(list(eve.list(job_ids=[job_id])), [])
            self.assertEqual(eve.kill([job_id])[0].refusal, "not-found")
            for look in (eve.history, eve.explain, eve.spec, eve.read_output):
                with self.assertRaises(pilotage.NotFound):
                    look(job_id)
            with self.assertRaises(pilotage.Forbidden):
                list(eve.list(vo="vo1"))
            with self.assertRaises(pilotage.NotFound):
                list(eve.watch([job_id]))
        self.assertEqual(self.client.kill([job_id])[0].state, JobState.KILLED)

    def test_another_member_may_look_and_not_touch(self) -> None:
        (job_id,) = self.client.submit([held_back(name="python-shared")]).job_ids
        with Client(SERVER, token_file=token_file("bob")) as bob:
            self.assertEqual([job.job_id for job in bob.list(job_ids=[job_id])], [job_id])
            self.assertEqual(bob.kill([job_id])[0].refusal, "forbidden")
        self.client.kill([job_id])

    def test_a_wrong_token(self) -> None:
        with Client(SERVER, token="abc.def.ghi") as stranger, self.assertRaises(pilotage.Unauthenticated):
            next(stranger.list())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
