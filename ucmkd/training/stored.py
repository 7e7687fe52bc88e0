"""The network of a finished run, built again from its record and its kept weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from ucmkd.data.prepared import Prepared
from ucmkd.errors import DataError
from ucmkd.seeding import seed_for
from ucmkd.training.network import Network, build_network


def initial_network(record: Mapping[str, Any], data: Prepared) -> Network:
    """Build the network of a run as it was before training.

    Parameters
    ----------
    record : mapping
        Of a student or a teacher.
    data : Prepared
        The dataset that it reads.
    """
    model = record["model"]
    return build_network(
        model["encoder"], model["size"], tuple(data.card["shape"]), model["width"], len(data.card["classes"]),
        model.get("project", "student"), seed_for(record["seed"], model["size"], "weights"),
        model["encoder_settings"],
    )  # fmt: skip


def stored_network(folder: str | Path, record: Mapping[str, Any], data: Prepared) -> Network:
    """Build the network of a run with the weights that its block keeps.

    Raises
    ------
    DataError
        If the weights are missing or damaged.
    """
    network = initial_network(record, data)
    path = Path(folder) / "models" / f"seed{record['seed']}.safetensors"
    try:
        network.load_state_dict(load_file(path), strict=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{path}: {error}; delete the block's folder and run again") from None
    return network
