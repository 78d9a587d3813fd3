"""The training step of `ram bench` in PyTorch, and a worker that runs it, for pytorch.py.

The model, the sizes, the batches, the loss (the hybrid one of Sec. 3.2), the type f32 and the optimiser (SGD with momentum
0.9) are the same. The code is written for speed in PyTorch: a glimpse is one gather for each scale, and a step builds nothing
that can be built before it.

A worker answers the line `step INDEX CALLS` of its standard input as `ram bench worker` does: it runs a step of CASES so many
times and prints the seconds that they took. `machine` tells PyTorch's version and the
names and batches of CASES. The step is made, compiled and warmed up when it is first asked for.
"""

import argparse
import json
import math
import sys
import time

import torch
import torch.nn.functional as F

# (name in `ram bench`, edge of the image, edge of a patch, scales, glimpses, batch)
CASES = [
    ("28x28, 6 glimpses of 8x8x1", 28, 8, 1, 6, 20),
    ("28x28, 6 glimpses of 8x8x1", 28, 8, 1, 6, 128),
    ("28x28, 6 glimpses of 8x8x1", 28, 8, 1, 6, 512),
    ("translated 60x60, 8 glimpses of 12x12x3", 60, 12, 3, 8, 128),
    ("cluttered 100x100, 8 glimpses of 12x12x4", 100, 12, 4, 8, 128),
    ("Catch, 23 frames, LSTM, 6x6x3", 24, 6, 3, 23, 256),
]
FEATURES, WIDTH, CLASSES, STD = 128, 256, 10, 0.1
# The settings of Catch, as in `ram train --experiment catch`.
MOVES, PLAY_STD, GAIN, LOCATION_WEIGHT, ENTROPY_WEIGHT = 3, 0.2, 16.0, 0.1, 0.02


def log_gaussian(x, mean, std):
    return (-((x - mean) ** 2) / (2 * std**2) - math.log(std * math.sqrt(2 * math.pi))).sum(1)


class Sight(torch.nn.Module):
    """The retina and the glimpse network."""

    def __init__(self, edge, patch, scales, glimpses, batch):
        super().__init__()
        self.edge, self.patch, self.scales, self.glimpses = edge, patch, scales, glimpses
        self.rho = torch.nn.Linear(patch * patch * scales, FEATURES)
        self.where = torch.nn.Linear(2, FEATURES)
        self.from_rho = torch.nn.Linear(FEATURES, WIDTH)
        self.from_where = torch.nn.Linear(FEATURES, WIDTH)
        # The coarsest patch may lie outside of the image by its whole width, so zeros surround the image.
        self.pad = patch * 2 ** (scales - 1)
        self.register_buffer("rows", torch.arange(batch), persistent=False)

    def retina(self, padded, location):
        centre = (location + 1) * (0.5 * self.edge)
        patches = []
        for scale in range(self.scales):
            n = 2**scale
            side = self.patch * n
            start = torch.round(centre - side / 2).long().clamp(-self.pad, self.edge) + self.pad
            # A view of every window. Only the bytes of one window for each image are copied and converted to numbers.
            windows = padded.unfold(1, side, 1).unfold(2, side, 1)
            patch = windows[self.rows, start[:, 1], start[:, 0]].float()
            patches.append(F.avg_pool2d(patch[:, None], n)[:, 0] if n > 1 else patch)
        return torch.stack(patches, 1).flatten(1) * (1 / 255)

    def see(self, padded, seen, gain=1.0):
        rho = self.retina(padded, seen)
        h_g = F.relu(self.rho(rho * gain if gain != 1 else rho))
        h_l = F.relu(self.where(seen))
        return F.relu(self.from_rho(h_g) + self.from_where(h_l))


class Ram(Sight):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.hidden = torch.nn.Linear(WIDTH, WIDTH)
        self.glimpse = torch.nn.Linear(WIDTH, WIDTH)
        self.location = torch.nn.Linear(WIDTH, 2)
        self.action = torch.nn.Linear(WIDTH, CLASSES)
        self.baseline = torch.nn.Linear(WIDTH, 1)

    def forward(self, images, labels, first, noise):
        padded = F.pad(images, (self.pad,) * 4)
        location, h = first, None
        log_probs, baselines = [], []
        for t in range(self.glimpses):
            g = self.see(padded, location.clamp(-1, 1))
            # h₀ = 0
            recurrent = self.hidden.bias if h is None else self.hidden(h)
            h = F.relu(recurrent + self.glimpse(g))
            if t + 1 == self.glimpses:
                break
            constant = h.detach()
            mean = self.location(constant).clamp(-1, 1)
            location = (mean + STD * noise[t]).detach()
            log_probs.append(log_gaussian(location, mean, STD))
            baselines.append(self.baseline(constant)[:, 0])
        logits = self.action(h)
        reward = (logits.argmax(1) == labels).float()
        b, log_p = torch.stack(baselines), torch.stack(log_probs)
        reinforce = -(log_p * (reward - b).detach()).sum(0).mean()
        return F.cross_entropy(logits, labels) + reinforce + ((reward - b) ** 2).mean()


class Player(Sight):
    """Plays whole games of Catch, all games of a batch at once, and learns from their rewards (Sec. 4.2)."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.core = torch.nn.LSTMCell(WIDTH, WIDTH)
        self.location = torch.nn.Linear(WIDTH, 2)
        self.action = torch.nn.Linear(WIDTH, MOVES)
        self.baseline = torch.nn.Linear(WIDTH, 1)

    def forward(self, balls, paddle, first, noise, uniforms):
        """balls [frames + 1, batch]: the ball's column in each frame; it falls one row in each. paddle [batch]: its left column."""
        batch, bottom = len(paddle), self.pad + self.edge - 1
        location, state = first, None
        actions, locations, baselines, entropies = [], [], [], []
        for t in range(self.glimpses):
            padded = torch.zeros(batch, self.edge + 2 * self.pad, self.edge + 2 * self.pad, dtype=torch.uint8)
            padded[self.rows, self.pad + t, self.pad + balls[t]] = 255
            padded[self.rows, bottom, self.pad + paddle] = 255
            padded[self.rows, bottom, self.pad + paddle + 1] = 255
            state = self.core(self.see(padded, location.clamp(-1, 1), GAIN), state)
            h = state[0]
            log_p = F.log_softmax(self.action(h), 1)
            move = (log_p.detach().exp().cumsum(1) < uniforms[t][:, None]).sum(1).clamp(max=MOVES - 1)
            actions.append(log_p.gather(1, move[:, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p).sum(1))
            baselines.append(self.baseline(h.detach())[:, 0])
            paddle = (paddle + move - 1).clamp(0, self.edge - 2)
            if t + 1 < self.glimpses:
                mean = self.location(h).clamp(-1, 1)
                location = (mean + PLAY_STD * noise[t]).detach()
                locations.append(log_gaussian(location, mean, PLAY_STD))
        reward = ((balls[self.glimpses] - paddle) // 2 == 0).float()
        b = torch.stack(baselines)
        advantage = (reward - b).detach()
        actions, locations = torch.stack(actions) * advantage, torch.stack(locations) * advantage[:-1]
        loss = -actions.sum(0).mean() - ENTROPY_WEIGHT * torch.stack(entropies).sum(0).mean()
        return loss - LOCATION_WEIGHT * locations.sum(0).mean() + ((reward - b) ** 2).mean()


def draw_games(edge, batch):
    """The ball's column in every row, where walls reflect the ball, and the first column of the paddle."""
    start, velocity = torch.randint(0, edge, (batch,)), torch.rand(batch) * 2 - 1
    unfolded = (start + velocity * torch.arange(edge)[:, None]).remainder(2 * (edge - 1))
    balls = torch.minimum(unfolded, 2 * (edge - 1) - unfolded).round().long()
    return balls, torch.randint(0, edge - 1, (batch,))


def stepper(case, compiled):
    """Returns a function that does one training step."""
    name, edge, patch, scales, glimpses, batch = case
    plays = name.startswith("Catch")
    model = (Player if plays else Ram)(edge, patch, scales, glimpses, batch)
    loss_of = torch.compile(model) if compiled else model
    # The learning rate is 0, as in `ram bench`, so that the last step is as much work as the first.
    optimiser = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    images = torch.randint(0, 256, (batch, edge, edge), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (batch,))

    def step():
        first, noise = torch.rand(batch, 2) * 2 - 1, torch.randn(glimpses - 1, batch, 2)
        optimiser.zero_grad(set_to_none=True)
        if plays:
            loss = loss_of(*draw_games(edge, batch), first, noise, torch.rand(glimpses, batch))
        else:
            loss = loss_of(images, labels, first, noise)
        loss.backward()
        optimiser.step()

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--compiled", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    steps = {}
    for line in sys.stdin:
        if line.strip() == "machine":
            names = [[case[0], case[-1]] for case in CASES]
            print(json.dumps({"pytorch": torch.__version__, "steps": names}), flush=True)
            continue
        _, index, calls = line.split()
        try:
            if index not in steps:
                step = stepper(CASES[int(index)], arguments.compiled)
                for _ in range(3):
                    step()
                steps[index] = step
            start = time.perf_counter()
            for _ in range(int(calls)):
                steps[index]()
            print(time.perf_counter() - start, flush=True)
        except Exception as error:
            print("failed:", str(error).splitlines()[0], flush=True)


if __name__ == "__main__":
    main()
