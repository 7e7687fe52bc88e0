"""Where MLflow keeps its view of the runs."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ucmkd.errors import ConfigError

EXPERIMENT = "ucmkd"
DATABASE = "mlflow.db"
VIEW = "workflowType=machine_learning&viewStateShareKey=ucmkd"
"""End of the address of the list of runs, so that it shows the columns that matter here."""

_WIDTHS = {
    "metrics.`test/accuracy`": 120,
    "metrics.`test/ece`": 80,
    "tags.`method`": 170,
    "tags.`variant`": 140,
    "tags.`pair`": 170,
    "tags.`regime`": 150,
    "tags.`seed`": 70,
}
EXPERIMENT_TAGS = {
    "mlflow.note.content": "A view of the benchmark's records. The run `summary` carries the report.",
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.sharedViewState.ucmkd": json.dumps(
        {"selectedColumns": list(_WIDTHS), "columnOrder": list(_WIDTHS), "columnWidths": _WIDTHS}
    ),
}
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """A tracking store: a database file on this machine, or a server.

    Attributes
    ----------
    uri : str
        What MLflow is given.
    database : Path or None
        The absolute path of the file; None for a server.
    """

    uri: str
    database: Path | None = None

    @property
    def artifacts(self) -> str | None:
        """Address of the artifacts of the experiment; None where the server decides it."""
        return None if self.database is None else (self.database.parent / "artifacts").as_uri()

    @property
    def shown(self) -> str:
        """The address without a user's name and password."""
        parts = urlsplit(self.uri)
        return parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]).geturl() if parts.netloc else self.uri


def find_store(uri: str | None, folder: str | Path) -> Store:
    """Say where runs are published.

    Parameters
    ----------
    uri : str or None
        ``sqlite:///`` with a path, or the ``http(s)://`` address of a server.
    folder : path
        Where the database stands if there is no ``uri``.

    Raises
    ------
    ConfigError
        If the address is of another kind.
    """
    if uri is None:
        return _local(Path(folder) / DATABASE)
    if uri.startswith(_SQLITE) and len(uri) > len(_SQLITE):
        return _local(Path(uri.removeprefix(_SQLITE)))
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.hostname:
        return Store(uri.rstrip("/"))
    raise ConfigError(
        f"tracking.uri: '{uri}' is neither sqlite:///PATH nor the http(s):// address of a server; "
        "for another database start 'mlflow server' on it and give the address of the server"
    )


def follow_move(database: Path) -> None:
    """Point the artifacts of a database that was copied or moved to the folder where it stands now."""
    here = (database.parent / "artifacts").as_uri()
    with closing(sqlite3.connect(database)) as connection, connection:
        row = connection.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)
        ).fetchone()
        if row is None or row[0] == here:
            return
        rest = len(row[0]) + 1
        connection.execute(
            "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
            "WHERE substr(artifact_uri, 1, ?) = ?",
            (here, rest, rest, f"{row[0]}/"),
        )
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", (here, EXPERIMENT))


def _local(path: Path) -> Store:
    database = path.resolve()
    return Store(f"{_SQLITE}{database}", database)
