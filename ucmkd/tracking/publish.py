"""Copy finished runs into MLflow. Records are the truth; what MLflow shows is a view of them."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ucmkd.errors import RecordError
from ucmkd.files import atomic_file, write_json
from ucmkd.tracking.entries import Entry, read_blocks, summary_entry
from ucmkd.tracking.store import EXPERIMENT, EXPERIMENT_TAGS, Store, find_store, follow_move

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

DIGEST = "digest"
_BRIEF = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own patience is minutes a request; whoever sets these variables decides otherwise."""


@dataclass(frozen=True)
class Published:
    """What became of the runs.

    Attributes
    ----------
    new, resumed, skipped : int
        Runs sent (for the first time, or because their record changed), runs sent again because an earlier
        attempt was interrupted, and runs that were there already.
    pending : tuple of str
        Keys of the runs that are not there yet; publishing again sends them.
    """

    new: int
    resumed: int
    skipped: int
    pending: tuple[str, ...]


def publish(
    block_folders: Iterable[str | Path],
    summary_folder: str | Path,
    figures_folder: str | Path,
    report: str | Path,
    uri: str | None,
    receipt: str | Path,
) -> Published:
    """Send every run that MLflow does not have yet, and one run with the summary.

    A run is known by its tags ``run_key`` and ``digest`` (of the record and its history). The digest is set
    last: a run without it was interrupted, one with another digest is out of date, and either is deleted and
    sent anew. A server that is away or refuses costs nothing but the view: what it did not take is pending.

    Parameters
    ----------
    block_folders : paths
        Folders with ``records.json`` and ``history.csv``, of teachers and students alike.
    summary_folder, figures_folder, report : path
        Artifacts of the summary; what does not exist is left out.
    uri : str or None
        ``sqlite:///`` with a path, or the address of a server; None for ``mlflow.db`` beside the receipt.
    receipt : path
        JSON that says what was sent and what is pending.

    Raises
    ------
    ConfigError
        If ``uri`` is of no known kind.
    DataError, RecordError
        If records are missing, damaged or contradict each other, or the database file is.
    """
    receipt = Path(receipt)
    store = find_store(uri, receipt.parent)
    entries = read_blocks(block_folders)
    if entries:
        finished = max(entry.finished for entry in entries)
        summary = summary_entry(summary_folder, figures_folder, report, finished)
        entries += [summary] if summary else []
    with _alone(receipt.parent / "publish.lock"), _brief(), _unsynced():
        published, problems = _send_all(entries, store)
    write_json(
        receipt,
        {
            "store": store.shown,
            "new": published.new,
            "resumed": published.resumed,
            "skipped": published.skipped,
            "pending": list(published.pending),
            "problems": problems,
        },
    )
    return published


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _brief() -> Iterator[None]:
    added = [name for name in _BRIEF if name not in os.environ]
    os.environ.update({name: _BRIEF[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _unsynced() -> Iterator[None]:
    """Leave the time of writing to the operating system: else seven waits for the disk a run, for a view."""
    from sqlalchemy import Engine, event

    def relax(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _send_all(entries: list[Entry], store: Store) -> tuple[Published, list[str]]:
    from mlflow.exceptions import MlflowException

    sent = {"new": 0, "resumed": 0, "skipped": 0}
    pending: list[str] = []
    problems: list[str] = []
    waiting = list(entries)
    try:
        client = _open(store)
        experiment = _experiment(client, store)
        present = _present(client, experiment)
        while waiting:
            entry = waiting[0]
            try:
                sent[_send(client, experiment, entry, present.get(entry.key, []))] += 1
            except MlflowException as error:
                if error.get_http_status_code() >= 500:  # type: ignore[no-untyped-call]
                    raise
                pending.append(entry.key)
                problems.append(f"{entry.key}: {error}")
            waiting.pop(0)
    except (MlflowException, OSError, ImportError) as error:
        problems.append(str(error))
    pending += [entry.key for entry in waiting]
    if pending:
        log.warning("%s did not take %d of %d runs (%s); publish again to complete it",
                    store.shown, len(pending), len(entries), problems[-1])  # fmt: skip
    return Published(**sent, pending=tuple(pending)), problems


def _open(store: Store) -> "MlflowClient":
    """Open the store; a database is made under a temporary name, so that it is complete if it exists."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if store.database is None:
        return MlflowClient(store.uri)
    try:
        if not store.database.exists():
            with atomic_file(store.database) as temporary:
                MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)
        follow_move(store.database)
        client = MlflowClient(store.uri)
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise RecordError(
            f"{store.database}: MLflow cannot open it ({error}); it is a view of the records, "
            "so delete it and publish again"
        ) from None
    return client


def _experiment(client: "MlflowClient", store: Store) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return client.create_experiment(EXPERIMENT, artifact_location=store.artifacts, tags=EXPERIMENT_TAGS)
    return experiment.experiment_id


def _present(client: "MlflowClient", experiment: str) -> dict[str, list["Run"]]:
    runs: dict[str, list[Run]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            runs.setdefault(run.data.tags.get("run_key", ""), []).append(run)
        token = page.token
        if not token:
            return runs


def _send(client: "MlflowClient", experiment: str, entry: Entry, present: list["Run"]) -> str:
    from mlflow.entities import Metric, Param

    good = [run.info.run_id for run in present if run.data.tags.get(DIGEST) == entry.digest]
    for run in present:
        if run.info.run_id not in good[:1]:
            client.delete_run(run.info.run_id)
    if good:
        return "skipped"
    tags = {**entry.tags, "mlflow.note.content": entry.note}
    run_id = client.create_run(experiment, entry.started, tags, entry.name).info.run_id
    client.log_batch(
        run_id,
        [Metric(point.metric, point.value, point.time, point.step) for point in entry.points],
        [Param(name, value) for name, value in entry.parameters.items()],
    )
    for path, folder in entry.files:
        client.log_artifact(run_id, str(path), folder or None)
    client.set_terminated(run_id, end_time=entry.finished)
    client.set_tag(run_id, DIGEST, entry.digest)
    return "resumed" if any(DIGEST not in run.data.tags for run in present) else "new"
