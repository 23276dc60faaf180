"""Keeps one child process, so that it can never outlive the program that wanted it.

The program holds the other end of this process's standard input. When that end
closes, also because the program was killed, every process below the child is
killed, and what the child held (a state folder, a shared memory segment) goes.

Started with one JSON argument:
  command       argv of the child; absent: only keep the folder
  log           file that the child's output is appended to
  lock          held shared while processes run; exclusively while removing
  remove        folder to delete at the end, or null
  dir           working directory of the child, or null
  unprivileged  true: the child may not run as root
  namespace     true: a user namespace may be used for that
  own           paths that the child must own when it runs as another user
  segment_of    a postmaster.pid whose shared memory segment is removed, or null

Reads one command a line (kill, freeze, thaw, signal N), answers each with
"done". Reports "started PID", "failed REASON" and "ended WAIT_STATUS".
"""

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import struct
import sys
import time

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT = 1, 8, 36, 47
CLONE_NEWUSER = 0x10000000
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
IPC_RMID = 0
MNT_DETACH = 2
INSIDE_ID = 1000  # what root is called inside the user namespace
NOBODY = 65534

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def report(text):
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:
        pass  # nobody listens any more; the end of our input says so as well


# ---- processes below this one


def processes():
    """Every process as pid -> (parent, state letter)."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it ended while we looked
        found[int(entry)] = (int(fields[1]), fields[0])
    return found


def descendants(everyone=None):
    """Living processes below this one, as pid -> state letter, parents first."""
    everyone = everyone or processes()
    children = {}
    for pid, (parent, _) in everyone.items():
        children.setdefault(parent, []).append(pid)
    below, queue = {}, [os.getpid()]
    while queue:
        for pid in children.get(queue.pop(0), ()):
            queue.append(pid)
            if everyone[pid][1] not in (b"Z", b"X"):
                below[pid] = everyone[pid][1]
    return below


def signal_one(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def repeat_until_none_left(number, left):
    """Signals those that `left` names until it names none: processes fork meanwhile."""
    while True:
        pids = left()
        for pid in pids:
            signal_one(pid, number)
        reap()
        if not pids:
            return
        time.sleep(0.001)


def kill_all():
    repeat_until_none_left(signal.SIGKILL, lambda: list(descendants()))


def moving():
    """Descendants that do not stand yet.

    Whoever has vforked sleeps in the kernel until its child execs, and so never
    stops while that child is stopped: it stands as well as the others.
    """
    everyone = processes()
    below = descendants(everyone)
    stopped = {pid for pid, state in below.items() if state in (b"T", b"t")}
    parents = {everyone[pid][0] for pid in stopped}
    return [
        pid
        for pid, state in below.items()
        if pid not in stopped and not (state == b"D" and pid in parents)
    ]


def freeze_all():
    repeat_until_none_left(signal.SIGSTOP, moving)


def thaw_all():
    for pid in descendants():
        signal_one(pid, signal.SIGCONT)


child = None
ended = None


def reap():
    """Collects what ended; as the subreaper we inherit the orphans too."""
    global ended
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid == child:
                ended = status
    except ChildProcessError:
        return


# ---- the child's side of the fork


def enter_user_namespace():
    """Root outside, an ordinary user inside: file access stays what it was."""
    user, group = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INSIDE_ID} {user} 1"),
        ("gid_map", f"{INSIDE_ID} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as handle:
            handle.write(text)


def namespace_allowed():
    """Tries it in a process of its own: a half-made namespace cannot be left."""
    pid = os.fork()
    if pid == 0:
        try:
            enter_user_namespace()
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def become_nobody(paths):
    """Another user, who keeps only the right to pass closed folders, if it can be kept."""
    for path in paths:
        for folder, _, files in os.walk(path):
            for name in [folder, *(os.path.join(folder, file) for file in files)]:
                os.chown(name, NOBODY, NOBODY, follow_symlinks=False)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    keep = 1 << CAP_DAC_OVERRIDE
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    if libc.capset(header, struct.pack("6I", keep, keep, keep, 0, 0, 0)) == 0:
        libc.prctl(PR_CAP_AMBIENT, 2, CAP_DAC_OVERRIDE, 0, 0)
    else:
        libc.capset(header, struct.pack("6I", 0, 0, 0, 0, 0, 0))


def run_child(task, keeper):
    os.setsid()
    log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if task.get("unprivileged") and os.geteuid() == 0:
        if task.get("namespace") and namespace_allowed():
            enter_user_namespace()
        else:
            become_nobody(task.get("own") or ())
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != keeper:
        os._exit(1)  # it died before the line above could see it
    if task.get("dir"):
        os.chdir(task["dir"])
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    os.execve(task["command"][0], task["command"], os.environ)


def start_child(task):
    """Forks and waits until the new program runs: the pipe closes at the exec."""
    global child
    keeper = os.getpid()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run_child(task, keeper)
        except BaseException as error:
            os.write(writer, str(error).encode())
        os._exit(127)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        problem = pipe.read().decode(errors="replace")
    if problem:
        report("failed " + problem.replace("\n", " "))
        sys.exit(1)
    report(f"started {child}")


# ---- the end


def remove_segment(pid_file):
    """A killed postmaster leaves a shared memory segment that no folder shows."""
    try:
        with open(pid_file) as handle:
            segment = int(handle.read().splitlines()[6].split()[1])
    except (OSError, IndexError, ValueError):
        return
    libc.shmctl(segment, IPC_RMID, None)


def unmount_below(folder):
    """A small disk that was mounted in the folder would keep it from going."""
    inside = os.path.realpath(folder) + "/"
    with open("/proc/self/mountinfo") as mounts:
        points = [line.split()[4].replace("\\040", " ") for line in mounts]
    for point in reversed(points):
        if point.startswith(inside):
            libc.umount2(os.fsencode(point), MNT_DETACH)


def remove_folder(path, lock):
    """Waits for the keepers of the processes in the folder, then deletes it."""
    if lock is not None:
        fcntl.flock(lock, fcntl.LOCK_EX)
    unmount_below(path)
    for _ in range(100):
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            return
        time.sleep(0.05)


def finish(task, lock):
    kill_all()
    if task.get("segment_of"):
        remove_segment(task["segment_of"])
    if ended is not None:
        report(f"ended {ended}")
    if task.get("remove"):
        remove_folder(task["remove"], lock)


def obey(line):
    name, _, argument = line.partition(b" ")
    if name == b"kill":
        kill_all()
    elif name == b"freeze":
        freeze_all()
    elif name == b"thaw":
        thaw_all()
    elif name == b"signal" and ended is None:
        signal_one(child, int(argument))
    report("done")


def serve(task, wakeup):
    """Until the program is gone, or the child is."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    pending = b""
    while True:
        for handle, _ in poll.poll():
            if handle == wakeup:
                if stopping(os.read(wakeup, 4096)):
                    return
                continue
            received = os.read(0, 4096)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                obey(line)
        reap()
        if ended is not None:
            return


def stopping(numbers):
    return any(number != signal.SIGCHLD for number in numbers)


def main():
    task = json.loads(sys.argv[1])
    wakeup, writer = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    lock = os.open(task["lock"], os.O_RDWR | os.O_CREAT, 0o600)
    if not task.get("remove"):
        fcntl.flock(lock, fcntl.LOCK_SH)
    call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if task.get("command"):
        start_child(task)
    else:
        report("started 0")
    serve(task, wakeup)
    finish(task, lock)


main()
