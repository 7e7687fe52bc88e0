"""What a finished student says of rows of its dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.training.disturbance import disturbance_of
from ucmkd.training.inputs import Inputs
from ucmkd.training.predict import predict
from ucmkd.training.stored import stored_network
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
    network = stored_network(folder, record, data.learning)
    disturb = disturbance_of(data.split.shift, "student", data.learning)
    said = predict(network, dict(network.named_parameters()), Inputs(data.learning, rows, "cpu", disturb))
    return said.features.numpy(), said.logits.numpy()
