"""ArcFace+ (Eq. 15 of the MMA paper) with pytorch-metric-learning: ArcFace, and MMA on the class vectors.

Forty classes in eight families, so that ArcFace leaves the class vectors of a family close together. What MMA changes
here is their angles; the accuracy stays where it is, within what another seed changes. Needs
`pip install 'tammes[metric-learning]'`; takes a few seconds on a CPU.
"""

import torch
from pytorch_metric_learning.losses import ArcFaceLoss
from torch import nn

from tammes.losses import MMALoss
from tammes.nn.inspect.weights import RowMeasure, measure

CLASSES, FAMILIES, INPUTS, EMBEDDING = 40, 8, 32, 16


def samples(each: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noisy samples of each class, and their labels. The classes are the same for every seed."""
    classes = torch.Generator().manual_seed(0)
    families = torch.randn(FAMILIES, 1, INPUTS, generator=classes)
    centres = families + 0.5 * torch.randn(FAMILIES, CLASSES // FAMILIES, INPUTS, generator=classes)
    noise = torch.randn(CLASSES, each, INPUTS, generator=torch.Generator().manual_seed(seed))
    points = centres.reshape(CLASSES, 1, INPUTS) + 0.6 * noise
    return points.reshape(-1, INPUTS), torch.arange(CLASSES).repeat_interleave(each)


def train(weight: float, seed: int = 1, epochs: int = 20) -> tuple[float, RowMeasure]:
    """Return accuracy on new samples and the angles of the class vectors, after training with a weight of MMA."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(INPUTS, 64), nn.ReLU(), nn.Linear(64, EMBEDDING))
        criterion = ArcFaceLoss(
            num_classes=CLASSES,
            embedding_size=EMBEDDING,
            scale=16,
            weight_regularizer=MMALoss(),  # MMA on the class vectors,
            weight_reg_weight=weight,  # with its coefficient
        )
        optimizer = torch.optim.Adam([*network.parameters(), *criterion.parameters()], lr=0.01)
        x, labels = samples(each=20, seed=seed)
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(200):
                optimizer.zero_grad()
                criterion(network(x[batch]), labels[batch]).backward()
                optimizer.step()
    with torch.no_grad():
        x, labels = samples(each=20, seed=seed + 1000)
        accuracy = (criterion.get_logits(network(x)).argmax(dim=1) == labels).double().mean().item()
        class_vectors = criterion.W.T.numpy()  # (classes, embedding)
    return accuracy, measure(class_vectors)


def main() -> None:
    for name, weight in (("ArcFace", 0.0), ("ArcFace+", 3.0)):
        accuracy, vectors = train(weight)
        print(
            f"{name:9} accuracy {100 * accuracy:5.2f} %, minimal angle of the class vectors "
            f"{vectors.min_angle_degrees:5.2f}°, mean angle to the nearest {vectors.mean_nearest_angle_degrees:5.2f}°"
        )


if __name__ == "__main__":
    main()
