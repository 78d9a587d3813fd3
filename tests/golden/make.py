"""Golden values for RAM, "Recurrent Models of Visual Attention" (Mnih et al., 2014).

Written from the paper's Sections 3 and 4 and from the geometry in words (README.md beside this
file), never from the Rust code. `python make.py` writes its *.safetensors files beside itself.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
HERE = Path(__file__).parent
STEPS = 10
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.9, 0.999), eps=1e-8),
}


class Redraw(Exception):
    """A value lies too near a place where the computation jumps; draw the case anew."""


def apart(distance, least, what):
    if distance.numel() and distance.min() < least:
        raise Redraw(what)


def f32_exact(x):
    """As float64, but representable in float32, so that an f32 run starts from the same numbers."""
    return torch.as_tensor(np.asarray(x)).to(torch.float32).to(torch.float64)


# ---------------------------------------------------------------- the retina, Sec. 4

def centre(l, width, height):
    """c = (l + 1)/2 · (W, H): −1 and 1 are the outer edges of the image."""
    return (l + 1) / 2 * torch.tensor([width, height], dtype=l.dtype)


def pixels(images, rows, cols):
    """images [B,C,H,W] at integer rows [B,P] × cols [B,P] -> [B,C,P,P], zero outside."""
    H, W = images.shape[2:]
    inside = ((rows >= 0) & (rows < H))[:, :, None] & ((cols >= 0) & (cols < W))[:, None, :]
    b = torch.arange(len(images))[:, None, None]
    r, q = rows.clamp(0, H - 1)[:, :, None], cols.clamp(0, W - 1)[:, None, :]
    return (images[b, :, r, q] * inside[..., None]).permute(0, 3, 1, 2)


def shrink(patch, g):
    """Mean over blocks: [B,C,g·n,g·n] -> [B,C,g,g]."""
    B, C, P, _ = patch.shape
    return patch.reshape(B, C, g, P // g, g, P // g).mean((3, 5))


def retina(images, l, g, k, bilinear=False):
    """ρ(x, l) [B, C·k·g·g]; index ((channel·k + scale)·g + row)·g + column, scales fine to coarse."""
    H, W = images.shape[2:]
    scales = []
    for s in range(k):
        P = g * 2**s
        start = centre(l, W, H) - P / 2  # [B, 2], (x, y)
        steps = torch.arange(P)
        if not bilinear:
            start = torch.round(start).long()  # ties to even
            patch = pixels(images, start[:, 1:] + steps, start[:, :1] + steps)
        else:
            # Sample point start + j + 1/2, pixel centres at integer + 1/2: the halves cancel.
            whole = torch.floor(start).detach()
            fx, fy = (start - whole).T[:, :, None, None, None]
            cols, rows = whole.long()[:, :1] + steps, whole.long()[:, 1:] + steps
            patch = (
                (1 - fy) * (1 - fx) * pixels(images, rows, cols)
                + (1 - fy) * fx * pixels(images, rows, cols + 1)
                + fy * (1 - fx) * pixels(images, rows + 1, cols)
                + fy * fx * pixels(images, rows + 1, cols + 1)
            )
        scales.append(shrink(patch, g))
    return torch.stack(scales, 2).flatten(1)


def away_from_ties(l, width, height):
    """g·2^s/2 is whole for even g, so every scale has the fraction of c; a tie is c = n + 1/2."""
    c = centre(l, width, height)
    apart((c - torch.floor(c) - 0.5).abs(), 1e-3, "rounding tie")


# ---------------------------------------------------------------- the agent, Sec. 3.1 and 4

def linear(p, name, x):
    return x @ p[name + ".weight"] + p[name + ".bias"]


def rect(x):
    apart(x.detach().abs(), 5e-6, "kink of Rect")
    return torch.relu(x)


def episode(p, c, data):
    """One unrolled episode for every image of the batch."""
    dtype = p["core.hidden.bias"].dtype
    x = data["images"].to(dtype) / 255
    noise, l = data["noise"].to(dtype), data["l0"].to(dtype)
    h = torch.zeros(c["batch"], c["h"], dtype=dtype)
    out = {n: [] for n in "locations retina glimpse hidden raw_means means log_probs baselines".split()}
    for t in range(1, c["glimpses"] + 1):
        # The clamped location feeds the retina and the glimpse network, as a constant.
        seen = l.clamp(-1, 1)
        away_from_ties(seen, c["width"], c["height"])
        rho = retina(x, seen, c["patch"], c["scales"])
        # g = Rect(Linear(hg) + Linear(hl)), hg = Rect(Linear(ρ(x, l))), hl = Rect(Linear(l))
        hg = rect(linear(p, "glimpse.retina", rho))
        hl = rect(linear(p, "glimpse.location", seen))
        g = rect(linear(p, "glimpse.hg", hg) + linear(p, "glimpse.hl", hl))
        # hₜ = Rect(Linear(hₜ₋₁) + Linear(gₜ)), h₀ = 0
        h = rect(linear(p, "core.hidden", h) + linear(p, "core.glimpse", g))
        for name, value in ("locations", l), ("retina", rho), ("glimpse", g), ("hidden", h):
            out[name].append(value)
        if t == c["glimpses"]:
            break
        # mₜ = f_l(hₜ), squashed or not
        raw = linear(p, "location", h if c["into_core"] else h.detach())
        if c["mean"] == "clamp":
            apart((raw.detach().abs() - 1).abs(), 1e-3, "edge of the clamp")
        m = {"linear": lambda m: m, "clamp": lambda m: m.clamp(-1, 1), "tanh": torch.tanh}[c["mean"]](raw)
        # lₜ ~ N(mₜ, σ²), the sample as drawn, a constant
        l = (m + c["std"] * noise[t - 1]).detach()
        # log N(l; m, σ²) = −(l − m)²/2σ² − ln σ − ½ ln 2π, summed over x and y
        log_p = -((l - m) ** 2) / (2 * c["std"] ** 2) - math.log(c["std"]) - 0.5 * math.log(2 * math.pi)
        out["raw_means"].append(raw)
        out["means"].append(m)
        out["log_probs"].append(log_p.sum(1))
        out["baselines"].append(linear(p, "baseline", h.detach())[:, 0])  # bₜ = Linear(hₜ)
    out = {n: torch.stack(v) for n, v in out.items()}
    out["logits"] = linear(p, "action", h)
    top = out["logits"].detach().topk(2, 1).values
    apart(top[:, 0] - top[:, 1], 1e-3, "tie of the argmax")
    return out


def hybrid_loss(out, labels, c):
    """Sec. 3.2. The three terms unweighted, and their weighted total."""
    # R = 1 if the image is classified correctly, else 0
    R = (out["logits"].argmax(1) == labels).to(out["logits"].dtype)
    b = out["baselines"]  # [T−1, B]
    ce = F.cross_entropy(out["logits"], labels)
    # eq. (2): −(1/B) Σᵢ Σₜ log p(lₜ)·(R − bₜ), R − bₜ a constant
    location = -(out["log_probs"] * (R - b).detach()).sum(0).mean()
    # (1/B) Σᵢ 1/(T−1) Σₜ (R − bₜ)²
    baseline = ((R - b) ** 2).mean()
    total = ce + c["location_weight"] * location + c["baseline_weight"] * baseline
    return R, {"ce": ce, "location": location, "baseline": baseline, "total": total}


def gradients(loss, p):
    grads = torch.autograd.grad(loss, list(p.values()), retain_graph=True, allow_unused=True)
    return {n: torch.zeros_like(w) if d is None else d for (n, w), d in zip(p.items(), grads)}


# ---------------------------------------------------------------- the cases

RECT = dict(height=14, width=14, channels=1, patch=4, scales=2, glimpses=4, hg=12, hl=12, g=20, h=20,
            classes=10, batch=6, mean="linear", std=0.17, into_core=False,
            location_weight=1.0, baseline_weight=1.0)
CASES = {
    "rect": RECT,
    "into_core": RECT | dict(mean="clamp", into_core=True, location_weight=0.3, baseline_weight=0.7),
    "tanh": RECT | dict(height=13, width=10, channels=3, patch=2, scales=3, glimpses=5, hg=10, hl=8, g=14,
                        h=16, classes=7, batch=5, mean="tanh", std=0.11, baseline_weight=0.5),
}


def draw(c, rng):
    """Images, l₀, noise, parameters. Labels are made right for the even images, wrong for the odd."""
    rho = c["channels"] * c["scales"] * c["patch"] ** 2
    layers = {
        "glimpse.retina": (rho, c["hg"]), "glimpse.location": (2, c["hl"]),
        "glimpse.hg": (c["hg"], c["g"]), "glimpse.hl": (c["hl"], c["g"]),
        "core.hidden": (c["h"], c["h"]), "core.glimpse": (c["g"], c["h"]),
        "location": (c["h"], 2), "action": (c["h"], c["classes"]), "baseline": (c["h"], 1),
    }
    p = {}
    for name, (n_in, n_out) in layers.items():
        size = 1.5 if name == "location" and c["mean"] != "linear" else 1.0
        p[name + ".weight"] = f32_exact(rng.normal(0, size / math.sqrt(n_in), (n_in, n_out)))
        p[name + ".bias"] = f32_exact(rng.normal(0, 0.2, n_out))
    B, T = c["batch"], c["glimpses"]
    data = {
        "images": torch.as_tensor(rng.integers(0, 256, (B, c["channels"], c["height"], c["width"]), dtype=np.uint8)),
        "l0": f32_exact(rng.uniform(-1, 1, (B, 2))),
        "noise": f32_exact(rng.normal(0, 1, (T - 1, B, 2))),
    }
    best = episode(p, c, data)["logits"].argmax(1)
    wrong = (best + torch.as_tensor(rng.integers(1, c["classes"], B))) % c["classes"]
    data["labels"] = torch.where(torch.arange(B) % 2 == 0, best, wrong)
    return p, data


def run(p0, c, data, dtype):
    """Everything that a case holds beside its inputs."""
    def leaves():
        return {n: w.to(dtype).clone().requires_grad_() for n, w in p0.items()}

    p = leaves()
    out = episode(p, c, data)
    R, losses = hybrid_loss(out, data["labels"], c)
    result = out | {"reward": R} | {f"loss.{n}": v.reshape(1) for n, v in losses.items()}
    for term, loss in losses.items():
        prefix = "grad" if term == "total" else f"grad_{term}"
        result |= {f"{prefix}.{n}": d for n, d in gradients(loss, p).items()}
    for name, make in OPTIMISERS.items():
        p = leaves()
        optimiser, seen = make(list(p.values())), []
        for _ in range(STEPS):
            loss = hybrid_loss(episode(p, c, data), data["labels"], c)[1]["total"]
            for w, d in zip(p.values(), gradients(loss, p).values()):
                w.grad = d
            optimiser.step()
            seen.append(loss.detach())
        episode(p, c, data)  # the final parameters keep the distances too
        result |= {f"{name}.{n}": w for n, w in p.items()} | {f"{name}.losses": torch.stack(seen)}
    return {n: v.detach() for n, v in result.items()}


def make_case(name, c):
    for seed in range(100_000):
        try:
            p, data = draw(c, np.random.default_rng([sum(map(ord, name)), seed]))
            result = run(p, c, data, torch.float64)
            if not (result["locations"][1:].abs() > 1).any():
                raise Redraw("no sample beyond the border")
            clamped = result["raw_means"].abs() > 1
            if c["mean"] == "clamp" and not (clamped.any() and 2 * clamped.sum() < clamped.numel()):
                raise Redraw("no mean clamped, or too many")
            # Conditioning: PyTorch's own f32 run must stay within 3e-6 of each tensor's largest value.
            single = run(p, c, data, torch.float32)
            for key, value in result.items():
                apart(3e-6 * value.abs().max() - (single[key].double() - value).abs(), 0, "f32 " + key)
        except Redraw:
            continue
        check_case(p, c, data, result)
        config = {"name": name, "seed": seed} | c | {
            "steps": STEPS, "sgd": {"lr": 0.05, "momentum": 0.9}, "nesterov": {"lr": 0.05, "momentum": 0.9},
            "adam": {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}}
        write(name, data | {f"params.{n}": w for n, w in p.items()} | result, config)
        return


def check_case(p, c, data, result):
    """Image by image in NumPy loops; the location head's gradient in closed form; who gets gradient."""
    W = {n: w.numpy() for n, w in p.items()}
    lin = lambda name, x: x @ W[name + ".weight"] + W[name + ".bias"]
    pos = lambda x: np.maximum(x, 0)
    d_head, R = np.zeros((c["h"], 2)), result["reward"].numpy()
    assert 0 < R.sum() < c["batch"]
    for i in range(c["batch"]):
        h, l = np.zeros(c["h"]), data["l0"][i].numpy()
        for t in range(c["glimpses"]):
            seen = np.clip(l, -1, 1)
            rho = loop_retina(data["images"][i].numpy() / 255, seen, c["patch"], c["scales"])
            hg, hl = pos(lin("glimpse.retina", rho)), pos(lin("glimpse.location", seen))
            h = pos(lin("core.hidden", h) + lin("core.glimpse", pos(lin("glimpse.hg", hg) + lin("glimpse.hl", hl))))
            close(rho, result["retina"][t, i])
            if t == c["glimpses"] - 1:
                continue
            raw = lin("location", h)
            m, dm = {"linear": (raw, 1 + 0 * raw), "clamp": (np.clip(raw, -1, 1), abs(raw) <= 1),
                     "tanh": (np.tanh(raw), 1 - np.tanh(raw) ** 2)}[c["mean"]]
            l = m + c["std"] * data["noise"][t, i].numpy()
            density = np.exp(-0.5 * ((l - m) / c["std"]) ** 2) / np.sqrt(2 * np.pi * c["std"] ** 2)
            close(np.log(density.prod()), result["log_probs"][t, i])
            b = lin("baseline", h)[0]
            close(b, result["baselines"][t, i])
            # ∂(−log p·(R − b))/∂m = −(l − m)/σ² · (R − b)
            d_head += np.outer(h, -(l - m) / c["std"] ** 2 * (R[i] - b) * dm) / c["batch"]
        logits = lin("action", h)
        close(logits, result["logits"][i])
        assert R[i] == (logits.argmax() == data["labels"][i].item())
    close(d_head, result["grad_location.location.weight"])
    for n in p:
        head = n.split(".")[0]
        reached = {"ce": head not in ("location", "baseline"), "baseline": head == "baseline",
                   "location": head == "location" or c["into_core"] and head in ("glimpse", "core")}
        for term, yes in reached.items():
            assert result[f"grad_{term}.{n}"].any().item() == yes, (term, n)


# ---------------------------------------------------------------- the retina alone

def loop_retina(image, l, g, k):
    """The whole-pixel retina again, a pixel at a time. image [C,H,W] in NumPy."""
    C, H, W = image.shape
    out = np.zeros((C, k, g, g))
    for s in range(k):
        n = 2**s
        x0 = int(np.rint((l[0] + 1) / 2 * W - g * n / 2))  # np.rint: ties to even
        y0 = int(np.rint((l[1] + 1) / 2 * H - g * n / 2))
        for y in range(max(y0, 0), min(y0 + g * n, H)):
            for x in range(max(x0, 0), min(x0 + g * n, W)):
                out[:, s, (y - y0) // n, (x - x0) // n] += image[:, y, x] / n**2
    return out.ravel()


def grid_sample_retina(images, l, g, k):
    """The bilinear retina again, by PyTorch's own sampler and pooling."""
    H, W = images.shape[2:]
    scales = []
    for s in range(k):
        P = g * 2**s
        at = (centre(l, W, H) - P / 2)[:, None] + torch.arange(P)[:, None] + 0.5  # [B, P, 2]
        at = at / torch.tensor([W, H]) * 2 - 1
        grid = torch.stack([at[:, None, :, 0].expand(-1, P, P), at[:, :, None, 1].expand(-1, P, P)], 3)
        patch = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        scales.append(F.avg_pool2d(patch, 2**s))
    return torch.stack(scales, 2).flatten(1)


def locations(rng, width, height, bilinear):
    """Locations [N, 2] and their kind: 0 within [−1, 1], 1 beyond it, 2 on a rounding tie."""
    edge = 0.97 if bilinear else 1.0  # at ±1 the bilinear form has a kink in l
    inside = [(-edge, -edge), (edge, -edge), (-edge, edge), (edge, edge), (-edge, 0.13), (0.31, edge)]
    inside += list(rng.uniform(-1, 1, (2, 2)))
    beyond = [(1.37, -1.61), (-1.23, 0.21), (0.43, 1.19), (7.17, -9.1)]
    ties = []
    if not bilinear:
        # Dyadic l, so that c = n + 1/2 exactly in any precision: all of an axis, n even and n odd where
        # the size has both (an odd size has only its middle).
        def tie(size):
            found = [i / 32 for i in range(-31, 32) if ((i / 32 + 1) / 2 * size) % 1 == 0.5]
            return found[len(found) // 2 - 1 :][:2]
        ties = [(x, y) for x in tie(width) for y in tie(height)]
    kind = [0] * len(inside) + [1] * len(beyond) + [2] * len(ties)
    l = f32_exact(np.array(inside + beyond + ties))
    c = centre(l, width, height)[: len(inside) + len(beyond)]
    if bilinear:
        apart((c - torch.round(c)).abs(), 1e-3, "kink of the bilinear form")
    else:
        away_from_ties(l[: len(c)], width, height)
    return l, torch.tensor(kind, dtype=torch.uint8)


#          patch, scales, channels, height, width
RETINAS = {"a": (2, 4, 1, 7, 10), "b": (4, 3, 2, 11, 9), "c": (8, 2, 1, 16, 12), "d": (12, 1, 1, 9, 14)}
COARSE = {"e": (12, 4, 1, 20, 31)}  # the paper's largest retina; crop only


def make_retinas(bilinear):
    cases = RETINAS if bilinear else RETINAS | COARSE
    tensors, config = {}, {"bilinear": bilinear, "cases": {}}
    for seed, (name, (g, k, C, H, W)) in enumerate(cases.items()):
        rng = np.random.default_rng([7, int(bilinear), seed])
        l, kind = locations(rng, W, H, bilinear)
        values_only = name in COARSE  # and every second location, to keep the file small
        if values_only:
            l, kind = l[::2], kind[::2]
        if bilinear:
            stored = f32_exact(rng.uniform(0, 1, (len(l), C, H, W)))
            x = stored
        else:
            stored = torch.as_tensor(rng.integers(0, 256, (len(l), C, H, W), dtype=np.uint8))
            x = stored.double() / 255
        weights = f32_exact(rng.normal(0, 1, (len(l), C * k * g * g)))

        def both(f):
            xx, ll = x.clone().requires_grad_(), l.clone().requires_grad_(bilinear)
            y = f(xx, ll)
            wrt = [xx, ll] if bilinear else [xx]
            return y.detach(), torch.autograd.grad((y * weights).sum(), wrt) if not values_only else ()

        y, grads = both(lambda x, l: retina(x, l, g, k, bilinear))
        if bilinear:
            again, grads_again = both(lambda x, l: grid_sample_retina(x, l, g, k))
            for d, d_again in zip(grads, grads_again):
                close(d, d_again)
            # On whole pixels the two forms are one.
            whole = torch.tensor([[2 * 3 / W - 1, 2 * 5 / H - 1]], dtype=torch.float64)
            close(retina(x[:1], whole, g, k, True), retina(x[:1], whole, g, k))
        else:
            again = np.stack([loop_retina(x[i].numpy(), l[i].numpy(), g, k) for i in range(len(l))])
            if grads:  # ρ is linear in x, so its adjoint satisfies Σ weights·ρ(z) = Σ d_images·z
                z = torch.as_tensor(rng.normal(size=x.shape))
                zy = np.stack([loop_retina(z[i].numpy(), l[i].numpy(), g, k) for i in range(len(l))])
                close((weights.numpy() * zy).sum(), (grads[0] * z).sum())
        close(y, again)
        tensors |= {f"{name}.images": stored, f"{name}.locations": l, f"{name}.kind": kind, f"{name}.outputs": y}
        if grads:
            tensors |= {f"{name}.weights": weights, f"{name}.grad_images": grads[0]}
        if bilinear:
            tensors[f"{name}.grad_locations"] = grads[1]
        config["cases"][name] = dict(patch=g, scales=k, channels=C, height=H, width=W, gradients=bool(grads))
    write("retina_bilinear" if bilinear else "retina_crop", tensors, config)


# ---------------------------------------------------------------- single operations

def make_ops():
    rng = np.random.default_rng(11)
    t = {}
    # log softmax(x)ᵢ = xᵢ − ln Σⱼ exp xⱼ;  ∂CE/∂x = (softmax(x) − onehot(label))/rows
    x = f32_exact(np.vstack([
        rng.normal(0, s, (3, 7)) for s in (1, 30, 1000)] + [
        np.zeros((1, 7)), np.full((1, 7), 5e4), np.full((1, 7), -1e4),
        [[0, 0, 0, 0, 0, 0, 800]], [[-1e5, 1e5, 0, 1e5, 1, -1, 99999.5]], [[1e-8, -1e-8, 0, 1e-4, 0, 0, 0]]]))
    x.requires_grad_()
    labels = torch.as_tensor(rng.integers(0, 7, len(x)))
    loss = F.cross_entropy(x, labels)
    t |= {"log_softmax.x": x, "log_softmax.y": torch.log_softmax(x, 1), "cross_entropy.labels": labels,
          "cross_entropy.loss": loss.reshape(1), "cross_entropy.grad": torch.autograd.grad(loss, x)[0]}
    for row, y in zip(x.tolist(), t["log_softmax.y"].tolist()):
        top = max(row)
        total = math.log(math.fsum(math.exp(v - top) for v in row))
        close(y, [v - top - total for v in row])

    half = [1e-30, 1e-10, 1e-5, 1e-3, 0.01, 0.1, 0.2, 0.3, 0.5, 0.625, 0.7, 1, 1.5, 2, 3, 4.5, 6, 8, 9, 10, 15, 18, 19,
            20, 30, 40, 80, 100, 300, 700]
    v = f32_exact([-a for a in reversed(half)] + [0.0] + half).requires_grad_()
    for name, f, ref in (("tanh", torch.tanh, math.tanh),
                         ("sigmoid", torch.sigmoid, lambda a: 1 / (1 + math.exp(-a)))):
        y = f(v)
        close(y.detach(), [ref(a) for a in v.tolist()])
        t |= {f"{name}.x": v, f"{name}.y": y, f"{name}.derivative": torch.autograd.grad(y.sum(), v)[0]}

    # clip_grad_norm_: grads · min(1, max/(‖all‖₂ + 1e-6))
    for name, size in (("clip", 3.0), ("clip_small", 0.5)):
        a, b = (f32_exact(rng.normal(0, size, s)) for s in ((3, 4), (5,)))
        pa, pb = torch.zeros_like(a, requires_grad=True), torch.zeros_like(b, requires_grad=True)
        pa.grad, pb.grad = a.clone(), b.clone()
        norm = torch.nn.utils.clip_grad_norm_([pa, pb], 5.0)
        assert (norm > 5) == (name == "clip")
        close(norm, math.sqrt((a**2).sum() + (b**2).sum()))
        t |= {f"{name}.a": a, f"{name}.b": b, f"{name}.norm": norm.reshape(1),
              f"{name}.a_clipped": pa.grad, f"{name}.b_clipped": pb.grad}
    write("ops", {n: v.detach() for n, v in t.items()}, {"clip_max": 5.0, "clip_eps": 1e-6})


# ---------------------------------------------------------------- layers

def make_layers():
    """Two steps of an LSTM cell, a convolution with a stride, and one with padding before pooling: values, and gradients of Σ weights·value."""
    torch.manual_seed(12)
    t = {}
    rows, inputs, n = 3, 5, 7
    cell = torch.nn.LSTMCell(inputs, n).double()
    x = [f32_exact(torch.randn(rows, inputs)).requires_grad_() for _ in range(2)]
    h0, c0 = (f32_exact(torch.randn(rows, n)).requires_grad_() for _ in range(2))
    with torch.no_grad():
        for p in cell.parameters():
            p.copy_(f32_exact(torch.randn(p.shape)))
    h, c = h0, c0
    for step in x:
        h, c = cell(step, (h, c))
    wh, wc = (f32_exact(torch.randn(rows, n)) for _ in range(2))
    leaves = {"x0": x[0], "x1": x[1], "h0": h0, "c0": c0}
    params = dict(cell.named_parameters())
    grads = torch.autograd.grad((h * wh + c * wc).sum(), [*leaves.values(), *params.values()])
    named = dict(zip([*leaves, *params], grads))
    t |= {f"lstm.{k}": v for k, v in leaves.items()} | {f"lstm.d_{k}": named[k] for k in leaves}
    t |= {"lstm.h": h, "lstm.c": c, "lstm.wh": wh, "lstm.wc": wc}
    for ours, theirs in (("input", "ih"), ("hidden", "hh")):
        # PyTorch keeps [4·n, in]; [in, 4·n] here.
        t[f"lstm.{ours}.weight"] = params[f"weight_{theirs}"].T.contiguous()
        t[f"lstm.{ours}.bias"] = params[f"bias_{theirs}"]
        t[f"lstm.d_{ours}.weight"] = named[f"weight_{theirs}"].T.contiguous()
        t[f"lstm.d_{ours}.bias"] = named[f"bias_{theirs}"]

    batch, channels, height, width, filters, size, stride = 2, 3, 13, 17, 4, 5, 3
    x = f32_exact(torch.randn(batch, channels, height, width)).requires_grad_()
    w = f32_exact(torch.randn(filters, channels, size, size)).requires_grad_()
    b = f32_exact(torch.randn(filters)).requires_grad_()
    y = torch.relu(F.conv2d(x, w, b, stride=stride))
    wy = f32_exact(torch.randn(y.shape))
    d_x, d_w, d_b = torch.autograd.grad((y * wy).sum(), [x, w, b])
    rows = lambda v: v.reshape(filters, -1).T.contiguous()
    t |= {"conv.x": x, "conv.weight": rows(w), "conv.bias": b, "conv.y": y, "conv.wy": wy,
          "conv.d_x": d_x, "conv.d_weight": rows(d_w), "conv.d_bias": d_b}

    # A convolution with padding, and pooling that leaves out the last row and the last column.
    x = f32_exact(torch.randn(batch, filters, 3, 5)).requires_grad_()
    w = f32_exact(torch.randn(6, filters, 3, 3)).requires_grad_()
    b = f32_exact(torch.randn(6)).requires_grad_()
    y = F.max_pool2d(F.conv2d(x, w, b, padding=1), 2)
    wy = f32_exact(torch.randn(y.shape))
    d_x, d_w, d_b = torch.autograd.grad((y * wy).sum(), [x, w, b])
    rows = lambda v: v.reshape(6, -1).T.contiguous()
    t |= {"pool.x": x, "pool.weight": rows(w), "pool.bias": b, "pool.y": y, "pool.wy": wy,
          "pool.d_x": d_x, "pool.d_weight": rows(d_w), "pool.d_bias": d_b}
    write("layers", {n: v.detach() for n, v in t.items()}, {"stride": stride, "size": size})


# ---------------------------------------------------------------- helpers

def close(a, b):
    a, b = (np.asarray(v.detach() if torch.is_tensor(v) else v, dtype=np.float64) for v in (a, b))
    assert a.shape == b.shape and np.allclose(a, b, rtol=1e-11, atol=1e-12), np.abs(a - b).max()


def write(name, tensors, config):
    tensors = {n: t.contiguous().clone() for n, t in sorted(tensors.items())}
    assert all(torch.isfinite(t).all() for t in tensors.values())
    path = HERE / f"{name}.safetensors"
    save_file(tensors, path, metadata={"config": json.dumps(config, sort_keys=True)})
    path.chmod(0o644)
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes, seed {config.get('seed', '-')}")


if __name__ == "__main__":
    make_ops()
    make_layers()
    make_retinas(bilinear=False)
    make_retinas(bilinear=True)
    for name, c in CASES.items():
        make_case(name, c)
