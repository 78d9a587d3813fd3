"""Compares exp, ln, tanh and sigmoid of `ram bench functions` with PyTorch's, in turns, on one thread, and prints the ratios.

    cargo build --release
    python benches/compare/functions.py target/release/ram [--rounds 5] [--elements 32768]
"""

import argparse
import json
import math
import statistics
import subprocess
import time

import torch

PEERS = {"exp": torch.exp, "ln": torch.log, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
# The ratios that we want, ours to PyTorch's.
WANTED = {"exp": 3.0, "ln": 3.0, "tanh": 3.0, "sigmoid": 1.2}


def gigaelements_per_second(function, x, seconds=0.5):
    """Measures as `ram bench` does: the median of rounds, where a round is the best of three bursts."""
    y, calls = torch.empty_like(x), max(1, 2_000_000 // len(x))
    rates, end = [], time.perf_counter() + seconds
    while len(rates) < 3 or time.perf_counter() < end:
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            for _ in range(calls):
                function(x, out=y)
            best = min(best, (time.perf_counter() - start) / calls)
        rates.append(len(x) / best / 1e9)
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ram", help="the ram program, built with --release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--elements", type=int, default=32768)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # The numbers of `ram bench functions`, which are positive and up to 4.
    x = 4 * torch.frac(torch.arange(arguments.elements, dtype=torch.float64) * 0.618033988749894) + 0.001
    x = x.to(torch.float32)

    ours, theirs = {name: [] for name in PEERS}, {name: [] for name in PEERS}
    command = [arguments.ram, "bench", "functions", "--json", "--elements", str(arguments.elements)]
    for _ in range(arguments.rounds):
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for row in report["rows"]:
            ours[row["name"]].append(row["gigaelements_per_second"])
        for name, function in PEERS.items():
            theirs[name].append(gigaelements_per_second(function, x))

    print(f"{report['cpu']}, {report['kernels']} kernels, {arguments.elements} numbers, PyTorch {torch.__version__} "
          f"({torch.backends.cpu.get_cpu_capability()})")
    print(f"\n{'Gelem/s':8} {'ours':>7} {'PyTorch':>8} {'ratio':>6} {'wanted':>7}")
    for name in PEERS:
        a, b = statistics.median(ours[name]), statistics.median(theirs[name])
        print(f"{name:8} {a:7.2f} {b:8.2f} {a / b:6.2f} {WANTED[name]:7.1f}")


if __name__ == "__main__":
    main()
