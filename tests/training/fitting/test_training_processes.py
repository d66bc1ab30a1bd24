"""Two processes train one network: their batches differ, their gradients are averaged."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

SCRIPT = """
import sys
from pathlib import Path
import torch
from stylesync_training.fitting.loop import Run, Schedule

def draw(number):
    return torch.full((1, 1), float(number))

def loss_of(network, batch, step):
    return network(batch).mean(), {}

torch.set_num_threads(1)
network = torch.nn.Linear(1, 1, bias=False)
torch.nn.init.zeros_(network.weight)
torch.optim.AdamW = lambda parameters, lr, **_: torch.optim.SGD(parameters, lr=lr)
Run(Path(sys.argv[1])).train(network, Schedule(3, rate=1.0, warm_up=0, decay=0.0), draw, loss_of)
"""


def test_two_processes_average_their_gradients(tmp_path: Path) -> None:
    """The gradient of each batch is its number; clipped to 1 only as a mean: 0.5, then 1 and 1."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    shared |= {"LOCAL_WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(script), str(tmp_path / "run")]
    started = [
        subprocess.Popen(words, env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank})
        for rank in ("0", "1")
    ]
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    weight = load_file(tmp_path / "run" / "last.safetensors")["weight"]
    torch.testing.assert_close(weight, torch.tensor([[-2.5]]), atol=1e-4, rtol=0)
