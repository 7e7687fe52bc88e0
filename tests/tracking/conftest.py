"""Stores to publish to."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tracking.synthetic import Results, write_results


@pytest.fixture
def results(tmp_path: Path, empty_database: Path) -> Results:
    """Seven runs and their summary, beside a tracking database that holds nothing yet."""
    (tmp_path / "tracking").mkdir()
    shutil.copy(empty_database, tmp_path / "tracking" / "mlflow.db")
    return write_results(tmp_path)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: MLflow takes seconds to make its tables."""
    from mlflow import MlflowClient

    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until_healthy(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers; the limit only keeps a broken one from hanging."""
    for _ in range(600):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the server never answered")


@pytest.fixture
def server_on(tmp_path: Path, empty_database: Path) -> Iterator[Callable[[int], str]]:
    """Start ``mlflow server`` on a port; it is stopped after the test."""
    processes = []

    def start(port: int) -> str:
        database = shutil.copy(empty_database, tmp_path / "server.db")
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{database}"),
                *("--artifacts-destination", str(tmp_path / "server-artifacts")),
            ],
            env={
                **os.environ,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
            cwd=tmp_path,
        )
        processes.append(process)
        wait_until_healthy(port, process)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in processes:
        process.terminate()
        process.wait()
