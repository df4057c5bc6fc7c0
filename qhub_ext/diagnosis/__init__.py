"""What the facts of jobs mean. Pure functions of plain data; they ask nobody.

counts   how counts of two runs differ, and whether shots explain it
drift    what moved from one calibration to another
"""
