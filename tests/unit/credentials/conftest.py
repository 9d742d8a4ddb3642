"""Authorities of two clusters, made once: nothing changes them."""

from __future__ import annotations

import pytest
from authorities import Authority


@pytest.fixture(scope="session")
def user_ca() -> Authority:
    return Authority("user")


@pytest.fixture(scope="session")
def host_ca() -> Authority:
    return Authority("host")


@pytest.fixture(scope="session")
def foreign_user_ca() -> Authority:
    return Authority("user", cluster="elsewhere")
