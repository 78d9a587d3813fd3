"""Compares the training step of `ram bench` with the same step in PyTorch, eager and compiled (model.py), and prints the ratios.

    cargo build --release
    python benches/compare/pytorch.py target/release/ram [--rounds 5] [--threads N] [--only TEXT] [--no-compile]

Each program runs the step on one thread, on N threads, and in N processes of one thread each, side by side. All of them take
turns. A turn is the best of three bursts, between two probes of the machine (`ram bench worker`) on as many threads; it is quiet
if no rate of its probes is more than 10 % below the best one of the run on as many threads. Medians are those of quiet rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BURST_SECONDS, BURSTS = 0.02, 3
# PyTorch's threads wait for work by spinning for a moment. They must be asleep when the next turn begins.
PAUSE_SECONDS = 0.03


class Failed(Exception):
    pass


class Worker:
    """A process that answers lines."""

    def __init__(self, command, threads):
        command = [*map(str, command), "--threads", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line or line.startswith("failed:"):
            raise Failed(line or "a worker ended early")
        return json.loads(line)


class Contender:
    """A step on some workers."""

    def __init__(self, how, workers, images):
        self.how, self.workers, self.images = how, workers, images
        self.calls = 1

    def seconds(self, index):
        """The time of a burst, in which every worker does its calls."""
        for worker in self.workers:
            worker.ask(f"step {index} {self.calls}")
        # Of workers that run side by side, the rates are added.
        return statistics.harmonic_mean([worker.answer() for worker in self.workers])

    def warm_up(self, index):
        while self.seconds(index) < BURST_SECONDS:
            self.calls *= 2

    def rate(self, index):
        """Images a second in the best burst."""
        best = min(self.seconds(index) for _ in range(BURSTS))
        return self.images * self.calls * len(self.workers) / best


def probe(worker):
    time.sleep(PAUSE_SECONDS)
    rates = worker.ask("probe").answer()
    # The peak is the best moment, which says nothing of the others.
    return [rate for name, rate in rates.items() if name != "peak"]


def near(probes, best):
    return all(rate >= 0.9 * most for rates in probes for rate, most in zip(rates, best, strict=True))


def median_of_quiet(rounds):
    """The median of the numbers of quiet rounds; where no round was quiet, of all rounds."""
    rounds = list(rounds)
    calm = [number for number, quiet in rounds if quiet]
    return statistics.median(calm or [number for number, _ in rounds])


def plural(count, one, many):
    return f"{count} {one if count == 1 else many}"


def summary(turns):
    """turns[how]: (images a second, whether the turn was quiet) in each round. Returns the median rate of each contender, the ratio
    of ours to PyTorch's better one in the same round, and the number of rounds in which all turns were quiet."""
    rates = {how: median_of_quiet(rounds) for how, rounds in turns.items()}
    best = max((how for how in rates if how != "ours"), key=rates.get)
    both = zip(turns["ours"], turns[best], strict=True)
    ratio = median_of_quiet((ours / theirs, calm and their_calm) for (ours, calm), (theirs, their_calm) in both)
    return rates, ratio, sum(all(calm for _, calm in turn) for turn in zip(*turns.values(), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ram", help="the ram program, built with --release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="N [default: one per core]")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the steps whose name contains this text")
    parser.add_argument("--no-compile", action="store_true", help="measure eager mode only")
    arguments = parser.parse_args()
    threads = arguments.threads

    model = [sys.executable, Path(__file__).with_name("model.py")]
    programs = {"ours": [arguments.ram, "bench", "worker"], "eager": model, "compiled": [*model, "--compiled"]}
    if arguments.no_compile:
        del programs["compiled"]
    # Workers of one thread; the first of them also runs alone.
    single = {how: [Worker(command, 1) for _ in range(threads)] for how, command in programs.items()}
    several = {how: [Worker(command, threads)] for how, command in programs.items() if threads > 1}
    ours = single["ours"][0]
    probes = [ours, *several.get("ours", [])]
    machine, peer = (single[how][0].ask("machine").answer() for how in ("ours", "eager"))
    assert machine["steps"] == peer["steps"], "the cases of model.py must be those of `ram bench`"

    def contenders(workers, images):
        return [Contender(how, workers, images) for how, workers in workers.items()]

    # Rows: (index of the step, its name, its batch, what it runs on, the worker that probes, contenders).
    rows = []
    for index, (name, batch) in enumerate(machine["steps"]):
        if arguments.only not in name:
            continue
        alone = {how: workers[:1] for how, workers in single.items()}
        rows.append((index, name, batch, "1 thread", probes[0], contenders(alone, batch)))
        if threads > 1:
            rows.append((index, name, batch, f"{threads} threads", probes[1], contenders(several, batch)))
            rows.append((index, name, batch, f"{threads} processes", probes[1], contenders(single, batch)))
    if not rows:
        parser.error(f"--only {arguments.only}: no step has this in its name")

    for index, name, batch, on, _, row in rows:
        for contender in list(row):
            try:
                contender.warm_up(index)
            except Failed as error:  # without a C++ compiler there is no compiled mode
                if contender.how != "compiled":
                    raise
                row.remove(contender)
                print(f"{name}, batch {batch}, {on}: {contender.how} {error}", file=sys.stderr)
        print(f"ready: {name}, batch {batch}, {on}", file=sys.stderr)

    turns = [{contender.how: [] for contender in row} for *_, row in rows]
    for _ in range(arguments.rounds):
        for (index, *_, prober, row), of_row in zip(rows, turns, strict=True):
            for contender in row:
                before = probe(prober)
                rate = contender.rate(index)
                of_row[contender.how].append((rate, [before, probe(prober)]))

    for prober in probes:
        alike = [turns for (*_, of, _), turns in zip(rows, turns, strict=True) if of is prober]
        best = [max(rates) for rates in zip(*(rates for row in alike for turn in row.values() for _, two in turn for rates in two))]
        for row in alike:
            for how, of_how in row.items():
                row[how] = [(rate, near(two, best)) for rate, two in of_how]

    print(f"{machine['cpu']}, {machine['kernels']} kernels, {plural(threads, 'thread', 'threads')}, "
          f"PyTorch {peer['pytorch']}, {plural(arguments.rounds, 'round', 'rounds')}")
    heads = " ".join(f"{how:>8}" for how in programs)
    print(f"\n{'images/s':42} {'batch':>5}  {'on':11} {heads}  ours / best  quiet rounds")
    for (_, name, batch, on, _, _), of_row in zip(rows, turns, strict=True):
        rates, ratio, calm = summary(of_row)
        shown = " ".join(f"{rates[how]:8.0f}" if how in rates else f"{'–':>8}" for how in programs)
        mark = "" if 2 * calm >= arguments.rounds else "  disturbed"
        print(f"{name:42} {batch:5}  {on:11} {shown}  {ratio:11.2f}  {f'{calm} of {arguments.rounds}':>12}{mark}")
    every = [calm for of_row in turns for rounds in of_row.values() for _, calm in rounds]
    print(f"\n{sum(every)} of {len(every)} turns were quiet; the others had a probe more than 10 % below the best one")


if __name__ == "__main__":
    main()
