"""The control group path: which unit, container and pod it names, and which names in it are worth nothing."""

import pytest

from attestors.cgroups import CgroupFacts, parse_membership, read_facts

CONTAINER = "4f" * 32
OTHER = "ab" * 32
POD = "0f6f3b0e-93ad-4b1c-8d1c-5b6a1f2e3d4c"
POD_ = POD.replace("-", "_")


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        (f"/docker/{CONTAINER}", CgroupFacts(None, CONTAINER, None)),
        (f"/system.slice/docker-{CONTAINER}.scope", CgroupFacts(f"docker-{CONTAINER}.scope", CONTAINER, None)),
        (
            f"/machine.slice/libpod-{CONTAINER}.scope/container",
            CgroupFacts(f"libpod-{CONTAINER}.scope", CONTAINER, None),
        ),
        (f"/kubepods/burstable/pod{POD}/{CONTAINER}", CgroupFacts(None, CONTAINER, POD)),
        (f"/kubepods/pod{POD}/crio-{CONTAINER}", CgroupFacts(None, CONTAINER, POD)),
        (
            f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{POD_}.slice/cri-containerd-{CONTAINER}.scope",
            CgroupFacts(f"cri-containerd-{CONTAINER}.scope", CONTAINER, POD),
        ),
        (
            f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{POD_}.slice/crio-{CONTAINER}.scope",
            CgroupFacts(f"crio-{CONTAINER}.scope", CONTAINER, POD),
        ),
        (
            f"/system.slice/containerd.service/kubepods-burstable-pod{POD_}.slice:cri-containerd:{CONTAINER}",
            CgroupFacts("containerd.service", CONTAINER, POD),
        ),
        (
            f"/../../kubepods-burstable-pod{POD_}.slice/crio-{CONTAINER}.scope",
            CgroupFacts(f"crio-{CONTAINER}.scope", CONTAINER, POD),
        ),
        ("/system.slice/planner.service", CgroupFacts("planner.service", None, None)),
        ("/user.slice/user-1000.slice/session-3.scope", CgroupFacts("session-3.scope", None, None)),
        ("/", CgroupFacts()),
        (
            f"/machine.slice/libpod-conmon-{CONTAINER}.scope",
            CgroupFacts(f"libpod-conmon-{CONTAINER}.scope", None, None),
        ),
    ],
)
def test_each_runtime_and_driver_is_read(path: str, facts: CgroupFacts) -> None:
    """Unit, container and pod are found in the layout of every runtime and both cgroup drivers."""
    assert read_facts(path) == facts


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        (
            f"/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{OTHER}.scope",
            CgroupFacts("user@1000.service"),
        ),
        (f"/system.slice/agent.service/kubepods/pod{POD}/{OTHER}", CgroupFacts("agent.service")),
        (f"/docker/{CONTAINER}/system.slice/payroll.service", CgroupFacts(None, CONTAINER)),
        (f"/docker/{CONTAINER}/docker/{OTHER}", CgroupFacts(None, CONTAINER)),
        (f"/kubepods/pod{POD}/{CONTAINER}/kubepods/pod{'11' * 16}/{OTHER}", CgroupFacts(None, CONTAINER, POD)),
    ],
)
def test_groups_that_a_workload_can_name_itself_say_nothing(path: str, facts: CgroupFacts) -> None:
    """The outermost name counts: a delegated subtree cannot claim another unit, container or pod."""
    assert read_facts(path) == facts


@pytest.mark.parametrize(
    "path", ["relative/planner.service", "/a\x1b/planner.service", "/planner.service (deleted)", ""]
)
def test_a_path_that_is_not_plain_says_nothing(path: str) -> None:
    """Control characters, removed groups and relative paths give no facts."""
    assert read_facts(path) == CgroupFacts()


def test_the_membership_that_matters_is_chosen() -> None:
    """systemd's hierarchy wins over the unified one, that one over the others; the root is the last resort."""
    assert parse_membership(b"2:cpu:/c\n1:name=systemd:/s\n0::/u\n") == "/s"
    assert parse_membership(b"2:cpu:/c\n1:name=systemd:/\n0::/u\n") == "/u"
    assert parse_membership(b"4:pids:/p\n2:cpu,cpuacct:/c\n0::/\n") == "/c"
    assert parse_membership(b"0::/\n") == "/"
    assert parse_membership(b"0::/a:b\n") == "/a:b"


def test_a_membership_that_does_not_decode_is_none() -> None:
    """A group name of other bytes than UTF-8 gives no path rather than a mangled one."""
    assert parse_membership(b"0::/\xff\xfe.service\n") is None
