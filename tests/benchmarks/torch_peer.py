"""A step of a network as PyTorch takes it; needs torch, and nothing of ours.

For each line that it reads it takes so many steps, and writes the seconds; asked for a profile, in the end a line of
JSON with the milliseconds of each operation of all steps. With 0 threads it takes them on a GPU. Channels last,
`autocast` for bfloat16; Adam for ResNet-18, and SGD with momentum for airbench, whose Muon would cost more; a fixed
batch of noise, without augmentation, which would only make it slower.
"""

import contextlib
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, narrow, wide, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(narrow, wide, 3, stride, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2, self.norm2 = nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)
        shape = nn.Sequential(nn.Conv2d(narrow, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))
        self.shortcut = shape if stride != 1 or narrow != wide else nn.Identity()

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    def __init__(self, widths):
        super().__init__()
        layers = [nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for index, (narrow, wide) in enumerate(zip((widths[0], *widths), widths)):  # noqa: B905
            layers += [Block(narrow, wide, 2 if index else 1), Block(wide, wide, 1)]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(widths[-1], 16)

    def forward(self, x):
        return self.head(self.layers(x).mean((2, 3)))


class Group(nn.Module):
    def __init__(self, narrow, wide):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(narrow, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide)
        self.conv2, self.norm2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide)

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)), approximate="tanh")
        return F.gelu(self.norm2(self.conv2(x)), approximate="tanh")


class Airbench(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.whitening = nn.Conv2d(3, 24, 2)
        self.whitening.weight.requires_grad = False
        groups = [Group(narrow, wide) for narrow, wide in zip((24, *widths), widths)]  # noqa: B905
        self.groups, self.head = nn.Sequential(*groups), nn.Linear(widths[-1], 10, bias=False)

    def forward(self, x):
        return self.head(self.groups(F.gelu(self.whitening(x), approximate="tanh")).amax((2, 3)))


def main(network, widths, batch, precision, threads, profile):
    device = "cpu" if threads else "cuda"
    if threads:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = True
    model = (ResNet18 if network == "resnet18" else Airbench)(widths).to(device, memory_format=torch.channels_last)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    if network == "resnet18":
        optimizer = torch.optim.Adam(trained, 1e-3, fused=device == "cuda")
    else:
        optimizer = torch.optim.SGD(trained, 1e-3, momentum=0.6, nesterov=True)
    x = torch.randn(batch, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (batch,), device=device)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    step()
    print(f"torch {torch.__version__}", flush=True)
    with torch.profiler.profile() if profile else contextlib.nullcontext() as profiler:
        for line in sys.stdin:
            start = time.perf_counter()
            for _ in range(int(line)):
                step()
            if device == "cuda":
                torch.cuda.synchronize()
            print(time.perf_counter() - start, flush=True)
    if profile:
        print(json.dumps({row.key: row.self_cpu_time_total / 1e3 for row in profiler.key_averages()}))


if __name__ == "__main__":
    network, widths, batch, precision, threads, *rest = sys.argv[1:]
    main(network, tuple(map(int, widths.split(","))), int(batch), precision, int(threads), rest == ["profile"])
