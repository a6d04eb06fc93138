"""One of three nodes of PySyncObj in memory, as its own benchmark has them: each proposes RATE
commands of ten characters a second, in one burst a second, and counts those that get through.

Prints the share of them. Usage: pysyncobj-node.py RATE SECONDS SELF OTHER OTHER
"""

import sys
import time

from pysyncobj import FAIL_REASON, SyncObj, replicated


class Counter(SyncObj):
    def __init__(self, own, others):
        super(Counter, self).__init__(own, others)
        self.applied = 0

    @replicated
    def count(self, value):
        self.applied += 1


def main():
    rate, seconds = int(sys.argv[1]), int(sys.argv[2])
    node = Counter(sys.argv[3], sys.argv[4:])
    succeeded = [0]

    def done(_result, error):
        if error == FAIL_REASON.SUCCESS:
            succeeded[0] += 1

    while node._getLeader() is None:
        time.sleep(0.1)
    time.sleep(2)
    for second in range(seconds):
        began = time.time()
        for i in range(rate):
            node.count("%010x" % (second * rate + i), callback=done)
        took = time.time() - began
        if took > 1:
            print(0)
            return
        time.sleep(1 - took)
    time.sleep(2)
    print(succeeded[0] / (rate * seconds))


main()
