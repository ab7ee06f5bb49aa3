"""The most memory that a tile takes, predicted from the graph and measured, over a zoo of networks.

PYTHONPATH=tests/support .venv/bin/python bench/memory.py
"""

from __future__ import annotations

from peak_memory import ZOO


def main() -> None:
    print(f"{'':<36}{'method':<12}{'tile':>6}{'measured':>12}{'predicted':>12}{'ratio':>8}")
    for name, case in ZOO.items():
        for method in ("trimmed", "whole-tile"):
            net, analysis, plan = case.planned(method)
            measured, predicted = case.measured(net, analysis, plan) / 1e6, plan.peak_bytes / 1e6
            ratio = predicted / measured
            print(f"{name:<36}{method:<12}{case.tile:>6}{measured:>9.1f} MB{predicted:>9.1f} MB{ratio:>8.2f}")


if __name__ == "__main__":
    main()
