"""The coefficients of `Number::EXP_POLYNOMIAL` and `Number::LN_POLYNOMIAL`: minimax polynomials, by the exchange algorithm of Remez.

    python autograd/minimax.py        # needs mpmath

Each list minimises the largest relative error of exp or ln as computed from it. The algorithm runs in 60 digits. The
coefficients are rounded to the type afterwards, which adds an error about as large as the one that is printed.
"""

import struct

from mpmath import cos, exp, log, log1p, lu_solve, matrix, mp, mpf, nstr, pi

mp.dps = 60


def remez(function, weight, terms, low, high):
    """c with the least max |weight(x)·(function(x) − Σ cᵢxⁱ)| on [low, high], and that maximum."""
    low, high = mpf(low), mpf(high)
    at = lambda t: (low + high) / 2 - (high - low) / 2 * cos(pi * t)
    # The nodes of the start are those of Chebyshev, moved a little: no weight may be 0.
    nodes = [at((i + mpf("0.3") * (0 < i < terms)) / terms) for i in range(terms + 1)]
    grid = [at((i + mpf("0.5")) / (40 * terms)) for i in range(40 * terms)]
    for _ in range(12):
        # The error is to be ±e at the nodes, with alternating sign: linear in the coefficients and in e.
        rows, right = matrix(terms + 1, terms + 1), matrix(terms + 1, 1)
        for i, x in enumerate(nodes):
            for j in range(terms):
                rows[i, j] = x**j
            rows[i, terms], right[i] = (-1) ** i / weight(x), function(x)
        *c, e = lu_solve(rows, right)
        # The next nodes are the extremes of the runs of one sign.
        peaks = []
        for x in grid:
            error = weight(x) * (function(x) - sum(c * x**j for j, c in enumerate(c)))
            if not peaks or (error > 0) != (peaks[-1][1] > 0):
                peaks.append((x, error))
            elif abs(error) > abs(peaks[-1][1]):
                peaks[-1] = (x, error)
        while len(peaks) > terms + 1:
            peaks.pop(0 if abs(peaks[0][1]) < abs(peaks[-1][1]) else -1)
        assert len(peaks) == terms + 1
        nodes, largest = [x for x, _ in peaks], max(abs(error) for _, error in peaks)
        if largest < abs(e) * mpf("1.0001"):
            break
    return c, largest


def show(name, result):
    c, error = result
    single = "f32" in name
    rounded = [struct.unpack("f", struct.pack("f", float(x)))[0] if single else float(x) for x in c]
    print(name, "relative error", nstr(error, 3))
    for x in rounded:
        print(f"    {x:.9g}" if single else f"    {x!r}")


# eʳ = 1 + r + r²·P(r) on |r| ≤ ½ ln 2
reduced = log(2) / 2 * mpf("1.0001")
exp_tail = lambda r: (exp(r) - 1 - r) / r**2
exp_weight = lambda r: r**2 / exp(r)
# ln(1 + f) = f + f²·P(f) on |f| ≤ ⅓
ln_tail = lambda f: (log1p(f) - f) / f**2
ln_weight = lambda f: f**2 / abs(log1p(f))
for kind, of_exp, of_ln in [("f32", 5, 9), ("f64", 11, 21)]:
    show(f"EXP_POLYNOMIAL {kind}", remez(exp_tail, exp_weight, of_exp, -reduced, reduced))
    show(f"LN_POLYNOMIAL {kind}", remez(ln_tail, ln_weight, of_ln, -mpf(1) / 3, mpf(1) / 3))
