"""Which device a job computes on: on one machine a free one, under a cluster scheduler what it was given."""

import fcntl
import logging
import os
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Literal

from ucmkd.errors import ConfigError

log = logging.getLogger(__name__)
Device = Literal["cpu", "cuda"]

VISIBLE = "CUDA_VISIBLE_DEVICES"
DECLARED = "UCMKD_DEVICES"
LOCKS = "UCMKD_LOCK_DIR"
_SCHEDULERS = ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST")
_NAME = re.compile(r"\d+|(GPU|MIG)-[0-9A-Za-z/-]+")
_GPU = re.compile(r"GPU (\d+):")
_SLICE = re.compile(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)")


@contextmanager
def leased_device(device: Device) -> Iterator[str]:
    """Hold a device while the block runs, and let this process see no other.

    It must be entered before torch initialises CUDA. The lease is a lock on a file of the user, which the
    kernel drops with the process, however that ends; jobs that find every device held wait for one. Under
    Slurm or Kubernetes nothing is locked: the scheduler has chosen.

    Parameters
    ----------
    device : "cpu" or "cuda"

    Yields
    ------
    str
        What to give to ``torch.device``.

    Raises
    ------
    ConfigError
        If CUDA is asked for and there is no device.
    """
    if device == "cpu":
        yield device
        return
    scheduled = any(name in os.environ for name in _SCHEDULERS)
    devices = _visible() if scheduled else _declared() or _visible()
    if not devices:
        where = "the scheduler gave this job none" if scheduled else "this machine shows none"
        remedy = "ask for one (resources: gpu=1)" if scheduled else f"name them ({DECLARED}=0,1)"
        raise ConfigError(f"device: cuda needs a GPU and {where}; {remedy} or set 'device: cpu'")
    if scheduled:
        yield device
        return
    with _lock_one(devices) as leased, _only(leased):
        yield device


def _declared() -> list[str]:
    names = [name.strip() for name in os.environ.get(DECLARED, "").split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{DECLARED}: '{name}' is neither the number nor the UUID of a device")
    return names


def _visible() -> list[str]:
    listed = os.environ.get(VISIBLE)
    if listed is None:
        return _installed()
    return list(takewhile(_NAME.fullmatch, (name.strip() for name in listed.split(","))))


def _installed() -> list[str]:
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return parse_listing(listing)


def parse_listing(listing: str) -> list[str]:
    """Name the devices in the output of ``nvidia-smi -L``: numbers of whole GPUs, UUIDs of MIG slices."""
    devices: list[str] = []
    for line in listing.splitlines():
        if gpu := _GPU.match(line):
            devices.append(gpu[1])
        elif part := _SLICE.match(line):
            if devices and devices[-1].isdecimal():
                devices.pop()
            devices.append(part[1])
    return devices


@contextmanager
def _lock_one(devices: list[str]) -> Iterator[str]:
    folder = _lock_folder()
    waiting = False
    while True:
        for name in random.sample(devices, len(devices)):
            path = folder / f"{name.replace('/', '_')}.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            try:
                log.info("device %s is leased", name)
                yield name
            finally:
                os.close(descriptor)
            return
        if not waiting:
            log.info("devices %s are all held by other jobs; waiting", ", ".join(devices))
            waiting = True
        time.sleep(random.uniform(0.05, 0.25))


def _lock_folder() -> Path:
    folder = Path(os.environ.get(LOCKS) or Path(tempfile.gettempdir()) / f"ucmkd-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ConfigError(f"device: {folder} is not this user's own folder; name another one in {LOCKS}")
    return folder


@contextmanager
def _only(name: str) -> Iterator[None]:
    """Show CUDA one device, numbered as nvidia-smi does unless the user gave a list in CUDA's order."""
    changed = {VISIBLE: name}
    if VISIBLE not in os.environ:
        changed["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    before = {key: os.environ.get(key) for key in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
