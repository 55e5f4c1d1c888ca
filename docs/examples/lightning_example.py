"""The regulariser in Lightning: one callback; the module stays as it is.

Needs `pip install 'tammes[lightning]'`; takes a few seconds on a CPU.
"""

import lightning.pytorch as pl
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from tammes.nn.integrations.lightning import RegularizerCallback


class Classifier(pl.LightningModule):
    """Ten classes of points in 20 dimensions. The module itself has no regulariser."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        x, y = batch
        loss = cross_entropy(self.network(x), y)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def points() -> TensorDataset:
    """Return ten clouds of a hundred points."""
    centres = torch.randn(10, 1, 20)
    return TensorDataset(
        (centres + 0.7 * torch.randn(10, 100, 20)).reshape(-1, 20), torch.arange(10).repeat_interleave(100)
    )


def main() -> None:
    torch.manual_seed(0)
    callback = RegularizerCallback(loss="mma", coef=1.0)  # also RegularizerCallback(preset="mma_paper")
    module = Classifier()
    trainer = pl.Trainer(
        max_epochs=5,
        accelerator="cpu",
        callbacks=[callback],
        gradient_clip_val=1.0,
        log_every_n_steps=5,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(points(), batch_size=100, shuffle=True))
    for name, value in sorted(trainer.callback_metrics.items()):  # a logger has them by step and epoch
        print(f"{name:32} {value:8.3f}")
    print(callback.regularizer.report())


if __name__ == "__main__":
    main()
