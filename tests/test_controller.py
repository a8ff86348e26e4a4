"""The controller: it learns everywhere, carries its state, and gives a ragged batch what each sequence gets alone."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.utils._python_dispatch import _get_current_dispatch_mode

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.bank import ADDRESSINGS

KINDS = [None, *ADDRESSINGS, "refined"]


def build(kind, **settings):
    torch.manual_seed(0)
    bank = None
    if kind is not None:
        change = {"addressing": kind}
        if kind == "refined":
            change = {"key_masking": True, "deallocation": True, "link_sharpening": True, "initial_memory": "learned"}
        bank = NeuralMemoryBank(MemoryConfig(7, 5, 2, 2, **change))
    return MemoryController(3, 11, 4, bank, **settings)


def draw(steps=8, batch=4, seed=0):
    return torch.randn(steps, batch, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direct", [False, True])
def test_every_parameter_receives_a_gradient(kind, direct):
    controller = build(kind, input_to_interface=direct)
    outputs, _ = controller(draw())
    outputs.square().sum().backward()
    silent = [name for name, p in controller.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    interface = getattr(controller, "interface", None)
    assert interface is None or (interface.weight.grad.abs().sum(1) > 0).all()  # every number of the interface


@pytest.mark.parametrize("kind", KINDS)
def test_whole_or_in_two_halves_with_the_state_carried(kind):
    controller, inputs = build(kind), draw()
    whole, _ = controller(inputs)
    first, state = controller(inputs[:3])
    second, _ = controller(inputs[3:], state)
    assert torch.allclose(torch.cat([first, second]), whole, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ragged_batch_gives_what_each_sequence_gives_alone(kind):
    controller, inputs, lengths = build(kind), draw(), torch.tensor([8, 3, 0, 5])
    outputs, state = controller(inputs, lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        assert not outputs[length:, row].any()
        if length == 0:
            continue
        alone, ended = controller(inputs[:length, row : row + 1])
        assert torch.allclose(outputs[:length, row : row + 1], alone, atol=1e-6)
        assert torch.allclose(state.hidden[row], ended.hidden[0], atol=1e-6)
        if kind is not None:
            assert torch.allclose(state.memory.memory[row], ended.memory.memory[0], atol=1e-6)
    inputs[5:, 3] = float("inf")  # what comes after the end must not matter, whatever it is
    again, _ = controller(inputs, lengths=lengths)
    assert torch.allclose(again, outputs, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_the_padding_touches_no_output_and_no_gradient(kind):
    lengths = [8, 3, 0, 5]
    found = []
    for filler in (0.0, float("nan"), float("inf"), -1e38):
        controller, inputs = build(kind, batch_first=filler != 0), draw()
        for row, length in enumerate(lengths):
            inputs[length:, row] = filler
        inputs.requires_grad_()
        outputs, state = controller(inputs.transpose(0, 1) if controller.batch_first else inputs, lengths=lengths)
        outputs = outputs.transpose(0, 1) if controller.batch_first else outputs
        (outputs.square().sum() + state.hidden.sum()).backward()
        gradients = [p.grad for p in controller.parameters()]
        assert all(torch.isfinite(gradient).all() for gradient in [inputs.grad, *gradients])
        assert not any(inputs.grad[length:, row].any() for row, length in enumerate(lengths))
        found.append([outputs.detach(), inputs.grad, *gradients])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.allclose(one, other, atol=1e-6)


def stirred(state, generator):
    """The state with each number moved by up to one unit in its last place, as another processor would give it."""
    if state is None or isinstance(state, torch.Tensor):
        return state if state is None else state * (1 + torch.randint(-1, 2, state.shape, generator=generator) * 2**-23)
    return type(state)(*(stirred(value, generator) for value in state))


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_bits_of_a_step_decide_nothing(kind):
    """The state is stirred after every step, and the controller ends where it would have: no tie turns on that."""
    controller, generator = build(kind), torch.Generator().manual_seed(3)
    state = other = controller.initial_state(4)
    for inputs in draw(12):
        outputs, state = controller(inputs[None], state)
        again, other = controller(inputs[None], stirred(other, generator))
        assert torch.allclose(outputs, again, atol=1e-4)
    if kind is not None:
        assert torch.allclose(state.memory.memory, other.memory.memory, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_is_what_it_is_for_torch_s_lstm(kind):
    """Either precision may come in, the outputs are of the lower one, and training works."""
    controller, inputs = build(kind), draw()
    whole = controller(inputs)[0]
    for given in (inputs, inputs.bfloat16()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs, state = controller(given)
            assert outputs.dtype == torch.bfloat16  # as that of torch.nn.LSTM where oneDNN computes it
            again, _ = controller(given, state)
        assert state.hidden.dtype == torch.float32 and (outputs.float() - whole).abs().max() < 0.1
        controller.zero_grad()
        again.float().square().sum().backward()
        assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in controller.parameters())
    with pytest.raises(TypeError, match="inputs must have dtype torch.float32, got torch.bfloat16"):
        controller(inputs.bfloat16())


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_may_be_a_list_an_array_or_a_tensor(kind):
    controller, inputs = build(kind), draw()
    given = [8, 3, 0, 5]
    outputs = [controller(inputs, lengths=lengths)[0] for lengths in (given, np.array(given), torch.tensor(given))]
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])


def test_sizes_may_be_numpy_s():
    config = MemoryConfig(np.int64(7), np.int32(5), np.int64(2), initial_value=np.float32(0.25))
    assert json.loads(json.dumps(asdict(config)))["memory_size"] == 7
    controller = MemoryController(np.int64(3), np.int64(11), np.int64(4), NeuralMemoryBank(config))
    assert controller(draw())[0].shape == (8, 4, 4) and controller.initial_state(np.int64(2)).hidden.shape == (2, 11)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluating_changes_nothing(kind):
    controller, inputs = build(kind), draw()
    before = {name: value.clone() for name, value in controller.state_dict().items()}
    first, second = controller(inputs)[0], controller(inputs)[0]
    assert torch.equal(first, second)
    assert all(torch.equal(value, before[name]) for name, value in controller.state_dict().items())
    assert controller.state_dict().keys() == dict(controller.named_parameters()).keys()  # no memory hides in a buffer


def test_what_was_read_is_fed_back():
    controller = build("ntm")
    inputs, start = draw(1), controller.initial_state(4)
    other = start._replace(reads=start.reads + 1)
    assert not torch.allclose(controller(inputs, start)[1].hidden, controller(inputs, other)[1].hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_trace_and_batch_first(kind):
    controller, inputs = build(kind), draw()
    outputs, _, trace = controller(inputs, return_trace=True)
    assert bool(trace) == (kind is not None)
    if kind is not None:
        assert trace["write_weightings"].shape == (8, 4, 2, 7) and trace["read_weightings"].shape == (8, 4, 2, 7)
    turned = build(kind, batch_first=True)
    assert torch.allclose(turned(inputs.transpose(0, 1))[0].transpose(0, 1), outputs, atol=1e-6)


def test_the_plain_controller_is_torch_s_lstm():
    controller, lstm = build(None), torch.nn.LSTM(3, 11)
    order = torch.cat([torch.arange(22), torch.arange(33, 44), torch.arange(22, 33)])  # torch's gates: i, f, g, o
    with torch.no_grad():
        for mine, theirs in ((controller.from_input, "ih"), (controller.from_past, "hh")):
            getattr(lstm, f"weight_{theirs}_l0")[order] = mine.weight
        lstm.bias_ih_l0[order] = controller.from_input.bias
        lstm.bias_hh_l0.zero_()
    assert torch.allclose(controller.output(lstm(draw())[0]), controller(draw())[0], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_it_composes_with_torch_func(kind):
    controller, inputs = build(kind), draw().unsqueeze(0).repeat(3, 1, 1, 1)
    parameters = dict(controller.named_parameters())

    def loss(p, x):
        return functional_call(controller, p, (x,))[0].square().mean()

    together = vmap(grad(loss), (None, 0))(parameters, inputs)
    alone = torch.autograd.grad(loss(parameters, inputs[1]), list(parameters.values()))
    for name, value in zip(parameters, alone, strict=True):
        assert torch.allclose(together[name][1], value, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_compiles_to_one_graph(kind):
    """Traced, forward and backward, without code generation, which takes a compiler and minutes."""
    if not torch._dynamo.is_dynamo_supported():
        pytest.skip("torch.compile does not know this version of Python")
    if _get_current_dispatch_mode() is not None:
        pytest.skip("torch.compile does not trace while another processor's arithmetic is imitated")
    controller, inputs = build(kind), draw(2)
    compiled = torch.compile(controller, backend="aot_eager", fullgraph=True)
    for call in (controller, compiled):
        controller.zero_grad()
        outputs, _ = call(inputs)
        outputs.square().sum().backward()
        gradients = [parameter.grad.clone() for parameter in controller.parameters()]
        if call is controller:
            expected = outputs.detach(), gradients
    assert torch.allclose(outputs, expected[0], atol=1e-6)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(gradients, expected[1], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_double_precision(kind):
    outputs, _ = build(kind).double()(draw().double())
    assert outputs.dtype == torch.float64


def test_parameters_do_not_depend_on_the_number_of_slots():
    small, large = (MemoryController(3, 5, 2, NeuralMemoryBank(MemoryConfig(n, 4, 1))) for n in (4, 40))
    large.load_state_dict(small.state_dict())
    assert torch.isfinite(large(draw())[0]).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_controller_runs_on_cuda():
    outputs, state = build("dnc").cuda()(draw().cuda())
    assert outputs.is_cuda and state.memory.link.is_cuda
