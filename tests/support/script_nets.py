"""Small networks for TorchScript, and a function that writes a file where it is called."""

import torch
from torch import Tensor, nn

IMAGE = torch.zeros(1, 1, 8, 8)


def writes(path: str) -> int:
    torch.save("text", path)
    return 1


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[empty-body]
        pass


class Network(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.layer = nn.Conv2d(1, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Saves(Network):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, self.path)
        return self.layer(x)
