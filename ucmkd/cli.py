"""The command line: ``python -m ucmkd --help``."""

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ucmkd import __version__
from ucmkd.errors import ConfigError, UcmkdError

KINDS = ("datasets", "pairs", "methods", "models", "regimes", "shifts")
TRACKING = Path("results/tracking")
EPILOG = "Exit codes: 0 done, 1 something failed, 2 the input is at fault."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.command(parsed)
    except UcmkdError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


class _Parser(argparse.ArgumentParser):
    """Suggests the nearest choice for a misspelt one."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<choices>.*)\)", message)
        if wrong:
            near = difflib.get_close_matches(wrong["word"], re.findall(r"\w+", wrong["choices"]), n=1)
            message += f"; did you mean '{near[0]}'?" if near else ""
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m ucmkd",
        description="Look at the benchmark: its parts, its configuration, its runs. `snakemake` runs it.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = _command(commands, "list", _list, "list what there is to choose from", as_json=True)
    command.add_argument("kind", choices=KINDS, help=" | ".join(KINDS))

    command = _command(commands, "check", _check, "check a configuration and count its runs", as_json=True)
    command.add_argument(
        "config",
        nargs="*",
        metavar="CONFIG",
        help="files laid over config/config.yaml, one after the other; none checks that file itself",
    )

    command = _command(commands, "new", _new, "check two datasets and write the pair they make")
    command.add_argument("what", choices=("pair",), help="pair")
    command.add_argument("name", metavar="NAME", help="of the pair, in lower case")
    for role in ("teacher", "student"):
        command.add_argument(
            f"--{role}",
            required=True,
            metavar="SOURCE",
            help="a dataset, a folder of images or of sounds, a .csv or .npy file, or KIND:PATH",
        )
        command.add_argument(
            f"--labels-{role}",
            action="append",
            default=[],
            metavar="OLD=NEW",
            help=f"rename a class of the {role}; may be given more than once",
        )
    command.add_argument(
        "--accept-labels", action="store_true", help="take the proposed names where the classes differ"
    )
    command.add_argument(
        "--labels-per-class",
        type=int,
        metavar="N",
        help="training samples of each class that the student has (default: all)",
    )

    command = _command(commands, "embed", _embed, "embed your own images or texts by a local model")
    command.add_argument(
        "source", metavar="SOURCE", help="a folder of images, a .csv file with texts, KIND:PATH, or a dataset"
    )
    command.add_argument(
        "--encoder", required=True, help="timm:NAME, torchvision:NAME or transformers:FOLDER"
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="a .safetensors file, for timm and torchvision",
    )
    command.add_argument("--column", help="of the texts in a table (default: text)")
    command.add_argument("--out", required=True, metavar="FOLDER", help="for embeddings.npy and labels.csv")
    command.add_argument(
        "--length", type=int, default=256, metavar="N", help="tokens kept of a text (default: %(default)s)"
    )
    command.add_argument(
        "--batch", type=int, default=64, metavar="N", help="samples encoded at once (default: %(default)s)"
    )
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")

    command = _command(commands, "show", _show, "show the record of a finished run", as_json=True)
    command.add_argument(
        "run",
        metavar="RUN",
        help="pair/regime/method/variant/seed3; without the seed, all seeds; or a folder with records",
    )

    command = _command(commands, "ui", _ui, "browse published runs in the MLflow UI until interrupted")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    command.add_argument("--port", type=int, default=5000, help="port to listen on (default: %(default)s)")
    command.add_argument(
        "--expose", action="store_true", help="allow an address that others reach; there is no login"
    )

    command = _command(commands, "publish", _publish, "send finished runs to MLflow, each once")
    command.add_argument(
        "--uri",
        metavar="URI",
        help="sqlite:///PATH or the address of a server (default: tracking.uri of config/config.yaml, "
        "else results/tracking/mlflow.db)",
    )

    _add_benches(commands)
    return parser


def _add_benches(commands: Any) -> None:
    benches = commands.add_parser(
        "bench", help="measure what things cost", description="Measure what things cost.", epilog=EPILOG
    ).add_subparsers(metavar="WHAT", required=True)
    command = _command(
        benches, "step", _bench_step, "time a step of every method against cross-entropy", as_json=True
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
    command = _command(
        benches, "seeds", _bench_seeds, "time students trained in one pass against one by one", as_json=True
    )
    command.add_argument("--seeds", type=int, default=6, metavar="N", help="(default: %(default)s)")
    command.add_argument("--rounds", type=int, default=15, metavar="N", help="(default: %(default)s)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    command = _command(
        benches, "transport", _bench_transport, "measure solvers of entropic transport", as_json=True
    )
    command.add_argument("--sizes", nargs="+", type=int, help="points in a batch (default: 64 256 1024)")
    command.add_argument("--iterations", type=int, default=100, help="of every solver (default: 100)")
    command.add_argument("--epsilon", type=float, default=0.05, help="for costs near 1 (default: 0.05)")
    _add_pipeline(benches)


def _add_pipeline(benches: Any) -> None:
    what = "measure everything around the training, beside budgets"
    parts = benches.add_parser(
        "pipeline", help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=EPILOG
    ).add_subparsers(metavar="PART", required=True)

    def part(name: str, what: str, *, of_folder: bool = False) -> argparse.ArgumentParser:
        command = _command(parts, name, _bench_pipeline, what, as_json=True)
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


def _command(
    commands: Any, name: str, run: Callable[[Any], int], what: str, *, as_json: bool = False
) -> argparse.ArgumentParser:
    about = {"help": what, "description": f"{what[0].upper()}{what[1:]}.", "epilog": EPILOG}
    command: argparse.ArgumentParser = commands.add_parser(name, **about)
    command.set_defaults(command=run)
    if as_json:
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return command


def _list(parsed: argparse.Namespace) -> int:
    from ucmkd import catalogue

    _print_rows(catalogue.KINDS[parsed.kind](), as_json=parsed.json)
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from ucmkd.benchmark import Benchmark
    from ucmkd.config import load

    counts = Benchmark.parse(load(parsed.config)).counts()
    if parsed.json:
        print(json.dumps(counts, indent=1))
        return 0
    _print_rows(counts["listed"], as_json=False)
    print("\n{cells} cells, {runs} runs and {teachers} teachers in {jobs} training jobs".format(**counts))
    return 0


def _new(parsed: argparse.Namespace) -> int:
    from ucmkd import config
    from ucmkd.new.pair import new_pair

    new_pair(
        parsed.name,
        {"teacher": parsed.teacher, "student": parsed.student},
        labels={
            "teacher": _renamed(parsed.labels_teacher, "--labels-teacher"),
            "student": _renamed(parsed.labels_student, "--labels-student"),
        },
        accept_labels=parsed.accept_labels,
        labels_per_class=parsed.labels_per_class,
        root=config.ROOT,
        workers=os.cpu_count() or 1,
        say=print,
    )
    return 0


def _embed(parsed: argparse.Namespace) -> int:
    from ucmkd.config import load
    from ucmkd.embedding.embed import embed

    embed(
        parsed.source,
        parsed.encoder,
        parsed.out,
        config=load(),
        weights=parsed.weights,
        column=parsed.column,
        length=parsed.length,
        batch=parsed.batch,
        device=parsed.device,
        workers=os.cpu_count() or 1,
        say=lambda words: print(words, file=sys.stderr, flush=True),
    )
    return 0


def _renamed(words: Sequence[str], option: str) -> dict[str, str]:
    for word in words:
        if not all(word.partition("=")):
            raise ConfigError(f"{option}: '{word}' is not OLD=NEW; write the names of a class on both sides")
    return dict(word.split("=", 1) for word in words)


def _show(parsed: argparse.Namespace) -> int:
    from ucmkd import showing

    records = showing.find_records(parsed.run)
    if parsed.json:
        print(json.dumps(records if len(records) > 1 else records[0], indent=1))
    else:
        print(showing.overview(records) if len(records) > 1 else showing.details(records[0]))
    return 0


def _ui(parsed: argparse.Namespace) -> int:
    from ucmkd.tracking.ui import open_ui

    open_ui(folder=TRACKING, host=parsed.host, port=parsed.port, expose=parsed.expose)


def _publish(parsed: argparse.Namespace) -> int:
    from ucmkd.config import load, validate
    from ucmkd.tracking.publish import publish

    blocks = [*Path("results").glob("teachers/*/*/block*/records.json"),
              *Path("results").glob("runs/*/*/*/*/block*/records.json")]  # fmt: skip
    if not blocks:
        raise ConfigError("results: there is no finished run to publish; run snakemake first")
    done = publish(
        sorted(path.parent for path in blocks),
        "results/summary",
        "results/figures",
        "results/report.html",
        parsed.uri or validate(load())["tracking"]["uri"],
        TRACKING / "published.json",
    )
    counts = {"new": done.new, "resumed": done.resumed, "there": done.skipped, "pending": len(done.pending)}
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if done.pending else 0


def _bench_step(parsed: argparse.Namespace) -> int:
    from ucmkd.training.bench import bench_step

    rows = bench_step(
        parsed.methods,
        encoder=parsed.encoder,
        shape=tuple(parsed.shape or ()),
        batch_size=parsed.batch,
        rounds=parsed.rounds,
        device=parsed.device,
    )
    _print_rows(rows, as_json=parsed.json)
    return 0


def _bench_seeds(parsed: argparse.Namespace) -> int:
    from ucmkd.training.bench_seeds import bench_seeds

    _print_rows(
        bench_seeds(seeds=parsed.seeds, rounds=parsed.rounds, device=parsed.device), as_json=parsed.json
    )
    return 0


def _bench_transport(parsed: argparse.Namespace) -> int:
    from ucmkd.transport.bench import SIZES, bench_transport

    rows = bench_transport(parsed.sizes or SIZES, iterations=parsed.iterations, epsilon=parsed.epsilon)
    _print_rows(rows, as_json=parsed.json)
    return 0


def _bench_pipeline(parsed: argparse.Namespace) -> int:
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
    _print_rows(rows, as_json=parsed.json)
    if parsed.part == "share" and parsed.figure:
        from ucmkd.pipeline.share_figure import draw_share

        draw_share(rows, parsed.figure)
    return 0


def _print_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    from ucmkd.showing import table

    print(json.dumps(rows, indent=1) if as_json else table(rows))
