"""A user's program in Python, without any .proto file: what the service is comes by reflection.

Arguments: host:port of the service and the path of a token. Prints a line per check, and ends with 1 where one fails.
"""

import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

server, token_path = sys.argv[1:]
with open(token_path, encoding="utf-8") as file:
    authorization = (("authorization", "Bearer " + file.read().strip()),)
# A web proxy that the environment names does not lead to a service on this machine.
channel = grpc.insecure_channel(server, options=[("grpc.enable_http_proxy", 0)])
database = ProtoReflectionDescriptorDatabase(channel)
pool = descriptor_pool.DescriptorPool(database)
within = {"metadata": authorization, "timeout": 30}


def message(name, /, **fields):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("pilotage.v1." + name))(**fields)


def method(path):
    service, name = path.split("/")
    found = pool.FindServiceByName(service).FindMethodByName(name)
    answer = message_factory.GetMessageClass(found.output_type)
    serialize = lambda request: request.SerializeToString()
    if found.client_streaming:
        return channel.stream_unary("/" + path, serialize, answer.FromString)
    return channel.unary_unary("/" + path, serialize, answer.FromString)


def refusal_of(error):
    """The google.rpc.Status in the trailing metadata, with the details that it has."""
    (encoded,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(encoded)
    details = {}
    for packed in status.details:
        kind = getattr(error_details_pb2, packed.type_url.rsplit(".", 1)[1])
        details[kind.__name__] = kind.FromString(packed.value)
    return status, details


def refused(call, request):
    try:
        call(request, **within)
    except grpc.RpcError as error:
        return error.code(), *refusal_of(error)
    raise AssertionError("it was accepted")


def check_services():
    services = set(database.get_services())
    wanted = {"pilotage.v1.JobService", "pilotage.v1.VmService", "pilotage.v1.OperateService", "grpc.health.v1.Health"}
    assert wanted <= services, services
    return f"{len(services)} services"


def check_descriptors():
    methods = [each for name in database.get_services() for each in pool.FindServiceByName(name).methods]
    for each in methods:
        assert message_factory.GetMessageClass(each.input_type)() is not None
        assert message_factory.GetMessageClass(each.output_type)() is not None
    environment = pool.FindMessageTypeByName("pilotage.v1.JobSpec").fields_by_name["environment"]
    assert environment.message_type.GetOptions().map_entry
    assert "max_attempts" in pool.FindMessageTypeByName("pilotage.v1.JobSpec").fields_by_name
    return f"{len(methods)} methods"


def check_health():
    health = message_factory.GetMessageClass(pool.FindMessageTypeByName("grpc.health.v1.HealthCheckRequest"))
    answer = method("grpc.health.v1.Health/Check")(health(service="pilotage.v1.JobService"), timeout=30)
    assert answer.status == 1, answer
    return "SERVING"


def check_jobs():
    specs = [message("JobSpec", executable="true", name=f"python-{at}", environment={"AT": str(at)}) for at in range(3)]
    answer = method("pilotage.v1.JobService/SubmitJobs")(message("SubmitJobsRequest", jobs=specs), **within)
    submitted = list(answer.job_ids)
    assert len(submitted) == 3, answer
    listing = method("pilotage.v1.JobService/ListJobs")
    listed, pages, token = [], 0, ""
    while True:
        page = listing(message("ListJobsRequest", page_size=2, page_token=token, states=[1]), **within)
        pages += 1
        assert len(page.jobs) <= 2, page
        listed += [job.job_id for job in page.jobs]
        token = page.next_page_token
        if token == "":
            break
    assert pages > 1 and listed == sorted(set(listed), reverse=True), (pages, listed)
    assert set(submitted) <= set(listed), (submitted, listed)
    return f"{len(listed)} jobs on {pages} pages"


def check_spec():
    given = message("JobSpec", executable="render", arguments=["--frame", "17"], environment={"SCENE": "a b"})
    submit = method("pilotage.v1.JobService/SubmitJobs")
    (job_id,) = submit(message("SubmitJobsRequest", jobs=[given]), **within).job_ids
    spec = method("pilotage.v1.JobService/GetJobSpec")(message("GetJobSpecRequest", job_id=job_id), **within).spec
    assert (spec.executable, list(spec.arguments), dict(spec.environment)) == ("render", ["--frame", "17"], {"SCENE": "a b"})
    assert len(submit(message("SubmitJobsRequest", jobs=[spec]), **within).job_ids) == 1
    return f"{spec.executable} {' '.join(spec.arguments)}"


def check_refusal():
    wrong = message("JobSpec", executable="", max_attempts=99, requirements=message("Requirements", wall_ms=1))
    jobs = [message("JobSpec", executable="true"), wrong]
    submit = method("pilotage.v1.JobService/SubmitJobs")
    code, status, details = refused(submit, message("SubmitJobsRequest", jobs=jobs))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and status.code == code.value[0], (code, status)
    info = details["ErrorInfo"]
    assert (info.reason, info.domain) == ("invalid-argument", "pilotage"), info
    fields = {violation.field for violation in details["BadRequest"].field_violations}
    wanted = {"jobs[1].executable", "jobs[1].max_attempts", "jobs[1].requirements.wall_ms"}
    assert fields == wanted, fields
    return ", ".join(sorted(fields))


def check_names():
    """Every name of a wrong field is one that the descriptors know."""
    jobs = method("pilotage.v1.JobService/ListJobs")
    fields = []
    for wrong in ({"page_size": 5000}, {"page_token": "?"}, {"job_ids": [1, 2, 0]}, {"states": [77]}):
        code, _, details = refused(jobs, message("ListJobsRequest", **wrong))
        assert code == grpc.StatusCode.INVALID_ARGUMENT, (wrong, code)
        fields += [violation.field for violation in details["BadRequest"].field_violations]
    assert fields == ["page_size", "page_token", "job_ids[2]", "states[0]"], fields
    return ", ".join(fields)


def check_large_numbers():
    spec = message("JobSpec", executable="true", requirements=message("Requirements", memory_bytes=2**60))
    submit = method("pilotage.v1.JobService/SubmitJobs")
    code, _, details = refused(submit, message("SubmitJobsRequest", jobs=[spec]))
    assert code == grpc.StatusCode.INVALID_ARGUMENT, code
    (violation,) = details["BadRequest"].field_violations
    assert violation.field == "jobs[0].requirements.memory_bytes", violation
    assert str(2**60) in violation.description, violation
    return violation.field


def check_stream():
    good, bad = message("JobSpec", executable="true"), message("JobSpec", executable="")
    requests = [message("SubmitJobsRequest", jobs=[good], idempotency_key="python-stream")]
    requests.append(message("SubmitJobsRequest", jobs=[good, bad]))
    stream = method("pilotage.v1.JobService/SubmitJobStream")
    code, _, details = refused(stream, iter(requests))
    assert code == grpc.StatusCode.INVALID_ARGUMENT, code
    (violation,) = details["BadRequest"].field_violations
    assert violation.field == "messages[1].jobs[1].executable", violation
    accepted = details["ErrorInfo"].metadata
    assert accepted["acceptedMessages"] == "1", accepted
    again = method("pilotage.v1.JobService/SubmitJobs")(requests[0], **within)
    assert accepted["acceptedJobIds"] == str(again.job_ids[0]), (accepted, again)
    return f"{violation.field}, accepted {accepted['acceptedJobIds']}"


failed = 0
for name, check in list(globals().items()):
    if not name.startswith("check_"):
        continue
    try:
        print("ok", name[6:], check(), sep="  ")
    except Exception as problem:  # pylint: disable=broad-except
        failed += 1
        print("FAILED", name[6:], type(problem).__name__, problem, sep="  ")
sys.exit(1 if failed else 0)
