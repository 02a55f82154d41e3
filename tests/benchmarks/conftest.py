"""What is measured is compiled as a user's is."""

from pathlib import Path


def pytest_collection_modifyitems(items):
    for test in items:
        if Path(__file__).parent in test.path.parents:
            test.add_marker("optimised")
