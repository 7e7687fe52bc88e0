"""Publishing to a database: what arrives, and what happens when it is repeated, interrupted or refused."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.tracking.synthetic import make_history
from ucmkd.errors import RecordError
from ucmkd.tracking.publish import Published

FORKS = """
import json, os, signal, sys, time
from mlflow import MlflowClient
from ucmkd.tracking.publish import publish

arguments = json.loads(sys.argv[1])
MlflowClient(f"sqlite:///{arguments['warm_up']}").search_experiments()

def in_child(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child

def die_after(calls):
    left = [calls]
    for name in ("create_run", "log_batch", "log_artifact", "set_terminated", "set_tag"):
        def counted(self, *args, call=getattr(MlflowClient, name), **kwargs):
            result = call(self, *args, **kwargs)
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        setattr(MlflowClient, name, counted)
    publish(**arguments["publish"])

for calls in arguments["deaths"]:
    _, status = os.waitpid(in_child(lambda: die_after(calls)), 0)
    assert os.WIFSIGNALED(status), f"not interrupted after {calls} calls"
children = [in_child(lambda: publish(**arguments["publish"])) for _ in range(arguments["together"])]
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.fixture(autouse=True)
def _no_telemetry(monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def stored_runs(results, *, deleted=False):
    """Read the runs of the experiment back, by run key; each key must be there once."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(f"sqlite:///{results.receipt.parent}/mlflow.db")
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    experiment = client.get_experiment_by_name("ucmkd").experiment_id
    runs = client.search_runs([experiment], run_view_type=view, max_results=1000)
    assert deleted or max(Counter(run.data.tags["run_key"] for run in runs).values()) == 1
    return client, {run.data.tags["run_key"]: run for run in runs}


def assert_exact(results):
    """The store holds every run, complete, and no other."""
    client, runs = stored_runs(results)
    records = results.records()
    assert set(runs) == {*records, "summary"}
    for key, record in records.items():
        data, info = runs[key].data, runs[key].info
        assert (info.status, len(data.tags["digest"])) == ("FINISHED", 64)
        assert data.params["recipe.learning_rate"] == str(record["recipe"]["learning_rate"])
        assert data.metrics["test/accuracy"] == record["scores"]["test"]["accuracy"]
        for metric in {row[2] for row in make_history(record["seed"], 4)}:
            history = [(m.step, m.value) for m in client.get_metric_history(info.run_id, metric)]
            assert history == [
                (row[1], row[3]) for row in make_history(record["seed"], 4) if row[2] == metric
            ]


def run_forks(results, *, deaths, together):
    """Publish in forks of one process, which has imported and warmed up MLflow once for all of them."""
    warm_up = results.receipt.with_name("warm-up.db")
    shutil.copy(results.receipt.with_name("mlflow.db"), warm_up)
    arguments = {
        "warm_up": str(warm_up),
        "deaths": deaths,
        "together": together,
        "publish": {
            "block_folders": [str(block) for block in results.blocks],
            "summary_folder": str(results.summary),
            "figures_folder": str(results.figures),
            "report": str(results.report),
            "uri": None,
            "receipt": str(results.receipt),
        },
    }
    subprocess.run([sys.executable, "-c", FORKS, json.dumps(arguments)], check=True)


def test_every_run_arrives_as_recorded(results):
    assert results.publish() == Published(new=7, resumed=0, skipped=0, pending=())
    assert_exact(results)
    assert json.loads(results.receipt.read_text())["pending"] == []


def test_nothing_is_dated_by_the_time_of_publishing(results):
    results.publish()
    client, runs = stored_runs(results)
    for run in runs.values():
        assert run.info.start_time <= run.info.end_time <= 1772532040000
        for metric in run.data.metrics:
            times = [point.timestamp for point in client.get_metric_history(run.info.run_id, metric)]
            assert run.info.start_time <= min(times) <= max(times) <= run.info.end_time


def test_publishing_again_sends_nothing(results):
    results.publish()
    assert results.publish() == Published(new=0, resumed=0, skipped=7, pending=())
    assert_exact(results)


def test_an_interrupted_publish_is_completed(results):
    run_forks(results, deaths=[1, 2, 3, 6, 10], together=0)
    published = results.publish()
    assert published.new + published.resumed + published.skipped == 7
    assert published.resumed == 1
    assert_exact(results)


def test_two_publishers_at_once_send_each_run_once(results):
    run_forks(results, deaths=[2], together=2)
    assert_exact(results)


def test_a_killed_creation_leaves_no_half_made_database(results, monkeypatch):
    from mlflow import MlflowClient

    database = results.receipt.parent / "mlflow.db"
    database.unlink()

    def stop(self, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "search_experiments", stop)
    with pytest.raises(KeyboardInterrupt):
        results.publish()
    assert not database.exists()


def test_a_changed_record_replaces_the_old_run(results):
    results.publish()
    key = results.change_record(lambda record: record["scores"]["test"].update(accuracy=0.125))
    assert results.publish() == Published(new=1, resumed=0, skipped=6, pending=())
    assert_exact(results)
    assert stored_runs(results)[1][key].data.metrics["test/accuracy"] == 0.125
    assert set(stored_runs(results, deleted=True)[1]) == {key}


def test_the_summary_run_carries_the_files(results):
    results.publish()
    client, runs = stored_runs(results)
    run = runs["summary"].info.run_id
    listed = [
        file.path for folder in ("", "figures", "tables") for file in client.list_artifacts(run, folder)
    ]
    assert listed == ["figures", "report.html", "tables", "figures/scores.svg", "tables/scores.csv"]


def test_a_changed_figure_replaces_the_summary_alone(results):
    results.publish()
    (results.figures / "scores.svg").write_text("<svg/>")
    assert results.publish() == Published(new=1, resumed=0, skipped=6, pending=())
    assert_exact(results)


def test_a_moved_store_keeps_its_artifacts_with_it(results, tmp_path):
    results.publish()
    elsewhere = tmp_path / "new place" / "tracking"
    shutil.move(results.receipt.parent, elsewhere)
    moved = type(results)(**{**vars(results), "receipt": elsewhere / "published.json"})
    (moved.figures / "scores.svg").write_text("<svg/>")
    assert moved.publish() == Published(new=1, resumed=0, skipped=6, pending=())
    client, runs = stored_runs(moved)
    report = client.download_artifacts(runs["summary"].info.run_id, "report.html", str(elsewhere))
    assert Path(report).read_bytes() == results.report.read_bytes()
    assert not results.receipt.parent.exists()


def test_a_run_that_the_store_refuses_does_not_hold_up_the_others(results):
    with (results.blocks[-1] / "history.csv").open("a") as file:
        file.write("0,1,not a name!,0.5\n")
    refused = "image_audio/class_cond/kd/default/seed0"
    assert results.publish() == Published(new=6, resumed=0, skipped=0, pending=(refused,))
    receipt = json.loads(results.receipt.read_text())
    assert receipt["pending"] == [refused]
    assert "not a name!" in receipt["problems"][0]


def test_a_file_that_is_no_database_is_named(results):
    (results.receipt.parent / "mlflow.db").write_text("not a database" * 1000)
    with pytest.raises(RecordError, match=r"mlflow\.db.*delete it and publish again"):
        results.publish()
