"""Runs the benchmarks: `python -m benchmarks [MODULE …] [--quick] [--write]`."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import benchmarks
from benchmarks.harness import report
from benchmarks.harness.figures import Figure, Settings

_ROOT = Path(__file__).parents[1]


Benchmark = Callable[[Settings], Iterator[Figure]]


def modules(path: Iterable[str] = benchmarks.__path__, package: str = benchmarks.__name__) -> dict[str, Benchmark]:
    """The benchmark modules of a package: those with a `run`, by name. What begins with an underscore is not even imported."""
    names = sorted(each.name for each in pkgutil.iter_modules(path) if not each.ispkg and not each.name.startswith("_"))
    found = {name: getattr(importlib.import_module(f"{package}.{name}"), "run", None) for name in names}
    return {name: run for name, run in found.items() if run is not None}


def main() -> int:
    """Measure, print, write; the exit code is 0 whatever the figures are."""
    known = modules()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="measure Remit against its targets")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(known)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a quick look: few rounds, figures are rough")
    parser.add_argument("--write", action="store_true", help="write docs/reference/performance.md, .json and .svg")
    options = parser.parse_args()
    if unknown := sorted(set(options.modules) - set(known)):
        parser.error(f"no benchmark module {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in options.modules or known]
    figures = list(_measure(chosen, Settings(rounds=11, quick=True) if options.quick else Settings()))
    folder = _ROOT / "docs" / "reference" if options.write else _ROOT / "build" / "benchmarks"
    report.write(figures, folder, page=options.write)
    print(f"\n{sum(each.reached for each in figures)} of {len(figures)} targets reached; written to {folder}")
    return 0


def _measure(chosen: Iterable[Benchmark], settings: Settings) -> Iterator[Figure]:
    for run in chosen:
        for figure in run(settings):
            print(report.line(figure), flush=True)
            yield figure


if __name__ == "__main__":
    sys.exit(main())
