"""The client for asyncio against a served installation: the same calls, awaited, and cancelled."""

import asyncio
import tempfile
import time
import unittest

import pilotage
from installation import SERVER, token_file
from pilotage import AsyncClient, JobFilter, JobSpec, JobState
from test_client import SMALL, WITHIN, held_back, shell


class AsyncClientTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.client = await self.enterAsyncContext(AsyncClient(SERVER, token_file=token_file("ada")))

    async def test_runs_jobs_and_reads_their_outputs_side_by_side(self) -> None:
        answer = await self.client.submit([shell(f"echo out-{at}; echo err >&2") for at in range(3)])
        jobs = await self.client.wait(answer.job_ids, timeout=WITHIN)
        self.assertEqual([(job.job_id, job.state) for job in jobs], [(job_id, JobState.DONE) for job_id in answer.job_ids])
        outputs = await asyncio.gather(*(self.client.read_output(job_id) for job_id in answer.job_ids))
        self.assertEqual(outputs, [f"out-{at}\n".encode() for at in range(3)])
        self.assertEqual(await self.client.read_output(answer.job_ids[0], name="stderr"), b"err\n")

    async def test_takes_jobs_from_an_asynchronous_source(self) -> None:
        async def source():
            for _ in range(1500):
                yield held_back(name="python-source")

        answers = [answer async for answer in self.client.submit_each(source())]
        ids = [job_id for answer in answers for job_id in answer.job_ids]
        self.assertEqual([len(answer.job_ids) for answer in answers], [1000, 500])
        killed = await self.client.kill(ids)
        self.assertTrue(all(job.changed for job in killed))

    async def test_steers_lists_and_explains(self) -> None:
        (job_id,) = (await self.client.submit([held_back(name="python-async")])).job_ids
        self.assertEqual((await self.client.hold([job_id]))[0].state, JobState.HELD)
        self.assertEqual([job.name async for job in self.client.list(job_ids=[job_id])], ["python-async"])
        self.assertEqual((await self.client.release([job_id]))[0].state, JobState.WAITING)
        self.assertIn("cores", (await self.client.explain(job_id)).summary)
        self.assertEqual((await self.client.spec(job_id)).name, "python-async")
        self.assertEqual((await self.client.kill([job_id]))[0].state, JobState.KILLED)
        self.assertGreater(len(await self.client.history(job_id)), 2)
        self.assertIsNotNone((await self.client.reschedule([job_id]))[0].new_job_id)

    async def test_peeks_at_a_running_payload(self) -> None:
        (job_id,) = (await self.client.submit([shell("echo one; sleep 2; echo two")])).job_ids
        data = b"".join([piece.data async for piece in self.client.peek(job_id, timeout=WITHIN)])
        self.assertEqual(data, b"one\ntwo\n")

    async def test_sends_and_reads_files(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"abc")
            file.flush()
            sent = await self.client.put_file(file.name, name="given.txt")
        job = JobSpec(
            executable="/bin/cp", arguments=["given.txt", "left.txt"], input_files=[sent], output_files=["left.txt"], requirements=SMALL
        )
        (job_id,) = (await self.client.submit([job])).job_ids
        await self.client.wait([job_id], timeout=WITHIN)
        self.assertEqual([file.path for file in await self.client.output_files(job_id)], ["left.txt"])
        self.assertEqual(await self.client.read_output_file(job_id, "left.txt"), b"abc")

    async def test_steers_all_that_a_filter_selects(self) -> None:
        ids = (await self.client.submit([held_back(job_group="python-async") for _ in range(5)])).job_ids
        mine = JobFilter(job_group="python-async")
        self.assertEqual({job.job_id for job in await self.client.set_priority(mine, 3)}, set(ids))
        self.assertEqual({job.state for job in await self.client.kill(mine)}, {JobState.KILLED})
        self.assertTrue(all(job.changed for job in await self.client.delete(ids)))

    async def test_raises_the_same_errors(self) -> None:
        with self.assertRaises(pilotage.InvalidArgument) as caught:
            await self.client.submit([pilotage.JobSpec(executable="")])
        self.assertEqual([violation.path for violation in caught.exception.violations], ["jobs[0].executable"])
        async with AsyncClient(SERVER, token_file=token_file("eve")) as eve:
            with self.assertRaises(pilotage.Forbidden):
                _ = [job async for job in eve.list(vo="vo1")]

    async def test_a_watch_ends_when_its_task_is_cancelled_or_its_time_is_over(self) -> None:
        (job_id,) = (await self.client.submit([held_back()])).job_ids
        task = asyncio.create_task(self.client.wait([job_id]))
        await asyncio.sleep(0.5)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        began = time.monotonic()
        with self.assertRaises(pilotage.DeadlineExceeded):
            await self.client.wait([job_id], timeout=0.5)
        self.assertLess(time.monotonic() - began, 5)
        await self.client.kill([job_id])


if __name__ == "__main__":
    unittest.main(verbosity=2)
