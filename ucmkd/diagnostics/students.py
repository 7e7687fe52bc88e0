"""What a finished student says of rows of its dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from ucmkd.errors import DataError
from ucmkd.seeding import seed_for
from ucmkd.training.disturbance import disturbance_of
from ucmkd.training.inputs import Inputs
from ucmkd.training.network import build_network
from ucmkd.training.predict import predict
from ucmkd.training.student import Data


def student_outputs(
    folder: str | Path, record: Mapping[str, Any], data: Data, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run a finished student on the CPU.

    Parameters
    ----------
    folder : path
        Its block, with the kept weights under ``models``.
    record : mapping
        Its record.
    data : Data
        Of its pair and regime.
    rows : array of int, shape (n,)
        Of the student's dataset; disturbed as the regime's shift says.

    Returns
    -------
    features, logits : arrays, shapes (n, d) and (n, classes)
        Features lie in the shared embedding.

    Raises
    ------
    DataError
        If its weights are missing or damaged.
    """
    model, seed = record["model"], record["seed"]
    network = build_network(
        model["encoder"], "student", tuple(data.learning.card["shape"]), model["width"],
        len(data.split.classes), model["project"], seed_for(seed, "student", "weights"),
        model["encoder_settings"],
    )  # fmt: skip
    path = Path(folder) / "models" / f"seed{seed}.safetensors"
    try:
        network.load_state_dict(load_file(path), strict=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{path}: {error}; delete the block's folder and run again") from None
    disturb = disturbance_of(data.split.shift, "student", data.learning)
    said = predict(network, dict(network.named_parameters()), Inputs(data.learning, rows, "cpu", disturb))
    return said.features.numpy(), said.logits.numpy()
