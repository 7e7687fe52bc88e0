"""Train the teachers of a pair, and say once what each says of every sample."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from ucmkd.data.pairing import Pair, read_pair
from ucmkd.data.prepared import Prepared, read_prepared
from ucmkd.data.regimes import ALONE, find_regime
from ucmkd.data.sampling import Sampler
from ucmkd.errors import DataError, TrainingError
from ucmkd.evaluation.metrics import reliability, score
from ucmkd.files import read_json
from ucmkd.methods import ce
from ucmkd.methods.base import Needs, TeacherBank
from ucmkd.seeding import seed_for
from ucmkd.settings import NoSettings, build, plain
from ucmkd.training.block import SeedResult, digest_of, make_reproducible, now, run_block
from ucmkd.training.devices import Device, leased_device
from ucmkd.training.disturbance import disturbance_of
from ucmkd.training.inputs import Inputs
from ucmkd.training.network import Network, build_network
from ucmkd.training.predict import predict
from ucmkd.training.recipe import Recipe
from ucmkd.training.runner import Runner
from ucmkd.training.stored import initial_network, stored_network
from ucmkd.training.supply import Supply


def train_teachers(
    *,
    pair: str,
    pool: str,
    seeds: Sequence[int],
    pair_folder: str,
    teacher_data: str,
    model: Mapping[str, Any],
    recipe: Mapping[str, Any],
    device: Device,
    code: str,
    folder: str,
) -> None:
    """Train one teacher a seed and cache its features and logits for every sample of its dataset.

    Parameters
    ----------
    pair, pool : str
        The pool is ``full`` or ``own``, with the shift it is under; see
        :meth:`ucmkd.data.pairing.Pair.teacher_rows`.
    seeds : sequence of int
    pair_folder, teacher_data : str
        Folders of the pair in a regime with this pool, and of the prepared dataset.
    model : mapping
        ``encoder``, ``encoder_settings`` and ``width``.
    recipe : mapping
        Fields of :class:`~ucmkd.training.recipe.Recipe`.
    device : str
        ``cpu`` or ``cuda``.
    code : str
        Digest of the code.
    folder : str
        Of the block.

    Raises
    ------
    TrainingError
        If a teacher is no better than chance on validation data.
    """
    how = build(Recipe, recipe, "training.teacher")
    data, split = read_prepared(teacher_data), read_pair(pair_folder)
    facts = {"pair": pair, "pool": pool, "model": dict(model), "recipe": plain(how),
             "device": device, "code": code, "data": data.card["sha256"],
             "rows": split.teacher_rows(pool).tolist(),
             "shift": None if split.shift is None else plain(split.shift)}  # fmt: skip
    with leased_device(device) as leased:
        make_reproducible(leased)
        train = partial(
            _train, pair=pair, pool=pool, data=data, split=split, model=model, recipe=how, device=leased
        )
        run_block(folder, seeds, "outputs", digest_of(facts), partial(map, train))


def _train(
    seed: int, *, pair: str, pool: str, data: Prepared, split: Pair, model: Mapping[str, Any], recipe: Recipe,
    device: str,
) -> SeedResult:  # fmt: skip
    started, rows = now(), split.teacher_rows(pool)
    labels = data.labels[rows]
    name = f"{pair}/{pool}/teacher/default/seed{seed}"
    network = build_network(
        model["encoder"], "teacher", tuple(data.card["shape"]), model["width"], len(split.classes), "student",
        seed_for(seed, "teacher", "weights"), model["encoder_settings"],
    )  # fmt: skip
    disturb = disturbance_of(split.shift, "teacher", data)
    everything = Inputs(data, np.arange(len(data.labels)), device, disturb)
    untrained = _outputs(network.to(device), everything)
    supply = Supply(
        Inputs(data, rows, device, disturb),
        torch.from_numpy(labels).to(device),
        Sampler(find_regime(ALONE), recipe.batch_size, labels, np.full(len(labels), -1), labels),
        Inputs(data, split.teacher.val, device, disturb),
        data.labels[split.teacher.val],
    )
    fitted = Runner(
        network, ce.Method(NoSettings()), recipe, supply, seed=seed_for(seed, "teacher"), device=device
    ).fit()
    chance = np.bincount(supply.validation_labels).max() / len(supply.validation_labels)
    if fitted.validation["accuracy"] <= chance:
        raise TrainingError(
            f"{name}: validation accuracy {fitted.validation['accuracy']:.3f} is not above that of always "
            f"naming the commonest class ({chance:.3f}); train longer, or change the teacher's recipe"
        )
    network.load_state_dict(fitted.state, strict=True)
    trained = _outputs(network, everything)
    test = split.teacher.test
    record = {
        "run_key": name,
        "stage": "teacher",
        "pair": pair,
        "regime": pool,
        "method": "teacher",
        "variant": "default",
        "control": "real",
        "label": "Teacher",
        "needs": declared(Needs()),
        "fallback": None,
        "settings": {},
        "recipe": plain(recipe),
        "model": dict(model) | {"size": "teacher"},
        "scores": {"val": fitted.validation, "test": score(trained["logits"][test], data.labels[test])},
        "reliability": reliability(trained["logits"][test], data.labels[test]),
        "best_epoch": fitted.best_epoch,
        "costs": fitted.costs,
        "teacher": None,
        "device": device,
        "started": started,
    }
    arrays = trained | {f"untrained_{key}": value for key, value in untrained.items()}
    return SeedResult(record, fitted.history, arrays, fitted.state)


def declared(needs: Needs) -> dict[str, Any]:
    """What a method consumes, as plain values."""
    return {
        "teacher": sorted(needs.teacher),
        "correspondence": needs.correspondence,
        "student_labels": needs.student_labels,
        "teacher_labels": needs.teacher_labels,
    }


def _outputs(network: Network, inputs: Inputs) -> dict[str, NDArray[np.float32]]:
    said = predict(network, dict(network.named_parameters()), inputs)
    return {
        "features": said.features.cpu().numpy(),
        "logits": said.logits.cpu().numpy(),
        "head_weight": network.head.weight.detach().cpu().numpy().copy(),
        "head_bias": network.head.bias.detach().cpu().numpy().copy(),
    }


@dataclass(frozen=True)
class CachedTeacher:
    """What one teacher says of every row of its dataset, and its head.

    Attributes
    ----------
    features, logits : array, shapes (n, d) and (n, classes)
    head_weight, head_bias : array, shapes (classes, d) and (classes,)
    record : dict
    """

    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    head_weight: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    record: dict[str, Any]

    def reordered(self, order: NDArray[np.int64]) -> "CachedTeacher":
        """Let the teacher say of each row what it says of the row that ``order`` names."""
        return replace(self, features=self.features[order], logits=self.logits[order])

    def bank(self, rows: NDArray[np.int64], labels: NDArray[np.int64], device: str) -> TeacherBank:
        """Give these rows as tensors, with the frozen head; ``labels`` are those of the whole dataset."""
        weight = torch.from_numpy(self.head_weight).to(device)
        bias = torch.from_numpy(self.head_bias).to(device)

        def head(features: Tensor) -> Tensor:
            return F.linear(features, weight, bias)

        tensors = [torch.from_numpy(a[rows]).to(device) for a in (self.features, self.logits, labels)]
        return TeacherBank(tensors[0], tensors[1], tensors[2], head)


def teacher_network(
    folder: str | Path, record: Mapping[str, Any], data: Prepared, *, untrained: bool = False
) -> Network:
    """Build the teacher of a record again, frozen and in evaluation mode; ``untrained`` as it was at first.

    Raises
    ------
    DataError
        If its weights are missing or damaged.
    """
    network = initial_network(record, data) if untrained else stored_network(folder, record, data)
    return network.eval().requires_grad_(False)


def read_teacher(folder: str | Path, seed: int, *, untrained: bool = False) -> CachedTeacher:
    """Read what the teacher of this seed says; ``untrained`` gives the same network before training.

    Raises
    ------
    DataError
        If a file is damaged, or the cached outputs are not those of the stored weights.
    """
    folder = Path(folder)
    record = next((r for r in read_json(folder / "records.json") if r["seed"] == seed), None)
    if record is None:
        raise DataError(f"{folder}/records.json: no teacher with seed {seed}; run the teacher rule again")
    path = folder / "outputs" / f"seed{seed}.npz"
    prefix = "untrained_" if untrained else ""
    names = ("features", "logits", "head_weight", "head_bias")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            cached = CachedTeacher(**{name: arrays[prefix + name] for name in names}, record=record)
        head = load_file(folder / "models" / f"seed{seed}.safetensors")["head.weight"].numpy()
        said = cached.features @ cached.head_weight.T + cached.head_bias
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error, SafetensorError) as error:
        raise DataError(f"{path}, or the weights beside it: {error}; "
                        "delete the block's folder and run again") from None  # fmt: skip
    same_head = untrained or np.array_equal(head, cached.head_weight)
    if not same_head or not np.allclose(said, cached.logits, rtol=1e-3, atol=1e-3):
        raise DataError(
            f"{path}: not the outputs of the stored weights; delete the block's folder and run again"
        )
    return cached
