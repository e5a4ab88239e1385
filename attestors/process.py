"""Evidence `process`: what the kernel says about the process that called, and what its launcher says.

Beside the workload `collect` reads the facts of a held process; at the issuer `ProcessAttestor` appraises them. The facts
are worth what the sidecar's word is worth: an entry is matched only below the sidecar that reported them.
"""

from typing import Annotated, ClassVar

import msgspec

from attestors.base import Appraisal, AppraisalContext, Attestor, Origin
from attestors.cgroups import is_plain, parse_membership, read_facts
from attestors.errors import EvidenceRefusedError, ProcessRefusedError
from attestors.executables import ExecutableReader
from attestors.handle import ProcessHandle
from attestors.procfs import parse_status

_OVERFLOW_ID = 65534
_MAX_ID = 2**32 - 2

Identifier = Annotated[int, msgspec.Meta(ge=0, le=_MAX_ID)]
SHA256Hex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
AbsolutePath = Annotated[str, msgspec.Meta(pattern=r"\A/", max_length=4096)]


class LaunchEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The launcher's word about a process: what it was told to run, and who the launcher was.

    Attributes:
        uid, executable: the launcher's own, kernel facts about it.
        agent: the agent it was launched as (`acme/planner`); chooses among matching entries, opens none.
        script, script_sha256: the entry script's absolute path and digest when the launch was registered.
    """

    uid: Identifier
    executable: AbsolutePath | None = None
    agent: Annotated[str, msgspec.Meta(max_length=2048)] | None = None
    script: AbsolutePath | None = None
    script_sha256: SHA256Hex | None = None


class ProcessEvidence(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="attestor",
    tag="process",
):
    """The facts about one process, as they cross the wire.

    Attributes:
        uid, gid, groups: numeric, effective.
        executable: absolute path, or None where the path says nothing (another mount namespace) or is hidden.
        executable_sha256: digest of the file that runs, or None where the kernel hides it from the sidecar.
        cgroup: the control group path, or None where it does not parse.
        launch: present when the process was launched through the sidecar.
    """

    uid: Identifier
    gid: Identifier
    groups: Annotated[list[Identifier], msgspec.Meta(max_length=4096)] = []
    executable: AbsolutePath | None = None
    executable_sha256: SHA256Hex | None = None
    cgroup: AbsolutePath | None = None
    launch: LaunchEvidence | None = None


def collect(
    handle: ProcessHandle, executables: ExecutableReader, *, launch: LaunchEvidence | None = None
) -> ProcessEvidence:
    """Read every fact about a held process; all of them are of one program image, or it raises.

    May hash a file: call it off the event loop unless the program was seen before.

    Raises:
        ProcessRefusedError: the process ended or changed, runs a deleted file, or its real and effective ids differ.
    """
    handle.recheck()
    try:
        credentials = parse_status(handle.read("status"))
        cgroup = parse_membership(handle.read("cgroup"))
    except PermissionError as error:
        raise ProcessRefusedError(
            f"the kernel does not show process {handle.pid} to the sidecar", hint="look at the hidepid option of /proc"
        ) from error
    if credentials.uids != (handle.uid, handle.uid) or len(set(credentials.gids)) != 1:
        raise ProcessRefusedError(
            f"process {handle.pid} has different real and effective ids", hint="set-uid programs have no identity"
        )
    executable = executables.read(handle)
    handle.recheck()
    return ProcessEvidence(
        uid=handle.uid,
        gid=credentials.gids[0],
        groups=list(credentials.groups),
        executable=executable.path if executable and is_plain(executable.path or "") else None,
        executable_sha256=executable.sha256 if executable else None,
        cgroup=cgroup,
        launch=launch,
    )


def selectors_of(evidence: ProcessEvidence) -> frozenset[str]:
    """Turn facts into selectors; a fact that is missing gives none.

    Raises:
        EvidenceRefusedError: the uid is the overflow uid, which says that the kernel does not know it.
    """
    if evidence.uid == _OVERFLOW_ID:
        raise EvidenceRefusedError(
            "uid 65534 is the kernel's word for an unknown user", hint="run the workload as a user of its own"
        )
    found = {f"unix:uid:{evidence.uid}"}
    if evidence.gid != _OVERFLOW_ID:
        found.add(f"unix:gid:{evidence.gid}")
    found.update(f"unix:supplementary-gid:{gid}" for gid in evidence.groups if gid != _OVERFLOW_ID)
    if evidence.executable is not None:
        found.add(f"unix:path:{evidence.executable}")
    if evidence.executable_sha256 is not None:
        found.add(f"unix:sha256:{evidence.executable_sha256}")
    if evidence.cgroup is not None:
        found |= _cgroup_selectors(evidence.cgroup)
    if evidence.launch is not None:
        found |= _launch_selectors(evidence.launch)
    return frozenset(found)


def _cgroup_selectors(path: str) -> set[str]:
    facts = read_facts(path)
    found = {f"cgroup:path:{path}"} if is_plain(path) else set()
    if facts.unit is not None:
        found.add(f"systemd:unit:{facts.unit}")
    if facts.container_id is not None:
        found.add(f"container:id:{facts.container_id}")
    if facts.pod_uid is not None:
        found.add(f"k8s:pod-uid:{facts.pod_uid}")
    return found


def _launch_selectors(launch: LaunchEvidence) -> set[str]:
    found = {f"launch:uid:{launch.uid}"}
    if launch.executable is not None:
        found.add(f"launch:path:{launch.executable}")
    if launch.script is not None:
        found.add(f"launch:script:{launch.script}")
    if launch.script_sha256 is not None:
        found.add(f"launch:script-sha256:{launch.script_sha256}")
    return found


class ProcessAttestor(Attestor):
    """Appraises process facts; only from a sidecar that has joined."""

    name: ClassVar[str] = "process"
    origins: ClassVar[frozenset[Origin]] = frozenset({Origin.SIDECAR})
    repeatable: ClassVar[bool] = True
    selector_types: ClassVar[frozenset[str]] = frozenset({"unix", "cgroup", "systemd", "container", "k8s", "launch"})

    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:  # noqa: ARG002 - the port's signature
        try:
            facts = _decoder.decode(evidence)
        except msgspec.MsgspecError as error:
            raise EvidenceRefusedError(f"the process evidence does not parse: {error}") from error
        return Appraisal(selectors=selectors_of(facts), subject=f"uid {facts.uid}")


_decoder = msgspec.json.Decoder(ProcessEvidence)
