"""Look at published runs in a browser."""

import ipaddress
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from ucmkd.errors import ConfigError
from ucmkd.tracking.store import EXPERIMENT, VIEW, find_store, follow_move


def open_ui(
    uri: str | None = None,
    *,
    folder: str | Path = "results/tracking",
    host: str = "127.0.0.1",
    port: int = 5000,
    expose: bool = False,
) -> NoReturn:
    """Become MLflow's server on a tracking database. It has no login: whoever reaches it may change runs.

    Parameters
    ----------
    uri : str, optional
        ``sqlite:///`` with a path; without it, ``mlflow.db`` in ``folder``.
    folder : path
    host, port
        Where to listen.
    expose : bool
        Allow a host that other machines can reach.

    Raises
    ------
    ConfigError
        If there is nothing to show, the host is not of this machine alone, or the port is taken.
    """
    store = find_store(uri, folder)
    if store.database is None:
        raise ConfigError(f"ui: {store.shown} is a server already; open it in a browser")
    if not store.database.is_file():
        raise ConfigError(f"ui: there is no {store.database} yet; run 'python -m ucmkd publish' first")
    if not (expose or _is_loopback(host)):
        raise ConfigError(
            f"ui: others could reach {host}, and MLflow has no login; stay on 127.0.0.1 and forward the port "
            "(ssh -L), or add --expose"
        )
    _refuse_taken(host, port)
    try:
        follow_move(store.database)
        number = _experiment_number(store.database)
    except sqlite3.Error as error:
        raise ConfigError(
            f"ui: {store.database} is no tracking database ({error}); delete it and publish"
        ) from None
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    sys.stderr.write(
        f"{address}/#/experiments/{number}/runs?{VIEW} shows the runs in a moment; Ctrl-C ends it\n"
    )
    sys.stderr.flush()
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", store.uri),
        *("--artifacts-destination", str(store.database.parent / "artifacts")),
        *("--host", host, "--port", str(port), "--workers", "1"),
    ]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.execve(sys.executable, command, {**os.environ, **quiet})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_taken(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(f"ui: cannot listen on {host}:{port} ({error}); choose another port") from None


def _experiment_number(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        row = connection.execute(
            "SELECT experiment_id FROM experiments WHERE name = ?", (EXPERIMENT,)
        ).fetchone()
    if row is None:
        raise ConfigError(f"ui: {database} holds no runs of this benchmark yet; publish them first")
    number: int = row[0]
    return number
