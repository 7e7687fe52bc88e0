"""``python -m ucmkd bench``: what things cost."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ucmkd.commands import EPILOG, add_command, print_rows


def add_benches(commands: Any) -> None:
    """Add ``bench`` and all that it measures."""
    benches = commands.add_parser(
        "bench", help="measure what things cost", description="Measure what things cost.", epilog=EPILOG
    ).add_subparsers(metavar="WHAT", required=True)
    command = add_command(
        benches, "step", _step, "time a step of every method against cross-entropy", as_json=True
    )
    command.add_argument(
        "methods", nargs="*", metavar="METHOD", help="(default: all that need no teacher at work)"
    )
    command.add_argument(
        "--encoder", default="convnet", help="such as mlp or timm:resnet18 (default: convnet)"
    )
    command.add_argument(
        "--shape",
        type=int,
        nargs="+",
        metavar="N",
        help="of inputs, such as 3 32 32 (default: the encoder's)",
    )
    command.add_argument("--batch", type=int, default=64, metavar="N", help="(default: %(default)s)")
    command.add_argument("--rounds", type=int, default=15, metavar="N", help="(default: %(default)s)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    command = add_command(
        benches, "seeds", _seeds, "time students trained in one pass against one by one", as_json=True
    )
    command.add_argument("--seeds", type=int, default=6, metavar="N", help="(default: %(default)s)")
    command.add_argument("--rounds", type=int, default=15, metavar="N", help="(default: %(default)s)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    command = add_command(
        benches, "transport", _transport, "measure solvers of entropic transport", as_json=True
    )
    command.add_argument("--sizes", nargs="+", type=int, help="points in a batch (default: 64 256 1024)")
    command.add_argument("--iterations", type=int, default=100, help="of every solver (default: 100)")
    command.add_argument("--epsilon", type=float, default=0.05, help="for costs near 1 (default: 0.05)")
    add_command(benches, "gpu", _gpu, "run the default and a ResNet-18 benchmark on a GPU", as_json=True)
    _add_pipeline(benches)


def _add_pipeline(benches: Any) -> None:
    what = "measure everything around the training, beside budgets"
    parts = benches.add_parser(
        "pipeline", help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=EPILOG
    ).add_subparsers(metavar="PART", required=True)

    def part(name: str, what: str, *, of_folder: bool = False) -> argparse.ArgumentParser:
        command = add_command(parts, name, _pipeline, what, as_json=True)
        command.set_defaults(part=name)
        if of_folder:
            command.add_argument(
                "folder",
                nargs="?",
                type=Path,
                default=Path(),
                metavar="FOLDER",
                help="where results/ of a finished benchmark lies (default: this folder)",
            )
        return command

    share = part("share", "share out the processor's time of a finished benchmark", of_folder=True)
    share.add_argument("--figure", type=Path, metavar="FILE", help="draw it, as .png or .svg")
    part("dry-run", "plan a benchmark of 10,000 runs")
    part("summary", "summarise 100,000 made-up records")
    part("publish", "publish 1,000 made-up runs")
    nothing = part("no-op", "call snakemake where everything is done", of_folder=True)
    nothing.add_argument(
        "--config",
        action="append",
        type=Path,
        default=[],
        metavar="CONFIG",
        help="a file laid over config/config.yaml, as for the benchmark; may be given more than once",
    )
    part("disk", "count what a finished benchmark takes of the disk", of_folder=True)


def _step(parsed: argparse.Namespace) -> int:
    from ucmkd.training.bench import bench_step

    rows = bench_step(
        parsed.methods,
        encoder=parsed.encoder,
        shape=tuple(parsed.shape or ()),
        batch_size=parsed.batch,
        rounds=parsed.rounds,
        device=parsed.device,
    )
    print_rows(rows, as_json=parsed.json)
    return 0


def _seeds(parsed: argparse.Namespace) -> int:
    from ucmkd.training.bench_seeds import bench_seeds

    print_rows(
        bench_seeds(seeds=parsed.seeds, rounds=parsed.rounds, device=parsed.device), as_json=parsed.json
    )
    return 0


def _transport(parsed: argparse.Namespace) -> int:
    from ucmkd.transport.bench import SIZES, bench_transport

    rows = bench_transport(parsed.sizes or SIZES, iterations=parsed.iterations, epsilon=parsed.epsilon)
    print_rows(rows, as_json=parsed.json)
    return 0


def _gpu(parsed: argparse.Namespace) -> int:
    from ucmkd.pipeline.gpu import bench_gpu

    print_rows(bench_gpu(), as_json=parsed.json)
    return 0


def _pipeline(parsed: argparse.Namespace) -> int:
    from ucmkd.pipeline.disk import bench_disk
    from ucmkd.pipeline.planning import bench_dry_run, bench_no_op
    from ucmkd.pipeline.publishing import bench_publish
    from ucmkd.pipeline.share import bench_share
    from ucmkd.pipeline.summary import bench_summary

    measures: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "share": lambda: bench_share(parsed.folder),
        "dry-run": bench_dry_run,
        "summary": bench_summary,
        "publish": bench_publish,
        "no-op": lambda: bench_no_op(parsed.folder, parsed.config),
        "disk": lambda: bench_disk(parsed.folder),
    }
    rows = measures[parsed.part]()
    print_rows(rows, as_json=parsed.json)
    if parsed.part == "share" and parsed.figure:
        from ucmkd.pipeline.share_figure import draw_share

        draw_share(rows, parsed.figure)
    return 0
