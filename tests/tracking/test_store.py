"""Which addresses are accepted, and what they become."""

import pytest

from ucmkd.errors import ConfigError
from ucmkd.tracking.store import find_store


def test_the_default_is_a_database_beside_the_receipt(tmp_path):
    store = find_store(None, tmp_path)
    assert store.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.artifacts == f"file://{tmp_path}/artifacts"


def test_relative_paths_start_at_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_store("sqlite:///runs/x.db", "elsewhere").database == tmp_path / "runs" / "x.db"


def test_a_server_decides_where_artifacts_go():
    store = find_store("https://tracking.example.org/mlflow/", "unused")
    assert (store.uri, store.database, store.artifacts) == ("https://tracking.example.org/mlflow", None, None)


def test_passwords_are_not_shown():
    store = find_store("https://me:secret@tracking.example.org:8080/x", "unused")
    assert store.shown == "https://tracking.example.org:8080/x"
    assert "me:secret" in store.uri


@pytest.mark.parametrize(
    "uri", ["", "results/tracking", "file:///x", "sqlite:///", "postgresql://a/b", "http://"]
)
def test_other_addresses_are_refused(uri):
    with pytest.raises(ConfigError, match=r"tracking\.uri"):
        find_store(uri, "unused")
