"""Crash storms: a run is killed over and over at chosen points, and must end as if it never was.

__main__        the command `scripts/storm`
storm           the loop: kill, restart, check, next run
run, preload.cc the program that is killed, and what kills it
checkpoints     what it saves
events, points  which calls there are, which stage each belongs to, where to kill next
control         what an undisturbed run leaves on the hub
check, traffic  comparing with it; which bytes were sent twice
report          the numbers, as JSON and as a table
disk            a disk whose power can be cut, for tests of that
git             reading a bare repository with git itself
"""
