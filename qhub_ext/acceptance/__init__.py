"""Site acceptance: a table of small jobs with what is expected of each (`plan`), carried out on the configured site (`carry_out`), and the
report of it (`report`), which can be signed (`page`)."""
