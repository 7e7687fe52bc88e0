"""The UI on a real store, and everything that keeps it from starting."""

import json
import os
import socket
import subprocess
import sys
import urllib.request

import pytest

from tests.tracking.conftest import wait_until_healthy
from ucmkd.errors import ConfigError
from ucmkd.tracking.ui import open_ui

OPEN = "import sys; from ucmkd.tracking.ui import open_ui; open_ui(folder=sys.argv[1], port=int(sys.argv[2]))"


def test_published_runs_and_artifacts_are_served(results, free_port, tmp_path):
    results.publish()
    command = [sys.executable, "-c", OPEN, str(results.receipt.parent), str(free_port)]
    process = subprocess.Popen(command, cwd=tmp_path, env=dict(os.environ))
    try:
        wait_until_healthy(free_port, process)
        uri = f"http://127.0.0.1:{free_port}"
        question = urllib.request.Request(
            f"{uri}/api/2.0/mlflow/runs/search",
            json.dumps({"experiment_ids": ["1"], "max_results": 100}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(question, timeout=60) as answer:
            runs = json.load(answer)["runs"]
        assert len(runs) == 7
        summary = next(run["info"]["run_id"] for run in runs if run["info"]["run_name"] == "summary")
        with urllib.request.urlopen(
            f"{uri}/get-artifact?path=report.html&run_id={summary}", timeout=60
        ) as file:
            assert file.read() == results.report.read_bytes()
    finally:
        process.terminate()
        process.wait()
    assert not {path.name for path in tmp_path.iterdir()} & {"mlruns", "mlartifacts", "mlflow.db"}


def test_without_a_store_it_says_what_to_run(tmp_path):
    with pytest.raises(ConfigError, match="python -m ucmkd publish"):
        open_ui(folder=tmp_path)


def test_a_store_without_the_benchmark_is_named(tmp_path, empty_database):
    with pytest.raises(ConfigError, match="no runs of this benchmark"):
        open_ui(folder=empty_database.parent, port=0)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database" * 1000)
    with pytest.raises(ConfigError, match="is no tracking database"):
        open_ui(folder=tmp_path, port=0)


def test_a_taken_port_is_named(tmp_path, empty_database):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}.*choose another port"):
            open_ui(folder=empty_database.parent, port=port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_other_machines_are_not_let_in_by_accident(host, empty_database):
    with pytest.raises(ConfigError, match="no login"):
        open_ui(folder=empty_database.parent, host=host)


def test_exposing_it_must_be_said(empty_database):
    with pytest.raises(ConfigError, match="no runs of this benchmark"):
        open_ui(folder=empty_database.parent, host="0.0.0.0", port=0, expose=True)


def test_a_server_needs_no_second_one():
    with pytest.raises(ConfigError, match="is a server already"):
        open_ui("http://127.0.0.1:5000")
