"""The site scheduler that comes with the package: a queue in a folder, and a small daemon that leaves when idle.

Runs on one host, for one user; kernel, Jupyter server and command share the queue. It reads and writes the spool
(`spool`) and job folders, and nothing else passes between its processes.

    site        EmbeddedSite, the client: writes submissions and requests, reads the table [k s]. Its parts:
                submission and verbs (what it writes), queue_view (what it reads), daemon_process (starts and finds the daemon)
    spool       file names of the queue's folder; the bell that wakes the daemon
    table       the jobs that wait or run, as a journal that survives kill -9
    policy      who is next, why one waits, when it may start: pure functions of the table
    daemon      the one process that decides; its loop [d]. Its parts:
                letterbox (what clients ask for), line (jobs that wait), runs (attempts that have been started),
                ends (outcomes), starters (how an attempt begins), journals and attempt_files (what it leaves in job folders)
    launcher    the parent of one script: holds the attempt's lock and records how it ended; stdlib, run by path
    template    a process that runners are forked from, with their imports done (`template_launcher`); leaves with the daemon
    warm        kernels kept ready with the user's imports done (`warm_launcher`)
    kept        a process that the daemon keeps ready, as both are
    succession  a daemon of older code makes room for one of the `installed_code`
    checkup     what `qhub doctor` says of the site
    verdict     what to say of an attempt whose runner left without an outcome: pure
    dependencies, processes, script, log, launch, launcher_log     what their names say
"""
