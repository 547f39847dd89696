"""A pytest plugin for `make mutants`: mutmut asks for node ids where pytest 9.2 keeps none."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        vars(item)["_nodeid"] = item.nodeid
