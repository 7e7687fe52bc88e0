"""Stored datasets of every modality."""

from pathlib import Path

import pytest

from tests.data_cards.synthetic import write_datasets


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders by name; tests must not change their files."""
    return {folder.name: folder for folder in write_datasets(tmp_path_factory.mktemp("datasets"))}
