"""The lease of a device: never two jobs at once on one, whatever happens to them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ucmkd.errors import ConfigError
from ucmkd.training.devices import leased_device, parse_listing

WORKER = """
import os, sys, time
from ucmkd.training.devices import leased_device

log, seconds = sys.argv[1], float(sys.argv[2])

def note(word, device):
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{word} {device} {os.getpid()}\\n".encode())
    os.close(descriptor)

with leased_device("cuda"):
    device = os.environ["CUDA_VISIBLE_DEVICES"]
    note("start", device)
    time.sleep(seconds)
    note("end", device)
"""
OUTSIDE = (
    "SLURM_JOB_ID",
    "KUBERNETES_SERVICE_HOST",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "UCMKD_DEVICES",
)


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No scheduler, no declared device, no nvidia-smi, and locks that no other test sees."""
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UCMKD_LOCK_DIR", str(tmp_path / "locks"))
    monkeypatch.setenv("PATH", str(tmp_path))


def start_worker(log: Path, seconds: float, devices: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "UCMKD_DEVICES": devices}
    return subprocess.Popen([sys.executable, "-c", WORKER, str(log), str(seconds)], env=environment)


def holders(log: Path) -> dict[int, str]:
    """Replay the log: the device of each process that started; fails where one device has two at once."""
    busy: dict[str, int] = {}
    seen: dict[int, str] = {}
    for line in log.read_text().splitlines():
        word, device, process = line.split()
        if word == "start":
            assert device not in busy, f"{process} got device {device} while {busy[device]} held it"
            busy[device] = int(process)
            seen[int(process)] = device
        else:
            assert busy.pop(device) == int(process)
    return seen


def wait_for_start(log: Path, processes: set[int]) -> int:
    """Wait until one of these holds a device; the limit only keeps a broken lease from hanging."""
    for _ in range(6000):
        if started := processes & holders(log).keys():
            return started.pop()
        time.sleep(0.01)
    raise AssertionError(f"none of {processes} got a device")


def test_jobs_never_share_a_device_and_all_are_served(tmp_path):
    log = tmp_path / "log"
    log.touch()
    victims = {worker.pid: worker for worker in (start_worker(log, 3600, "0,1,2") for _ in range(5))}
    others = [start_worker(log, 0.02, "0,1,2") for _ in range(16)]
    while victims:
        victim = victims.pop(wait_for_start(log, set(victims)))
        with log.open("a") as file:
            file.write(f"end {holders(log)[victim.pid]} {victim.pid}\n")
        victim.kill()
        assert victim.wait() == -signal.SIGKILL
    assert [other.wait() for other in others] == [0] * 16
    seen = holders(log)
    assert len(seen) == 21
    assert set(seen.values()) <= {"0", "1", "2"}


def test_free_devices_are_all_used_at_once(tmp_path):
    log = tmp_path / "log"
    log.touch()
    workers = [start_worker(log, 3600, "0,1,2") for _ in range(3)]
    try:
        for worker in workers:
            wait_for_start(log, {worker.pid})
        assert sorted(holders(log).values()) == ["0", "1", "2"]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def test_cpu_leases_nothing():
    with leased_device("cpu") as device:
        assert device == "cpu"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_the_environment_is_restored(monkeypatch):
    monkeypatch.setenv("UCMKD_DEVICES", "3")
    with leased_device("cuda") as device:
        assert device == "cuda"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert "CUDA_DEVICE_ORDER" not in os.environ


def test_an_error_inside_gives_the_device_back(monkeypatch):
    monkeypatch.setenv("UCMKD_DEVICES", "0")
    with pytest.raises(ValueError, match="inside"), leased_device("cuda"):
        raise ValueError("inside")
    with leased_device("cuda"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"


def test_only_devices_that_are_visible_are_leased(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, -1, 2")
    with leased_device("cuda"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5, -1, 2"


def test_devices_are_listed_by_the_driver(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 7: Some Model (UUID: GPU-1)'\n")
    tool.chmod(0o755)
    with leased_device("cuda"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize("scheduler", ["SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST"])
def test_a_scheduler_has_chosen_already(monkeypatch, tmp_path, scheduler):
    monkeypatch.setenv(scheduler, "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("UCMKD_DEVICES", "9")
    with leased_device("cuda") as device:
        assert device == "cuda"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert not (tmp_path / "locks").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CUDA_VISIBLE_DEVICES", "", "this machine shows none"),
        ("CUDA_VISIBLE_DEVICES", "-1", "UCMKD_DEVICES"),
        ("SLURM_JOB_ID", "1", "the scheduler gave this job none"),
        ("UCMKD_DEVICES", "0,../1", "neither the number nor the UUID"),
    ],
)
def test_asking_for_cuda_without_a_device_is_refused(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message), leased_device("cuda"):
        pass


def test_a_lock_folder_of_somebody_else_is_refused(monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "locks").symlink_to(tmp_path / "real")
    monkeypatch.setenv("UCMKD_DEVICES", "0")
    with pytest.raises(ConfigError, match="not this user's own folder"), leased_device("cuda"):
        pass


def test_whole_gpus_are_named_by_number_and_slices_by_uuid():
    listing = (
        "GPU 0: Some Model (UUID: GPU-aaaa)\n"
        "GPU 1: Some Model (UUID: GPU-bbbb)\n"
        "  MIG 3g.71gb     Device  0: (UUID: MIG-cccc)\n"
        "  MIG 3g.71gb     Device  1: (UUID: MIG-dddd)\n"
        "GPU 2: Some Model (UUID: GPU-eeee)\n"
    )
    assert parse_listing(listing) == ["0", "MIG-cccc", "MIG-dddd", "2"]
