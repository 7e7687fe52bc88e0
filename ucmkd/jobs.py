"""What rules run: ``python -m ucmkd.jobs VERB SPECIFICATION`` calls one function with plain arguments.

A job imports what it needs and nothing else, since its start-up is paid for every block of seeds.
"""

import argparse
import errno
import gc
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ucmkd.blocks import (
    bound_files,
    cch_files,
    pilot_folders,
    run_folders,
    run_keys,
    simulation_files,
    teacher_folders,
    tuning_folders,
)
from ucmkd.errors import ConfigError, UcmkdError
from ucmkd.instructions import use_common_instructions
from ucmkd.processor import Stamp

log = logging.getLogger(__name__)

CAPTIONS = Path(__file__).resolve().parents[1] / "workflow" / "report"


def fetch(*, kind: str, folder: str) -> None:
    """Get the files that a kind of dataset is read from."""
    from ucmkd.data import upstream
    from ucmkd.data.base import dataset_class

    source = dataset_class(kind).upstream
    if source is None:
        raise ConfigError(f"{kind}: is not fetched; leave out the job")
    upstream.fetch(source, folder, upstream.mirror_folder())


def prepare(
    *,
    dataset: str,
    kind: str,
    settings: dict[str, Any],
    stamp: str,
    downloads: str,
    scratch: str,
    folder: str,
) -> None:
    """Store a dataset.

    ``stamp`` only says which state of the user's files is meant. ``scratch`` lies in a folder of the dataset
    and is named after the code, so that what older code left half done is not taken up.
    """
    from ucmkd.data.base import Workspace, load_dataset
    from ucmkd.data.prepared import write_prepared

    workspace = Workspace(downloads=Path(downloads), scratch=Path(scratch), workers=_workers())
    source = load_dataset(kind, settings, place=f"datasets.{dataset}", workspace=workspace)
    write_prepared(folder, dataset, source, {"kind": kind, **settings})
    shutil.rmtree(Path(scratch).parent, ignore_errors=True)


def pair_up(**spec: Any) -> None:
    """Store the index files of a pair in a regime."""
    from ucmkd.data import pairing

    pairing.pair_up(**spec)


def teacher(**spec: Any) -> None:
    """Train a block of teachers."""
    from ucmkd.training.teacher import train_teachers

    train_teachers(**spec)


def tune(**spec: Any) -> None:
    """Try settings of a method out."""
    from ucmkd.training import tune

    tune.tune(**spec)


def distill(**spec: Any) -> None:
    """Train a block of students."""
    from ucmkd.training import distill

    distill.distill(**spec)


def bound(**spec: Any) -> None:
    """Measure the terms of the bound."""
    from ucmkd.diagnostics import bound

    bound.bound(**spec)


def cch(**spec: Any) -> None:
    """Estimate mutual information."""
    from ucmkd.diagnostics import cch

    cch.cch(**spec)


def pilot(**spec: Any) -> None:
    """Train a block of students for a tenth of their time."""
    from ucmkd.diagnostics import pilot

    pilot.pilot(**spec)


def simulate(**spec: Any) -> None:
    """Compare closed forms with simulations."""
    from ucmkd.diagnostics import simulation

    simulation.simulate(**spec)


def summarise(
    *,
    cells: list[str],
    teachers: list[str],
    tuned: list[str],
    bounded: list[str],
    complementary: dict[str, dict[str, str]],
    piloted: list[str],
    seeds: int,
    folder: str,
) -> None:
    """Gather the records of all runs, and what was diagnosed of them, into tables.

    Its matrix products are so thin that a second thread of the library would wait more than it works.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ucmkd.evaluation import summarise
    from ucmkd.evaluation.diagnosed import Diagnosed

    diagnosed = Diagnosed(
        bound=bound_files(bounded, seeds),
        cch=cch_files(complementary, seeds),
        pilots=pilot_folders(piloted, seeds),
        simulations=simulation_files(complementary),
        pairs=complementary,
    )
    summarise.summarise(
        run_folders(cells, seeds),
        teacher_folders(teachers, seeds),
        run_keys(cells, seeds),
        folder,
        tuning_folders(tuned),
        diagnosed,
    )


def figures(**spec: Any) -> None:
    """Draw the figures."""
    from ucmkd.figures.draw import draw_all

    draw_all(**spec)


def data_card(*, folder: str, picture: str) -> None:
    """Draw the picture of a dataset's card."""
    from ucmkd.data_cards.draw import draw_card

    draw_card(folder, picture)


def report(**spec: Any) -> None:
    """Put figures and tables on one page."""
    from ucmkd.report.build import build_report

    build_report(captions_folder=CAPTIONS, **spec)


def publish(*, cells: list[str], teachers: list[str], tuned: list[str], seeds: int, **places: Any) -> None:
    """Show finished runs in MLflow."""
    from ucmkd.tracking import publish

    blocks = [*teacher_folders(teachers, seeds), *tuning_folders(tuned), *run_folders(cells, seeds)]
    publish.publish(blocks, **places)


STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.ENOTDIR)

WORKERS = "UCMKD_WORKERS"
"""The environment variable that says how many processes a job may use."""

VERBS: dict[str, Callable[..., None]] = {
    verb.__name__: verb
    for verb in (
        fetch,
        prepare,
        pair_up,
        teacher,
        tune,
        distill,
        bound,
        cch,
        pilot,
        simulate,
        summarise,
        figures,
        data_card,
        report,
        publish,
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job and return the exit code; errors that are not ours keep their traceback."""
    parser = argparse.ArgumentParser(prog="python -m ucmkd.jobs", description="Run one job of the workflow.")
    parser.add_argument("verb", choices=VERBS, help="what to do")
    parser.add_argument("specification", help="what it is told, as JSON; - reads it from standard input")
    parser.add_argument("--root", default=".", help="the folder that holds results/ (default: this one)")
    parsed = parser.parse_args(arguments)
    handler = logging.StreamHandler()
    handler.setFormatter(Stamp())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    try:
        os.chdir(parsed.root)
        VERBS[parsed.verb](**_read(parsed.specification))
        log.info("done")
    except UcmkdError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    except (OSError, SafetensorError) as error:
        if not _is_about_storage(error):
            raise
        sys.stderr.write(f"StorageError: results cannot be written ({error}); make room, or make the folder "
                         "writable, and run again: finished seeds are kept\n")  # fmt: skip
        return 1
    return 0


def _is_about_storage(error: Exception) -> bool:
    """Tell a full, read-only or misplaced folder from other failures; safetensors gives only words."""
    if isinstance(error, OSError):
        return error.errno in STORAGE_ERRORS
    return any(os.strerror(number) in str(error) for number in STORAGE_ERRORS)


def _workers() -> int:
    return int(os.environ.get(WORKERS, "1"))


def _read(text: str) -> dict[str, Any]:
    try:
        spec = json.loads(sys.stdin.read() if text == "-" else text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"specification: not JSON ({error}); ucmkd/specs.py shows what is expected"
        ) from None
    if not isinstance(spec, dict):
        raise ConfigError("specification: not a JSON object; ucmkd/specs.py shows what is expected")
    return spec


if __name__ == "__main__":
    use_common_instructions()
    gc.set_threshold(100_000)  # what is imported stays: to look for garbage there takes a tenth of a start-up
    code = main()
    gc.freeze()  # and at the exit another
    sys.exit(code)
