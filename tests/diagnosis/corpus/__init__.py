"""Faults made to happen, each with the cause that an explanation must name.

case        what a case is
place       the sites, virtual QPUs and broker that all cases share
user_code, surroundings, queue, devices, doubts    the cases
run         runs them side by side, and adds up what was said: the confusion matrix
"""
