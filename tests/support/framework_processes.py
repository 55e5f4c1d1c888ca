"""Two processes that train in a framework: a script, run by `test_lightning` and `test_transformers`.

`python framework_processes.py lightning ddp OUT` starts its second process by itself; for `transformers` torchrun does.
Each process has its half of the batch, a row a step; the first one writes down the weights that it ends with.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
import two_processes
from torch import nn
from torch.nn.functional import mse_loss

import tammes

COEF, LR, STEPS = 0.5, 0.1, 4


def expected():
    """What one process ends with, on both rows at each step."""
    from naive_terms import naive_term, weights

    model = two_processes.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    x, y = two_processes.batch()
    for k in range(STEPS):
        optimizer.zero_grad()
        (mse_loss(model(x[k::STEPS]), y[k::STEPS]) + naive_term(model, COEF)).backward()
        optimizer.step()
    return weights(model)


def run(framework, kind, folder, seconds=150.0):
    """Weights that two processes end with."""
    out = folder / "weights.pt"
    launch = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"] if framework == "transformers" else []
    )
    command = [sys.executable, *launch, __file__, framework, kind, str(out)]
    paths = [str(Path(tammes.__file__).parents[1]), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as started:
        try:
            printed, _ = started.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)  # both of them
            raise
    assert started.returncode == 0, printed.decode()
    return torch.load(out)


class Halves(torch.utils.data.Dataset):
    def __len__(self):
        return STEPS

    def __getitem__(self, k):
        return tuple(part[k : k + 1] for part in two_processes.half(torch.distributed.get_rank()))


def in_lightning(kind):
    import lightning.pytorch as pl

    from tammes.nn.integrations.lightning import RegularizerCallback

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = two_processes.network()

        def configure_model(self):
            if kind == "fsdp2":
                mesh = self.device_mesh["data_parallel"]
                torch.distributed.fsdp.fully_shard(self.net[0], mesh=mesh)
                torch.distributed.fsdp.fully_shard(self.net, mesh=mesh)

        def training_step(self, batch, number):
            return mse_loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=LR)

    if kind == "fsdp2":
        strategy = pl.strategies.ModelParallelStrategy(2, 1, process_group_backend="gloo")
    else:
        strategy = pl.strategies.DDPStrategy(process_group_backend="gloo")
    quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger", "enable_checkpointing"), False)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=2,
        strategy=strategy,
        use_distributed_sampler=False,
        callbacks=[RegularizerCallback(coef=COEF)],
        **quiet,
    )
    module = Module()
    trainer.fit(module, torch.utils.data.DataLoader(Halves(), batch_size=None))
    return module.net


class Net(nn.Module):
    """The network, called as a Trainer calls it."""

    def __init__(self):
        super().__init__()
        self.net = two_processes.network()

    def forward(self, x, labels):
        return {"loss": mse_loss(self.net(x), labels)}


def in_transformers(kind, folder):
    from transformers import Trainer, TrainingArguments

    from tammes.nn.integrations.transformers import RegularizerCallback

    class InOrder(Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    x, y = two_processes.batch()
    rows = [k + first for k in range(STEPS) for first in (0, STEPS)]
    sharding = {}
    if kind == "fsdp2":
        config = {"fsdp_version": 2, "auto_wrap_policy": "SIZE_BASED_WRAP", "min_num_params": 30}
        sharding = {"fsdp": True, "fsdp_config": config | {"reshard_after_forward": False}}
    trainer = InOrder(
        model=Net(),
        args=TrainingArguments(
            output_dir=str(folder),
            use_cpu=True,
            ddp_backend="gloo",
            dataloader_pin_memory=False,
            report_to=[],
            disable_tqdm=True,
            save_strategy="no",
            optim="sgd",
            learning_rate=LR,
            lr_scheduler_type="constant",
            max_grad_norm=0.0,
            num_train_epochs=1,
            per_device_train_batch_size=1,
            remove_unused_columns=False,
            **sharding,
        ),
        train_dataset=[{"x": x[k], "labels": y[k]} for k in rows],
        callbacks=[RegularizerCallback(coef=COEF)],
    )
    trainer.train()
    return trainer.model.net


if __name__ == "__main__":
    framework, kind, out = sys.argv[1:]
    net = in_lightning(kind) if framework == "lightning" else in_transformers(kind, Path(out).parent)
    found = two_processes.weights(net)
    if torch.distributed.get_rank() == 0:
        torch.save(found, out)
    # The frameworks leave threads of gloo running, in which the end of the interpreter may abort. So the two meet once
    # more, that neither closes a connection that the other still reads, and leave without it.
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)
