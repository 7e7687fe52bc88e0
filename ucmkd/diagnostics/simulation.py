"""Check the closed forms by simulation, once for a benchmark."""

from pathlib import Path

from ucmkd.files import write_json


def simulate(*, seed: int, code: str, output: str | Path) -> None:
    """Write the comparison of closed forms with simulation.

    Parameters
    ----------
    seed : int
    code : str
        Digest of the code that this depends on; kept beside the rows.
    output : path
        A JSON file with ``rows``, see :func:`ucmkd.information.simulation.simulation_table`.
    """
    from ucmkd.information.simulation import simulation_table

    write_json(output, {"seed": seed, "code": code, "rows": simulation_table(seed=seed)})
