"""Doing something in a forked child, which must end."""

import os
import pickle
import signal
import sys
import traceback

CHILD_SECONDS = 20


def in_child(work):
    """What `work()` returns in a forked child; fails when it raises, or does not end in 20 s."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(CHILD_SECONDS)  # whatever waits for ever is killed
            os.write(writer, pickle.dumps(work()))
            status = 0
        except BaseException:  # noqa: BLE001  # told here; the child must not go on as a second test run
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer = answers.read()
    status = os.waitpid(child, 0)[1]
    assert status == 0, f"the child ended with {os.waitstatus_to_exitcode(status)}"
    return pickle.loads(answer)
