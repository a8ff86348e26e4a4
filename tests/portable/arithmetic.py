"""Compute as another processor would: last bits of sums and of transcendental functions differ.

Two machines add the same products in another order and approximate exp by another polynomial, so their results differ
in the last place, and whatever is trained differs more with every step. `activate(seed)` imitates that in this process:
a result of such an operation that is not exact is rounded up or down by a hash of its further digits, of its place and
of the seed, and not to nearest. So it moves by -1, 0 or 1 unit in the last place, and the same call gives the same bits
twice. An assertion that holds to the last bit of one processor, or about a trained network by luck, fails under it.

What every processor computes alike stays as it is: results that are exact (0.5 + 0.25, a row picked by a one-hot
weighting), single products, sums of two numbers, whole numbers, and the elementwise arithmetic that IEEE 754 rounds
correctly (+, -, *, /, square root).

How: PyTorch's own kernels are replaced, one an operation, by a function that computes in the next wider type (float64
for float32, numpy.longdouble for float64). Where longdouble is no wider than float64 (Windows, ARM), float64 is left
alone. All other operations run at full speed, which a mode that hears of every operation would not allow. Not moved:
backward passes of convolutions, norms of layers and batches, linear algebra beyond products, and NumPy's results.
"""

import warnings

import numpy as np
import torch

ATEN = torch.ops.aten
BELOW_FLOAT32 = 2**29 - 1  # the bits of a float64 that a float32 has no room for
LONGDOUBLE_IS_WIDER = np.finfo(np.longdouble).nmant > 52

PLAIN = """mm bmm mv addmm baddbmm addbmm addmv cumsum cumprod exp exp2 expm1 log log2 log10 log1p sin cos tan sinh
    cosh tanh asin acos atan sigmoid erf erfc gelu silu mish softplus elu logsumexp _softmax _log_softmax
    _softmax_backward_data _log_softmax_backward_data linalg_vector_norm mse_loss smooth_l1_loss huber_loss
    binary_cross_entropy"""
OPERATIONS = [  # operation, its overload, the overload that writes to given tensors
    *[(name, "default", "out") for name in PLAIN.split()],
    ("sum", "dim_IntList", "IntList_out"),
    ("mean", "dim", "out"),
    ("prod", "dim_int", "int_out"),
    ("norm", "ScalarOpt_dim", "out"),
    ("var", "correction", "correction_out"),
    ("std", "correction", "correction_out"),
    ("pow", "Tensor_Tensor", "Tensor_Tensor_out"),
    ("pow", "Scalar", "Scalar_out"),
    ("nll_loss_forward", "default", "output"),
    ("log_sigmoid_forward", "default", "output"),
]
IN_PLACE = """addmm_ baddbmm_ addbmm_ addmv_ cumsum_ cumprod_ exp_ exp2_ expm1_ log_ log2_ log10_ log1p_ sin_ cos_ tan_
    sinh_ cosh_ tanh_ asin_ acos_ atan_ sigmoid_ erf_ erfc_ gelu_ silu_ mish_ elu_"""
PRODUCTS = {"mm", "bmm", "mv", "dot"}

_words, _shaped, _library = torch.empty(0, dtype=torch.int64), {}, []


def _places(seed, shape):
    """Return a number for each place of a result: odd, random, the same at every call."""
    global _words
    if shape not in _shaped:
        count = shape.numel()
        if len(_words) < count:
            random = np.random.default_rng([seed, 0x5EED])
            _words = torch.from_numpy(2 * random.integers(0, 2**62, size=2 * count, dtype=np.int64) + 1)
        if len(_shaped) > 1000:
            _shaped.clear()
        _shaped[shape] = _words[:count].reshape(shape)
    return _shaped[shape]


def _round_to_float32(precise, seed):
    """Round float64 numbers, which are overwritten, up or down by a hash of what a float32 has no room for."""
    bits = precise.contiguous().view(torch.int64)
    moves = bits & BELOW_FLOAT32  # 0 where the result is exact: it stays
    moves *= _places(seed, moves.shape)
    moves >>= 35
    moves &= BELOW_FLOAT32
    bits ^= moves
    return bits.view(torch.float64).to(torch.float32)


def _round_to_float64(result, precise, seed):
    """Return `result` or its neighbour on the other side of `precise`, the same in longdouble, by a hash."""
    near = result.detach().numpy()
    rest = np.asarray(precise - near.astype(np.longdouble), dtype=np.float64).reshape(-1)
    hashed = rest.view(np.int64) * _places(seed, result.shape).numpy().reshape(-1)
    moved = np.nextafter(near.reshape(-1), np.where(rest > 0, np.inf, -np.inf))
    keep = (hashed >= 0) | ~np.isfinite(rest) | (rest == 0)
    return torch.from_numpy(np.where(keep, near.reshape(-1), moved).reshape(near.shape))


# The same functions in longdouble: those of them that NumPy has


def _added(product, beta=1, alpha=1, start=0):
    return beta * start + alpha * product


def _reduced(reduce):
    def along(x, dim=None, keepdim=False):
        return reduce(x, axis=tuple(np.atleast_1d(dim)) if np.size(dim) and dim is not None else None, keepdims=keepdim)

    return along


def _softmax(x, dim, half=False):
    powers = np.exp(x - x.max(axis=dim, keepdims=True))
    return powers / powers.sum(axis=dim, keepdims=True)


def _log_softmax(x, dim, half=False):
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


WIDER = {
    **dict.fromkeys(PRODUCTS, np.matmul),
    **{name: lambda c, a, b, **k: _added(a @ b, start=c, **k) for name in ("addmm", "baddbmm", "addmv")},
    **{name: getattr(np, name) for name in "exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh".split()},
    **{name: _reduced(getattr(np, name)) for name in ("sum", "mean", "prod")},
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "_softmax": _softmax,
    "_log_softmax": _log_softmax,
}


def _alike_everywhere(name, args, size):
    """True where every processor rounds the same numbers in the same way: one product, a sum of two numbers."""
    if name in PRODUCTS:
        return args[0].shape[-1] <= 1
    return name in ("sum", "mean") and args[0].numel() <= 2 * size


def _kind(name, args, tensors, dtype):
    """Return the type of an operation's result; a number that is no tensor counts in a power: 0.5 ** integers."""
    operands = args[:2] if name == "pow" else (tensors[0], tensors[-1])
    kind = dtype or torch.result_type(*operands)
    if kind.is_floating_point or kind.is_complex or name in PRODUCTS | {"addmm", "baddbmm", "addbmm", "addmv", "pow"}:
        return kind
    return torch.int64 if name in ("sum", "prod", "cumsum", "cumprod") else torch.get_default_dtype()


def _doubled(value):
    if isinstance(value, torch.Tensor):
        return value.double() if value.dtype is torch.float32 else value
    return torch.float64 if value is torch.float32 else value


def _kernel(name, raw, seed):
    """Return what takes the place of one of PyTorch's kernels; `raw` computes the same into given tensors."""
    outputs = [argument.name for argument in raw._schema.arguments if argument.is_out]

    def computed(args, kwargs, kind):
        written = {output: torch.empty(0, dtype=kind) for output in outputs}
        raw(*args, **kwargs, **written)
        return list(written.values())

    def kernel(*args, **kwargs):
        dtype = kwargs.pop("dtype", None)
        tensors = [value for value in args if isinstance(value, torch.Tensor)]
        kind = _kind(name, args, tensors, dtype)
        kinds = {value.dtype for value in tensors if value.is_floating_point()}
        if kind is torch.float32 and kinds == {torch.float32}:
            doubled = [_doubled(value) for value in args]
            results = computed(doubled, kwargs, torch.float64)
            alike = _alike_everywhere(name, args, results[0].numel())
            results = [value.float() if alike else _round_to_float32(value, seed) for value in results]
        else:
            results = computed(args, kwargs if dtype is None else {**kwargs, "dtype": dtype}, kind)
            known = name in WIDER and LONGDOUBLE_IS_WIDER and kind is torch.float64 and kinds == {torch.float64}
            if known and results[0].numel() and not _alike_everywhere(name, args, results[0].numel()):
                arrays = [value.detach().resolve_neg().numpy() for value in tensors]
                others = [value for value in args if not isinstance(value, torch.Tensor)]
                precise = WIDER[name](*[array.astype(np.longdouble) for array in arrays], *others, **kwargs)
                results = [_round_to_float64(results[0], precise, seed)]
        return results[0] if len(results) == 1 else tuple(results)

    return kernel


def _in_place(kernel):
    def changed(tensor, *args, **kwargs):
        return tensor.copy_(kernel(tensor, *args, **kwargs))

    return changed


def _convolution(seed):
    """Convolutions have no form that writes to a given tensor; a second name of theirs is not replaced."""

    def kernel(x, weight, bias, *rest):
        if x.dtype is not torch.float32:
            return ATEN._convolution(x, weight, bias, *rest, False, False, False, False)
        doubled = [value if value is None else value.double() for value in (x, weight, bias)]
        return _round_to_float32(ATEN._convolution(*doubled, *rest, False, False, False, False), seed)

    return kernel


def activate(seed):
    """Round as another processor would from now on, in this process. Raises RuntimeError when called a second time."""
    if _library:
        raise RuntimeError("another processor's arithmetic is active already: start another process for another seed")
    library = torch.library.Library("aten", "IMPL")
    _library.append(library)
    torch.backends.mkldnn.set_flags(False)  # its recurrent layers would be one operation
    torch.backends.cuda.enable_flash_sdp(False)  # the same for attention, on the CPU too
    kernels = {}
    for name, overload, writing in OPERATIONS:
        packet = getattr(ATEN, name, None)
        if hasattr(packet, writing):  # an older PyTorch lacks some
            kernels[f"{name}.{overload}".removesuffix(".default")] = _kernel(name, getattr(packet, writing), seed)
    kernels["dot"] = lambda one, two: kernels["mm"](one[None], two[:, None]).reshape(())
    kernels["prod"] = lambda x, **kwargs: kernels["prod.dim_int"](x.reshape(-1), 0, **kwargs)
    kernels["convolution"] = _convolution(seed)
    kernels |= {name: _in_place(kernels[name[:-1]]) for name in IN_PLACE.split() if name[:-1] in kernels}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a kernel is replaced
        for name, kernel in kernels.items():
            library.impl(name, kernel, "CPU")
