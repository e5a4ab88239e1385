"""The few lines of `/proc/PID` that say who a process is (proc(5)): pure parsers, no I/O.

Every parser takes the file's bytes and raises `ProcessRefusedError` when they are not what the kernel writes.
"""

from dataclasses import dataclass
from operator import itemgetter

from attestors.errors import ProcessRefusedError

_DEAD_STATES = frozenset((b"Z", b"X", b"x"))
# Positions after the closing parenthesis of the command name; proc(5) counts from 1 and the first is `state`, field 3.
_STATE, _PARENT, _START_TIME, _START_CODE, _START_STACK, _ARG_START = (field - 3 for field in (3, 4, 22, 26, 28, 48))


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One reading of `/proc/PID/stat`.

    Attributes:
        alive: False for a zombie (its thread group leader has ended).
        parent_pid: the parent at this moment.
        start_time: clock ticks since boot; with the pid it names one process.
        start_code, start_stack, arg_start: addresses that `execve` draws anew; 0 without the right to ptrace.
    """

    alive: bool
    parent_pid: int
    start_time: int
    start_code: int
    start_stack: int
    arg_start: int

    @property
    def shows_addresses(self) -> bool:
        """Whether the kernel told the addresses, by which an `execve` of the same program is noticed."""
        return self.start_code != 0 and self.start_stack != 0


@dataclass(frozen=True, slots=True)
class Credentials:
    """The ids of a process: `(real, effective)` pairs, and the supplementary groups in ascending order."""

    uids: tuple[int, int]
    gids: tuple[int, int]
    groups: tuple[int, ...]


def parse_stat(content: bytes) -> ProcessStat:
    """Read `/proc/PID/stat`; the command name in it may hold spaces and parentheses, so the last one counts."""
    fields = content[content.rfind(b")") + 2 :].split()
    try:
        return ProcessStat(
            alive=fields[_STATE] not in _DEAD_STATES,
            parent_pid=int(fields[_PARENT]),
            start_time=int(fields[_START_TIME]),
            start_code=int(fields[_START_CODE]),
            start_stack=int(fields[_START_STACK]),
            arg_start=int(fields[_ARG_START]),
        )
    except (IndexError, ValueError) as error:
        raise ProcessRefusedError("the kernel's stat line of the process does not parse") from error


_image_fields = itemgetter(_START_TIME, _START_CODE, _START_STACK, _ARG_START)


def image_of(content: bytes) -> tuple[bytes, ...] | None:
    """What of `/proc/PID/stat` stays the same while one process runs one program image; None when it has ended.

    It is for comparing only, on every call: a tenth of what `parse_stat` costs.
    """
    fields = content[content.rfind(b")") + 2 :].split(b" ", _ARG_START + 1)
    try:
        return None if fields[_STATE] in _DEAD_STATES else _image_fields(fields)
    except IndexError as error:
        raise ProcessRefusedError("the kernel's stat line of the process does not parse") from error


def parse_status(content: bytes) -> Credentials:
    """Read the `Uid`, `Gid` and `Groups` lines of `/proc/PID/status`.

    Only the first of each counts: the command name comes before them, and the kernel escapes newlines in it.
    """
    found: dict[bytes, list[int]] = {}
    try:
        for line in content.splitlines():
            key, _, value = line.partition(b":")
            if key in (b"Uid", b"Gid", b"Groups") and key not in found:
                found[key] = [int(word) for word in value.split()]
        uids, gids = found[b"Uid"], found[b"Gid"]
        return Credentials((uids[0], uids[1]), (gids[0], gids[1]), tuple(sorted(found[b"Groups"])))
    except (KeyError, IndexError, ValueError) as error:
        raise ProcessRefusedError("the kernel's status of the process does not parse") from error


def overflow_uid(content: bytes) -> int:
    """Read `/proc/sys/kernel/overflowuid`: the uid that stands for "unknown in this user namespace"."""
    return int(content)
