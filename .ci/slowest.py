#!/usr/bin/env python3
"""Runs a test command, passes its output on, and ends with the ten slowest tests.

Exits as the command did.
"""

import re
import subprocess
import sys

SHOWN = 10
BINARY = re.compile(r"^\s+Running .*?\(?([^/()\s]+?)(?:-[0-9a-f]{16})?\)?$")
TIMED = re.compile(r"^test (?P<name>.+?) \.\.\. .*<(?P<seconds>[0-9.]+)s>")


def timed_tests(lines):
    """(seconds, binary, test) for every line that tells a time; echoes all lines."""
    binary = "?"
    for line in lines:
        sys.stdout.write(line)
        sys.stdout.flush()
        if found := BINARY.match(line):
            binary = found[1]
        if found := TIMED.match(line):
            yield float(found["seconds"]), binary, found["name"]


def main():
    process = subprocess.Popen(
        sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    tests = sorted(timed_tests(process.stdout), reverse=True)
    status = process.wait()
    if tests:
        total = sum(seconds for seconds, _, _ in tests)
        print(f"\nthe slowest of {len(tests)} tests ({total:.1f} s together):")
        for seconds, binary, name in tests[:SHOWN]:
            print(f"  {seconds:7.2f} s  {binary}  {name}")
    sys.exit(status if status >= 0 else 1)


if __name__ == "__main__":
    main()
