"""The harness measures ratios right and reports them as they are."""

import json

import pytest

from benchmarks.__main__ import modules
from benchmarks.harness import report
from benchmarks.harness.figures import Figure
from benchmarks.harness.pairs import compare


class _Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_ratio_is_the_median_of_the_pairs():
    """A machine that becomes ten times slower in between changes the times, not the ratio."""
    clock = _Clock()

    def work(seconds, operations):
        def one_round(number):
            clock.now += seconds * operations * (10 if number > 4 else 1)
            return operations

        return one_round

    figure = compare("ours", work(0.001, 7), "theirs", work(0.004, 3), target=5, rounds=9, clock=clock)
    assert figure.value == pytest.approx(4)
    assert (figure.low, figure.high) == (pytest.approx(4), pytest.approx(4))
    assert not figure.reached


@pytest.mark.parametrize(
    ("value", "target", "lower", "share"), [(4, 2, False, 2), (1, 2, False, 0.5), (4, 2, True, 0.5), (1, 2, True, 2)]
)
def test_the_share_of_a_target(value, target, lower, share):
    """Rates are to be high, times to be low; a share of one is exactly the target."""
    figure = Figure("x", "", value, target, lower_is_better=lower)
    assert (figure.share, figure.reached) == (share, share >= 1)


def test_figures_are_kept_until_they_are_measured_again(tmp_path):
    """Writing one module's figures leaves the others'; the page and the plot show all of them."""
    report.write(
        [Figure("a", "raw", 1.0, 2.0), Figure("b", "", 3.0, 4.0, unit="s", lower_is_better=True)], tmp_path, page=True
    )
    report.write([Figure("a", "raw", 2.5, 2.0, low=2.4, high=2.6)], tmp_path, page=True)
    figures = json.loads((tmp_path / "performance.json").read_text())["figures"]
    assert [(each["name"], each["value"]) for each in figures] == [("a", 2.5), ("b", 3.0)]
    page = (tmp_path / "performance.md").read_text()
    assert "| a | raw | **2.5 x** | 2.4 to 2.6 | ≥ 2 x | yes |" in page
    assert "<svg" in (tmp_path / "performance.svg").read_text()


def test_a_line_says_how_far_it_is():
    """The terminal names the distance to the target."""
    assert "25 % short" in report.line(Figure("a", "raw", 1.5, 2.0))
    assert "reached" in report.line(Figure("a", "raw", 2.5, 2.0))


def test_the_modules_are_found(tmp_path, monkeypatch):
    """Each module beside `__main__` that has a `run` is a benchmark; helpers and the harness are not."""
    assert set(modules()) == {"verify", "issue", "sidecar", "revocation"}
    package = tmp_path / "some_benchmarks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fast.py").write_text("def run(settings):\n    yield from ()\n")
    (package / "helper.py").write_text("def helped():\n    return 1\n")
    (package / "_program.py").write_text("raise SystemExit('is not to be imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(modules([str(package)], package.name)) == ["fast"]


def test_a_figure_with_every_measurement_is_shown_as_a_distribution(tmp_path):
    """Its samples survive the JSON, are plotted in a file of their own, and the page shows that file."""
    figure = Figure("revoke, until refused", "", 20, 100, unit="ms", lower_is_better=True, samples=(9.5, 20.0, 11.0))
    report.write([figure], tmp_path, page=True)
    report.write([], tmp_path, page=True)
    assert json.loads((tmp_path / "performance.json").read_text())["figures"][0]["samples"] == [9.5, 20.0, 11.0]
    assert (tmp_path / "performance-revoke.svg").read_text().startswith("<?xml")
    assert "](performance-revoke.svg)" in (tmp_path / "performance.md").read_text()
