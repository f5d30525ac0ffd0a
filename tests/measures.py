"""What a test measured and does not judge: shown after the run, beside how busy the machine was."""

import os
from collections.abc import Callable

import pytest

# Notes a measure: name, value, unit (fixture `measured`).
Measured = Callable[[str, float, str], None]


def noting(request: pytest.FixtureRequest) -> Measured:
    """Make what notes the measures of a test.

    (pytest's own record_property warns when a JUnit file is written in its default form.)
    """

    def note(name: str, value: float, unit: str) -> None:
        request.node.user_properties.append((name, f"{value:.2f} {unit} (load {os.getloadavg()[0]:.1f})"))

    return note


def show(reporter: pytest.TerminalReporter) -> None:
    """Write down what the tests measured."""
    for report in reporter.getreports("passed"):
        for name, value in report.user_properties:
            reporter.write_line(f"measured: {name}: {value}  [{report.nodeid.rpartition('::')[2]}]")
