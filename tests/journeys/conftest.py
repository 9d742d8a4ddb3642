"""One cluster for the journeys of a worker that change little, and a maker of others."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.cluster import Agent, Cluster
from harness.names import Names
from harness.people import Person

LOGIN = getpass.getuser()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.getbasetemp()
    of_all_workers = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    names = Names(of_all_workers / "names", everybody_s=frozenset({"user/alice"}))
    started = Cluster(tmp_path_factory.mktemp("cluster"), names=names)
    try:
        yield started.start()
    finally:
        if started.process is not None:
            started.stop()


@pytest.fixture(scope="session")
def agent(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """An SSH server that the cluster reaches through its tunnel alone."""
    started = Agent(cluster, tmp_path_factory.mktemp("agent"), "behind", labels="env=test,place=behind,fleet=own")
    try:
        yield started.start(cluster.join_token())
    finally:
        if started.process is not None:
            started.stop()


@pytest.fixture(scope="session")
def alice(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """A logged-in administrator with the login of whoever runs the tests."""
    person = Person(cluster, "alice", tmp_path_factory.mktemp("alice"))
    person.sign_up(person.invite(logins=LOGIN))
    person.log_in()
    return person


@pytest.fixture
def new_cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Makes clusters that end with the test."""
    made: list[Cluster] = []

    def make(name: str = "beta", roles: str = "auth,proxy,node", extra: str = "") -> Cluster:
        made.append(Cluster(tmp_path / name, name, roles, extra))
        return made[-1]

    yield make
    for cluster in made:
        if cluster.process is not None:
            cluster.kill()
