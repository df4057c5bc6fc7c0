"""The environment that a job ran in, written down (`lock`), built again (`environments`), compared (`difference`) and taken along
(`crate`).

Reads job folders and the live interpreter; writes locks and environments onto the shelf, and crates where a person says. Runs in the
kernel, in the terminal and, for what takes long, in a process of its own. Nothing here asks a site or a device.
"""
