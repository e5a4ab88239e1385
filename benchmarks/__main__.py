"""Runs the benchmarks: `python -m benchmarks [MODULE …] [--quick] [--write]`."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import benchmarks
from benchmarks.harness import report
from benchmarks.harness.figures import Figure, Settings

_ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    """The names of the benchmark modules."""
    found = pkgutil.iter_modules(benchmarks.__path__)
    return sorted(each.name for each in found if not each.ispkg and not each.name.startswith("_"))


def main() -> int:
    """Measure, print, write; the exit code is 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="measure Remit against its targets")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(modules())}; all by default")
    parser.add_argument("--quick", action="store_true", help="a quick look: few rounds, figures are rough")
    parser.add_argument("--write", action="store_true", help="write docs/reference/performance.md, .json and .svg")
    options = parser.parse_args()
    chosen = options.modules or modules()
    if unknown := sorted(set(chosen) - set(modules())):
        parser.error(f"no benchmark module {', '.join(unknown)}; there are {', '.join(modules())}")
    figures = list(_measure(chosen, Settings(rounds=11, quick=True) if options.quick else Settings()))
    folder = _ROOT / "docs" / "reference" if options.write else _ROOT / "build" / "benchmarks"
    report.write(figures, folder, page=options.write)
    print(f"\n{sum(each.reached for each in figures)} of {len(figures)} targets reached; written to {folder}")
    return 0


def _measure(names: list[str], settings: Settings) -> Iterator[Figure]:
    for name in names:
        for figure in importlib.import_module(f"benchmarks.{name}").run(settings):
            print(report.line(figure), flush=True)
            yield figure


if __name__ == "__main__":
    sys.exit(main())
