"""A cell and what it needs, turned into plain files. Runs in the user's kernel; `thaw`, `runtime`, `search_path` and `mismatch` also run in the job's.

    command        the %%qpu line -> `request`; `options` is the table, `option_values` reads what stands behind one, `quantity` and `sweep`
                   among it; `keywords` takes names and values in place of a line, `slips` says what was meant
    names          the cell -> the names that it reads, binds and changes
    freeze, thaw   names -> manifest.json and one file per name, and back; `frozen` is what comes out, `pickling`, `binding` and
                   `circuits` are the ways in which values are written, `values` says what one is, `stays` which cannot go
    flow           how the names of a cell are followed: `findings`, `statements`, `expressions`, `scopes`, `inert`, `magic_text`
    losses         what values lose on the way, in sentences; `spawned` of functions that other processes cannot find
    fingerprint    has a value of the notebook changed since?
    unchanged      which values are still what they were when they were thawed?
    runtime        Python, packages and environment of this place
    search_path    folders that a person put into `sys.path`
    blas, machine  what it has below the packages: libraries of linear algebra; system, CPU, GPUs, container
    mismatch       how another place differs, and whether values may be loaded there

Nothing here imports qiskit, numpy or pandas: what a notebook has not imported, its values do not need.
"""
