#!/usr/bin/env python3
"""pair.py [--runs N] --ours 'COMMAND' --peer NAME 'COMMAND': runs the two in turn, after a warm-up each,
and prints wall seconds, CPU seconds and peak memory (medians), and the ratio peer/ours of wall seconds
pair by pair. Output is thrown away; exit codes are shown, not judged."""

import argparse
import os
import shlex
import statistics
import subprocess
import time


def run(command):
    start = time.perf_counter()
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {"wall": time.perf_counter() - start, "cpu": usage.ru_utime + usage.ru_stime,
            "mib": usage.ru_maxrss / 1024, "exit": process.returncode}


def row(name, runs):
    median = {key: statistics.median(r[key] for r in runs) for key in ("wall", "cpu", "mib")}
    spread = f"{min(r['wall'] for r in runs):.3f}-{max(r['wall'] for r in runs):.3f}"
    print(f"{name:24} {median['wall']:9.3f} s ({spread})  {median['cpu']:9.3f} s CPU  {median['mib']:8.1f} MiB  exit {runs[0]['exit']}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--ours", required=True)
parser.add_argument("--peer", nargs=2, action="append", default=[], metavar=("NAME", "COMMAND"))
args = parser.parse_args()

commands = [("bulwark", args.ours)] + [tuple(peer) for peer in args.peer]
results = {name: [] for name, _ in commands}
for turn in range(args.runs + 1):
    for name, command in commands:
        result = run(command)
        if turn > 0:
            results[name].append(result)
for name, _ in commands:
    row(name, results[name])
for name, _ in commands[1:]:
    ratios = [peer["wall"] / ours["wall"] for ours, peer in zip(results["bulwark"], results[name])]
    print(f"{name} takes {statistics.median(ratios):.1f} times as long ({min(ratios):.1f}-{max(ratios):.1f}) "
          f"and {statistics.median(r['mib'] for r in results[name]) / statistics.median(r['mib'] for r in results['bulwark']):.1f} times the memory")
