"""What a control group path says about a process: its systemd unit, container and Kubernetes pod. Pure, no I/O.

Who may name a control group decides what the name is worth. A systemd service with `Delegate=`, a user's own manager
(`user@1000.service`) and a container with a delegated subtree all name the groups *below* them as they like. So:

- the outermost match counts, never a deeper one;
- below a unit that systemd started, nothing is read any more, except below the container runtimes' own units.

Patterns, by runtime and cgroup driver:

    docker      /docker/<id>                     /system.slice/docker-<id>.scope
    podman      /machine.slice/libpod-<id>.scope (conmon's own: libpod-conmon-<id>.scope, no container)
    containerd  /kubepods/burstable/pod<uid>/<id>
                /kubepods.slice/…/kubepods-burstable-pod<uid with _>.slice/cri-containerd-<id>.scope
                /system.slice/containerd.service/kubepods-burstable-pod<uid with _>.slice:cri-containerd:<id>
    cri-o       …/crio-<id>.scope                …/crio-<id>
"""

import re
from dataclasses import dataclass
from typing import Final

_UNIFIED: Final = "0::"
_SYSTEMD_HIERARCHY: Final = "name=systemd"

_CONTAINER: Final = re.compile(r"(?:[a-z0-9-]*-|[^/]*:)?(?P<id>[0-9a-f]{64})(?:\.scope)?")
_NOT_A_CONTAINER: Final = ("libpod-conmon-", "crio-conmon-", "docker-conmon-")
_POD: Final = re.compile(
    r"(?:(?:kubelet-)?kubepods(?:-besteffort|-burstable)?-)?pod"
    r"(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?::.*)?"
)
_UNIT: Final = re.compile(r"[^/]+\.(?:service|scope)")
_RUNTIME_UNITS: Final = frozenset(
    {"containerd.service", "docker.service", "crio.service", "k3s.service", "kubelet.service"}
)


@dataclass(frozen=True, slots=True)
class CgroupFacts:
    """What a path says; each may be missing.

    Attributes:
        unit: the systemd service or scope that the process runs in, as PID 1 named it.
        container_id: 64 hex digits.
        pod_uid: of the Kubernetes pod, with dashes (a static pod's is its configuration's hash, 32 hex digits).
    """

    unit: str | None = None
    container_id: str | None = None
    pod_uid: str | None = None


def parse_membership(content: bytes) -> str | None:
    """Choose the path that matters from `/proc/PID/cgroup` (cgroups(7)); None when there is none or it does not parse.

    systemd's own hierarchy wins, then the unified one, then the first other that is not the root.
    """
    paths: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths[_UNIFIED if (number, controllers) == ("0", "") else controllers] = path
    ranked = [paths.pop(_SYSTEMD_HIERARCHY, "/"), paths.pop(_UNIFIED, "/"), *(paths[name] for name in sorted(paths))]
    chosen = next((path for path in ranked if path != "/"), "/")
    return chosen if is_plain(chosen) else None


def is_plain(path: str) -> bool:
    """Whether a path is one that can be named in a selector: absolute, printable, decoded whole, not a removed group's."""
    return path.startswith("/") and path.isprintable() and "\ufffd" not in path and not path.endswith(" (deleted)")


def read_facts(path: str) -> CgroupFacts:
    """Read what a path says. A path that is not plain says nothing."""
    if not is_plain(path):
        return CgroupFacts()
    unit = pod_uid = None
    for segment in path.split("/"):
        pod_uid = pod_uid or _pod_uid(segment)
        container_id = _container_id(segment)
        if unit is None and _UNIT.fullmatch(segment):
            unit = segment
        if container_id is not None:
            return CgroupFacts(unit, container_id, pod_uid)
        if unit is not None and unit not in _RUNTIME_UNITS:
            return CgroupFacts(unit, None, pod_uid)
    return CgroupFacts(unit, None, pod_uid)


def _container_id(segment: str) -> str | None:
    match = _CONTAINER.fullmatch(segment)
    return match["id"] if match and not segment.startswith(_NOT_A_CONTAINER) else None


def _pod_uid(segment: str) -> str | None:
    match = _POD.fullmatch(segment)
    return match["uid"].replace("_", "-") if match else None
