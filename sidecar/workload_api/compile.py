"""Compile workload.proto to workload.binpb (needs grpcio-tools, a development dependency).

Run as `python -m sidecar.workload_api.compile`; commit both files together.
"""

import importlib.resources
import sys
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]  # ships no types

_HERE = Path(__file__).parent


def compile_descriptors(target: Path) -> int:
    """Write the descriptor set of workload.proto and its imports to `target`; return protoc's exit code."""
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    arguments = [
        "protoc",
        f"--proto_path={_HERE}",
        f"--proto_path={well_known}",
        "--include_imports",
        f"--descriptor_set_out={target}",
        "workload.proto",
    ]
    return int(protoc.main(arguments))


if __name__ == "__main__":
    sys.exit(compile_descriptors(_HERE / "workload.binpb"))
