"""The parent of one script: proves that the attempt is alive, and records how it ended.

    python -I -S launch.py run  ATTEMPT SCRIPT SPOOL [DAEMON COMMAND ...]
    python -I -S launch.py warm SPOOL RUNNER-COMMAND-JSON [DAEMON COMMAND ...]        (warm_launcher)

Stdlib only and run by path, because it is started for every job and outlives the daemon: few imports, little memory.
It leads a session of its own. `launch.json` is created exclusively before the script may begin: whoever comes second
leaves, so that an attempt runs at most once whatever dies in between. A TERM goes to the script's process alone.
At its end it rings the daemon, and starts it again if something killed it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time

TYPE_CHECKING = False  # as `typing` has it, without importing that
if TYPE_CHECKING:
    from collections.abc import Callable

try:
    # The functions that `signal` wraps into enums: those would take a third of the time in which a launcher starts.
    import _signal as signal  # type: ignore[import-not-found]
except ImportError:
    import signal

# what the daemon reads from the exit status; 0 otherwise
NOT_FIRST, NO_FOLDER, NO_SPACE, BAD_WORD = 70, 66, 74, 65

WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_LINUX = os.path.exists("/proc/self/stat")


def main(arguments: list[str]) -> int:
    # blocked, then waited for: a signal that comes early is kept, and there is no handler to race with
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    return guarded(lambda: _act(arguments), arguments[1] if arguments[0] == "run" else "")


def guarded(act: Callable[[], int], attempt: str) -> int:
    try:
        return act()
    except OSError as error:
        say(str(error), attempt)
        return NO_FOLDER if isinstance(error, FileNotFoundError) else NO_SPACE


def _act(arguments: list[str]) -> int:
    if arguments[0] == "run":
        attempt, script, spool, *daemon = arguments[1:]
        return run(attempt, lambda lock: become(["/bin/bash", script], lock), spool, daemon)
    import warm_launcher  # type: ignore[import-not-found]  # beside this file; only this way needs json and select

    spool, command, *daemon = arguments[1:]
    return int(warm_launcher.warm(spool, command, daemon))


def run(attempt: str, begin: Callable[[int], None], spool: str, daemon: list[str], *, how: str = "cold") -> int:
    """`begin` is what the forked child does once the attempt is ours; it gets the descriptor of the lock."""
    lock = open_attempt(attempt)
    gate, opener = os.pipe()
    usual = set_oom_score("500")  # when memory runs out the kernel should take the job, not who looks after it
    child = os.fork()
    if child == 0:
        _step_in(attempt, gate, opener, begin, lock)
    set_oom_score(usual)
    os.close(gate)
    oom_kills = count_oom_kills()
    if not claim(attempt, child, oom_kills, how) or os.path.exists(f"{attempt}/outcome.json"):
        os.close(opener)  # the child reads the end of the pipe, and leaves
        os.waitpid(child, 0)
        return NOT_FIRST
    os.write(opener, b"!")
    os.close(opener)
    status = wait_for(child)
    finish(attempt, status, spool, daemon)
    return 0


def open_attempt(attempt: str) -> int:
    """Makes the attempt's folder (not its parents: a job folder that was removed stays so) and takes its lock."""
    for path in (os.path.dirname(attempt), attempt):
        if not os.path.isdir(path):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                continue
    lock = os.open(f"{attempt}/alive.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # shared: a second launcher must not block here, and whoever asks "is it alive?" tries for an exclusive one
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def claim(attempt: str, child: int, oom_kills: int, how: str) -> bool:
    """Creates launch.json, whole and only once; False when somebody was first. `how` it started: cold, forked or warm."""
    ticks = start_time(os.getpid()), start_time(child)
    text = (
        f'{{"pid":{os.getpid()},"start_time":{ticks[0]},"session":{os.getsid(0)},"boot_id":"{boot_id()}",'
        f'"script":{{"pid":{child},"start_time":{ticks[1]}}},"at":{time.time():.6f},"oom_kills":{oom_kills},'
        f'"how":"{how}"}}\n'
    )
    draft, path = f"{attempt}/.launch.json.{os.getpid()}", f"{attempt}/launch.json"
    write(draft, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def wait_for(child: int) -> int:
    """The wait status of the script; a TERM meanwhile goes to the script's process, and to no other."""
    while True:
        number = signal.sigwait(WATCHED)
        if number == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status
        elif number == signal.SIGTERM:
            os.kill(child, signal.SIGTERM)  # not reaped yet: the pid is its own, even if it has ended


def finish(attempt: str, status: int, spool: str, daemon: list[str]) -> None:
    how = f'"signal":{os.WTERMSIG(status)}' if os.WIFSIGNALED(status) else f'"returncode":{os.WEXITSTATUS(status)}'
    text = f'{{{how},"at":{time.time():.6f},"oom_kills":{count_oom_kills()}}}\n'
    draft = f"{attempt}/.exit.json.{os.getpid()}"
    try:
        write(draft, text)
        os.replace(draft, f"{attempt}/exit.json")
    except OSError as error:
        # the folder is gone or the disk is full: the daemon then says that the exit code is unknown
        say(f"exit.json could not be written: {error}", attempt)
    kill_leftovers()
    ring(spool, daemon)


def kill_leftovers() -> None:
    """What the script left behind in this session."""
    me, session = os.getpid(), os.getsid(0)
    for _ in range(20):
        left = [pid for pid in _members(session) if pid != me]
        if not left:
            return
        for pid in left:
            try:
                if os.getsid(pid) == session:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.005)


def ring(spool: str, daemon: list[str]) -> None:
    """Wakes the daemon; starts it when it was killed (it removes daemon.json when it leaves by itself)."""
    try:
        bell = os.open(f"{spool}/bell", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(bell, b"!")
        os.close(bell)
    except BlockingIOError:
        pass  # it has rings enough to hear
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EPIPE) and daemon and os.path.exists(f"{spool}/daemon.json"):
            os.environ.pop("QHUB_ATTEMPT", None)
            # a session of its own: ours is a job's
            os.posix_spawn(daemon[0], daemon, os.environ, setsid=True, setsigmask=[])


def become(command: list[str], lock: int = -1) -> None:
    """The last steps in the child: the signals as a program expects them, the lock kept open, then exec."""
    # Python ignores PIPE and XFSZ, and a shell's background child INT and QUIT; a job's interrupt is an INT
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if lock >= 0:
        os.set_inheritable(lock, True)
    os.execv(command[0], command)  # noqa: S606 - a list of arguments, no shell


def _step_in(attempt: str, gate: int, opener: int, begin: Callable[[int], None], lock: int) -> None:
    try:
        os.close(opener)
        if not os.read(gate, 1):
            os._exit(NOT_FIRST)
        os.close(gate)
        console = open_console(attempt)
        os.dup2(console, 1)
        os.dup2(console, 2)
        os.close(console)
        os.chdir(os.path.dirname(os.path.dirname(attempt)))
        os.environ["QHUB_ATTEMPT"] = os.path.basename(attempt)
        begin(lock)
    except BaseException as error:  # noqa: BLE001 - in a forked child nothing may travel up
        os.write(2, f"{_line(str(error), attempt)}\n".encode())
    finally:
        os._exit(127)


def open_console(attempt: str) -> int:
    return os.open(f"{attempt}/console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def set_oom_score(score: str) -> str:
    """Returns the score that was there."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            before = file.read().strip()
            file.seek(0)
            file.write(score)
    except OSError:
        return score  # not Linux, or a container that forbids it: then the kernel chooses as it likes
    return before


def count_oom_kills() -> int:
    try:
        with open("/proc/vmstat") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except OSError:
        pass  # not Linux
    return 0


def write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def start_time(pid: int) -> str:
    """As `qhub_ext.sites.embedded.processes` counts it."""
    if _LINUX:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
        return text[text.rfind(b")") + 2 :].split()[19].decode()
    _add_site_packages()
    import psutil

    return repr(psutil.Process(pid).create_time())


def _members(session: int) -> list[int]:
    if not _LINUX:
        _add_site_packages()
        import psutil

        return [pid for pid in psutil.pids() if _session(pid) == session]
    wanted, found = str(session).encode(), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    text = file.read()
            except (FileNotFoundError, ProcessLookupError):
                continue
            fields = text[text.rfind(b")") + 2 :].split(None, 4)
            if fields[3] == wanted and fields[0] not in (b"Z", b"X"):
                found.append(int(name))
    return found


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _add_site_packages() -> None:
    import site

    site.main()


def say(text: str, attempt: str) -> None:
    """Into the daemon's log."""
    print(_line(text, attempt), file=sys.stderr, flush=True)


def _line(text: str, attempt: str) -> str:
    """Imported only when something is said, from beside this file however that was found."""
    if __package__:
        from qhub_ext.sites.embedded import launcher_log
    else:
        import launcher_log  # type: ignore[import-not-found,no-redef]
    return str(launcher_log.line(text, attempt))
