"""The command line: ``python -m ucmkd --help``."""

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ucmkd import __version__
from ucmkd.benches import add_benches
from ucmkd.commands import EPILOG, add_command, print_rows
from ucmkd.errors import ConfigError, UcmkdError

KINDS = ("datasets", "pairs", "methods", "models", "regimes", "shifts")
TRACKING = Path("results/tracking")


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

    command = add_command(commands, "list", _list, "list what there is to choose from", as_json=True)
    command.add_argument("kind", choices=KINDS, help=" | ".join(KINDS))

    command = add_command(commands, "check", _check, "check a configuration and count its runs", as_json=True)
    command.add_argument(
        "config",
        nargs="*",
        metavar="CONFIG",
        help="files laid over config/config.yaml, one after the other; none checks that file itself",
    )

    command = add_command(commands, "new", _new, "check two datasets and write the pair they make")
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

    command = add_command(commands, "embed", _embed, "embed your own images or texts by a local model")
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

    command = add_command(commands, "show", _show, "show the record of a finished run", as_json=True)
    command.add_argument(
        "run",
        metavar="RUN",
        help="pair/regime/method/variant/seed3; without the seed, all seeds; or a folder with records",
    )

    command = add_command(commands, "ui", _ui, "browse published runs in the MLflow UI until interrupted")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    command.add_argument("--port", type=int, default=5000, help="port to listen on (default: %(default)s)")
    command.add_argument(
        "--expose", action="store_true", help="allow an address that others reach; there is no login"
    )

    command = add_command(commands, "publish", _publish, "send finished runs to MLflow, each once")
    command.add_argument(
        "--uri",
        metavar="URI",
        help="sqlite:///PATH or the address of a server (default: tracking.uri of config/config.yaml, "
        "else results/tracking/mlflow.db)",
    )

    add_benches(commands)
    return parser


def _list(parsed: argparse.Namespace) -> int:
    from ucmkd import catalogue

    print_rows(catalogue.KINDS[parsed.kind](), as_json=parsed.json)
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from ucmkd.benchmark import Benchmark
    from ucmkd.config import load

    counts = Benchmark.parse(load(parsed.config)).counts()
    if parsed.json:
        print(json.dumps(counts, indent=1))
        return 0
    print_rows(counts["listed"], as_json=False)
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
