"""Builds the package: the code of the messages is generated from proto/pilotage/v1 when the wheel is built.

Nothing that is generated is kept in the tree, so it cannot be out of date. The tree of Pilotage is needed to build.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
FILES = ["pilotage/v1/job.proto", "pilotage/v1/sandbox.proto"]


class BuildWithMessages(build_py):
    """Generates pilotage/v1 beside the modules that are copied."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            generate(Path(self.build_lib))


def generate(target: Path) -> None:
    from grpc_tools import protoc

    if not (PROTO / FILES[0]).is_file():
        raise RuntimeError(f"{PROTO / FILES[0]} is missing: build the package in the tree of Pilotage")
    target.mkdir(parents=True, exist_ok=True)
    out = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    well_known = Path(protoc.__file__).parent / "_proto"
    status = protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *out, *FILES])
    if status != 0:
        raise RuntimeError(f"protoc ended with {status}")


setup(cmdclass={"build_py": BuildWithMessages})
