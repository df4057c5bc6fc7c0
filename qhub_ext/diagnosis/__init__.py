"""What the facts of jobs mean. Pure functions of plain data; they ask nobody.

evidence  all that is known of one job
rules     small functions over it, each of which finds one cause or none
explain   the answer: findings in their order
chance    what chance explains
counts    how counts of two runs differ, and whether shots explain it
drift     what moved from one calibration to another
"""
