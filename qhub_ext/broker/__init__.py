"""The second-level scheduler: inside what the site scheduler granted, it decides whose quantum task runs next on a device.

allocation > session > task > slice > shot. A task is cut into slices; between two slices another task may have its turn, and what is
finished is kept. `work`, `profiles`, `fair_share`, `windows`, `task_queue` and `policy` are pure: plain data and a moment in, a decision out.
"""
