"""What a network says of many inputs, in evaluation mode."""

import numpy as np
import torch
from torch.func import functional_call

from ucmkd.methods.base import Outputs, Parameters
from ucmkd.training.inputs import Inputs
from ucmkd.training.network import Network

EVALUATION_BATCH = 1024
EVALUATION_BYTES = 64 * 2**20
"""Inputs that are scored at once: at most so many, and so many bytes of them."""


@torch.no_grad()
def predict(network: Network, params: Parameters, inputs: Inputs) -> Outputs:
    """Give features and logits of inputs in evaluation mode; the network's mode is put back afterwards."""
    training = network.training
    network.eval()
    size = min(EVALUATION_BATCH, max(1, EVALUATION_BYTES // inputs.row_bytes))
    parts: list[Outputs] = [
        functional_call(network, params, (inputs[np.arange(start, min(start + size, len(inputs)))],))
        for start in range(0, len(inputs), size)
    ]
    network.train(training)
    return Outputs(torch.cat([p.features for p in parts]), torch.cat([p.logits for p in parts]))
