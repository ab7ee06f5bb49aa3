"""What this program does on a GPU: exactness, memory, speed and trouble, in one report within some minutes.

PYTHONPATH=src python bench/gpu.py --device cuda --out FOLDER [--seconds 300]
python bench/gpu.py --compare A.json B.json

It needs torch, numpy, scipy, tifffile, safetensors, psutil and the packages that `bench/gpu-wheels.txt`
names, and neither napari, a screen nor the internet. FOLDER gets `gpu.json` and `gpu.md`, written anew after
each row. `--device cpu --quick` does the same in small. The exit status is 1 where something was not exact,
2 where nothing could be measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]


def main() -> int:
    options = _parsed()
    if options.compare:
        from gpu_rows.compare import side_by_side

        print(side_by_side(*options.compare))
        return 0
    from gpu_rows.bench import Bench, MissingError
    from gpu_rows.report import Report
    from gpu_rows.runner import SECTIONS, run

    try:
        bench = Bench.on(options.device, options.quick, options.out)
    except MissingError as error:
        print(error, file=sys.stderr)
        return 2
    report = Report(options.out, bench.about(options.commit, options.seconds), SECTIONS)
    run(bench, report, options.seconds, options.only)
    print(report.summary())
    return 0 if report.exact else 1


def _parsed() -> argparse.Namespace:
    words = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(description=words[0], epilog=words[2], usage="%(prog)s [options]")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--quick", action="store_true", help="small networks and images")
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where the report goes")
    parser.add_argument("--seconds", type=float, default=300, help="skip the dearest rows beyond this time")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="measure these alone")
    parser.add_argument("--commit", help="of the program, where it is not in a repository")
    parser.add_argument("--compare", nargs=2, type=Path, metavar="JSON", help="lay two reports side by side")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
