"""A sequence on a tape does what autograd does node by node, and keeps nothing when it is over."""

import gc
import weakref

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.tape import ACTIVE, Outer, Own, by_hand, taped

BANKS = {
    "none": None,
    "content": {"addressing": "content", "num_read_heads": 2},
    "ntm": {"addressing": "ntm", "num_write_heads": 2, "num_read_heads": 3},
    "unsharpened": {"addressing": "ntm", "num_read_heads": 1, "sharpening": False, "shift_range": 4},
    "dnc": {"num_read_heads": 4},
    "unlinked": {"num_read_heads": 2, "temporal_links": False, "initial_memory": "learned"},
}


def controller(name, dtype=torch.float64):
    torch.manual_seed(0)
    bank = None if BANKS[name] is None else NeuralMemoryBank(MemoryConfig(6, 5, **BANKS[name]))
    return MemoryController(3, 7, 2, bank).to(dtype)


def leaves(state):
    found = []
    for part in state:
        found += leaves(part) if isinstance(part, tuple) else [] if part is None else [part]
    return found


def slopes(net, inputs, **how):
    """Outputs, last state, and gradients of inputs and parameters, of a loss of two calls, one going on where the
    other ended."""
    inputs = inputs.clone().requires_grad_()
    first, state = net(inputs, **how)[:2]
    second, state = net(inputs, state, **how)[:2]
    loss = first.square().sum() + second.sin().sum() + sum((leaf.square().sum() for leaf in leaves(state)), start=0)
    free = [inputs, *net.parameters()]
    return [first, second, *leaves(state), *torch.autograd.grad(loss, free, materialize_grads=True)]


@pytest.mark.parametrize("name", BANKS)
def test_it_does_what_the_loop_does_node_by_node(name):
    net, inputs = controller(name), torch.randn(6, 3, 3, dtype=torch.float64)
    assert net._is_plain(inputs)
    for one, other in zip(slopes(net, inputs), slopes(net, inputs, lengths=[6, 6, 6]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["ntm", "dnc"])
def test_its_gradient_has_a_gradient(name):
    net, inputs = controller(name), torch.randn(3, 1, 3, dtype=torch.float64, requires_grad=True)

    def outputs(x):
        return net(x)[0]

    assert gradcheck(outputs, inputs) and gradgradcheck(outputs, inputs)


def test_several_slopes_at_once_are_those_one_by_one():
    net, inputs = controller("dnc"), torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    outputs = net(inputs)[0]
    many = torch.eye(outputs.numel(), dtype=torch.float64).reshape(-1, *outputs.shape)
    (together,) = torch.autograd.grad(outputs, inputs, many, is_grads_batched=True, retain_graph=True)
    single = [torch.autograd.grad(outputs, inputs, one, retain_graph=True)[0] for one in many]
    torch.testing.assert_close(together, torch.stack(single), rtol=1e-9, atol=1e-11)


def test_what_differs_from_the_plain_loop_goes_the_plain_way():
    inputs = torch.zeros(2, 1, 3)
    for name in ("ntm", "dnc"):
        net = controller(name, torch.float32)
        assert net._is_plain(inputs)
        handle = net.bank.register_forward_hook(lambda *_: None)
        assert not net._is_plain(inputs)
        handle.remove()
        with torch.no_grad():
            assert not net._is_plain(inputs)
        with torch.autocast("cpu"):
            assert not net._is_plain(inputs)
        net.bank.__class__ = type("Own", (NeuralMemoryBank,), {})
        assert not net._is_plain(inputs)
    for option in ({"key_masking": True}, {"deallocation": True}, {"usage_gradient": False}, {"num_write_heads": 2}):
        bank = NeuralMemoryBank(MemoryConfig(6, 5, 1, **option))
        assert not MemoryController(3, 7, 2, bank)._is_plain(inputs), option


def test_nothing_is_left_of_a_sequence_whether_or_not_a_gradient_was_taken():
    net, seen = controller("dnc"), []
    for backward in (True, False):
        outputs, state = net(torch.randn(4, 2, 3, dtype=torch.float64))
        seen += [weakref.ref(outputs), weakref.ref(state.memory.link)]
        if backward:
            outputs.sum().backward()
        assert nodes()
        del outputs, state
    gc.collect()
    assert [one() for one in seen] == [None] * 4 and not nodes()


def nodes():
    return [one for one in gc.get_objects() if type(one).__name__ == "_TapedBackward"]


def test_weights_that_were_changed_meanwhile_are_noticed():
    net = controller("dnc")
    loss = net(torch.randn(4, 2, 3, dtype=torch.float64))[0].sum()
    with torch.no_grad():
        net.from_past.weight.add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


def test_a_backward_pass_can_be_repeated_where_the_graph_is_kept_and_only_there():
    net = controller("ntm")
    loss = net(torch.randn(4, 2, 3, dtype=torch.float64))[0].sum()
    first = torch.autograd.grad(loss, net.from_past.weight, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, net.from_past.weight)[0])
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, net.from_past.weight)


def test_a_sequence_that_fails_leaves_no_tape():
    def fails(x):
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        taped(fails, torch.ones(2, requires_grad=True))
    assert ACTIVE.tape is None


def test_what_only_some_slopes_reach_is_right():
    double = by_hand(lambda to_two, to_three, x, two, three: (2 * to_two + 3 * to_three,), results=2)(
        lambda x: (2 * x, 3 * x)
    )

    def run(x):
        two, three = double(x)
        _, nine = double(three)
        return two, nine

    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: taped(run, x), x) and gradgradcheck(lambda x: taped(run, x), x)
    assert torch.autograd.grad(taped(run, x)[1].sum(), x)[0].tolist() == [9, 9]


def scaled(factor, own):
    """x -> factor·x, whose slope is marked as one that nobody else holds, or is not."""
    gradient = (lambda to_y, x, y: (Own(factor * to_y),)) if own else (lambda to_y, x, y: (factor * to_y,))
    return by_hand(gradient)(lambda x: (factor * x,))


same = by_hand(lambda to_y, x, y: (to_y,))(lambda x: (x.clone(),))  # its slope is the one it was given
weighed = by_hand(lambda to_y, rows, w, y: (Outer(w, to_y, rows), to_y @ rows.mT))(lambda rows, w: (w @ rows,))
spent = by_hand(lambda to_y, x, y: (to_y.mul_(2 * x), ), spends=1)(lambda x: (x.square(),))


@pytest.mark.parametrize("order", ["abcd", "dcba", "bdac", "cadb"])
@pytest.mark.parametrize("tape", [True, False])
def test_slopes_that_are_added_in_place_add_up_in_any_order(order, tape):
    kinds = {"a": scaled(2.0, own=True), "b": scaled(3.0, own=False), "c": same, "d": weighed}
    torch.manual_seed(0)
    rows = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 1, 4, dtype=torch.float64, requires_grad=True)

    def run(rows, w):
        inner = same(rows)
        found = [kinds[one](inner, w) if one == "d" else kinds[one](inner) for one in order]
        return *found, inner

    def function(rows, w):
        return taped(run, rows, w) if tape else run(rows, w)

    assert gradcheck(function, (rows, w)) and gradgradcheck(function, (rows, w))


@pytest.mark.parametrize("tape", [True, False])
def test_a_slope_that_is_overwritten_is_the_gradient_s_own(tape):
    def run(x):
        held = same(x)
        return spent(held), same(held), spent(spent(held))

    x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: taped(run, x) if tape else run(x), x)
    outputs = taped(run, x) if tape else run(x)
    given = [torch.ones(2, dtype=torch.float64) for _ in outputs]
    torch.autograd.grad(outputs, x, given)
    assert all(one.tolist() == [1, 1] for one in given)  # autograd's slopes are as they were


def test_a_tensor_given_twice_gets_both_slopes():
    def run(x, y):
        return (scaled(2.0, own=True)(x), scaled(3.0, own=False)(y))

    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    one, other = taped(run, x, x)
    assert torch.autograd.grad((one + other).sum(), x)[0].tolist() == [5, 5]
