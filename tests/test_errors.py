"""Wrong input is refused with an error that names the argument, what came and what was expected."""

import numpy as np
import pytest
import torch

from neuralmem import ExperienceReplay, MemoryConfig, MemoryController, NeuralMemoryBank, metrics
from neuralmem import addressing as A
from neuralmem.bank import erase_and_add, read_memory
from neuralmem.training import train_on_sequences
from neuralmem.worlds.sequences import associative_recall_task, copy_task

MEMORY, KEYS, STRENGTHS = torch.zeros(2, 5, 4), torch.zeros(2, 3, 4), torch.zeros(2, 3)
ROWS, PAIRS = torch.zeros(2, 3, 5), torch.zeros(2, 5)
BANK = NeuralMemoryBank(MemoryConfig(5, 4, 2))
START = BANK.initial_state(2)
CONTROLLER = MemoryController(3, 6, 2, BANK)
RNG = torch.Generator().manual_seed(0)


def interface(**change):
    return torch.zeros(2, BANK.interface_size, **change)


CASES = [
    # label, call, error, words of the message
    ("memory that is no tensor", lambda: A.content_weighting([1.0], KEYS, STRENGTHS), TypeError, ["memory", "list"]),
    ("memory of integers", lambda: A.content_weighting(MEMORY.long(), KEYS, STRENGTHS), TypeError, ["memory", "int64"]),
    ("memory of one sequence", lambda: A.cosine_similarity(MEMORY[0], KEYS), ValueError, ["memory", "(5, 4)"]),
    ("keys too wide", lambda: A.cosine_similarity(MEMORY, ROWS), ValueError, ["keys", "W=4", "(2, 3, 5)"]),
    ("keys in double", lambda: A.cosine_similarity(MEMORY, KEYS.double()), TypeError, ["keys", "float32", "float64"]),
    ("a mask a head short", lambda: A.cosine_similarity(MEMORY, KEYS, KEYS[:, :2]), ValueError, ["mask", "H=3"]),
    ("one strength for all", lambda: A.content_weighting(MEMORY, KEYS, STRENGTHS[:, :1]), ValueError,
     ["strengths", "H=3"]),
    ("previous of other slots", lambda: A.interpolate(ROWS, ROWS[..., :4], STRENGTHS), ValueError, ["previous", "N=5"]),
    ("gates with a slot axis", lambda: A.interpolate(ROWS, ROWS, ROWS), ValueError, ["gates", "(2, 3, 5)"]),
    ("an even shift", lambda: A.circular_shift(ROWS, torch.zeros(2, 3, 4)), ValueError, ["shifts", "odd", "S=4"]),
    ("shifts of other heads", lambda: A.circular_shift(ROWS, torch.zeros(2, 1, 3)), ValueError, ["shifts", "H=3"]),
    ("gammas a head short", lambda: A.sharpen(ROWS, STRENGTHS[:, :2]), ValueError, ["gammas", "(2, 2)"]),
    ("free gates of other heads", lambda: A.retention(STRENGTHS[:, :2], ROWS), ValueError, ["free_gates", "R=3"]),
    ("usage with heads", lambda: A.usage(ROWS, ROWS, PAIRS), ValueError, ["previous_usage", "(2, 3, 5)"]),
    ("retained of other slots", lambda: A.usage(PAIRS, ROWS, PAIRS[:, :4]), ValueError, ["retained", "N=5"]),
    ("usage to allocate of rank 1", lambda: A.allocation_weighting(PAIRS[0]), ValueError, ["usage", "(5,)"]),
    ("write gates a head short", lambda: A.write_weighting(ROWS, ROWS, STRENGTHS, STRENGTHS[:, :1]), ValueError,
     ["write_gates", "H=3"]),
    ("precedence of other heads", lambda: A.precedence(ROWS[:, :1], ROWS), ValueError, ["write_weightings", "H=1"]),
    ("a link that is not square", lambda: A.temporal_link(torch.zeros(2, 3, 5, 4), ROWS, ROWS), ValueError,
     ["previous", "(2, 3, 5, 4)"]),
    ("links of other slots", lambda: A.directional_weightings(torch.zeros(2, 1, 4, 4), ROWS), ValueError,
     ["link", "N=5"]),
    ("link gammas of other heads", lambda: A.sharpen_links(ROWS[:, :, None], STRENGTHS[:, :1]), ValueError,
     ["gammas", "R=3"]),
    ("weightings without write heads", lambda: A.sharpen_links(ROWS, STRENGTHS), ValueError,
     ["weightings", "(2, 3, 5)"]),
    ("allocation gates of another batch", lambda: A.allocation_weightings(PAIRS, STRENGTHS[:1]), ValueError,
     ["gates", "B=2"]),
    ("a truth value for a number", lambda: MemoryConfig(memory_size=True), TypeError, ["memory_size", "True"]),
    ("an initial value in words", lambda: MemoryConfig(initial_value="0"), TypeError, ["initial_value", "'0'"]),
    ("modes without content", lambda: A.read_weighting(ROWS, ROWS[:, :, None], ROWS[:, :, None], torch.zeros(2, 3, 2)),
     ValueError, ["modes", "M=3"]),
    ("erase of other words", lambda: erase_and_add(MEMORY, ROWS, ROWS, KEYS), ValueError, ["erase", "W=4"]),
    ("read weightings of other slots", lambda: read_memory(MEMORY, KEYS), ValueError, ["read_weightings", "N=5"]),
    ("no slots", lambda: MemoryConfig(memory_size=0), ValueError, ["memory_size", "0"]),
    ("half a slot", lambda: MemoryConfig(memory_size=2.5), TypeError, ["memory_size", "2.5"]),
    ("no write heads", lambda: MemoryConfig(num_write_heads=0), ValueError, ["num_write_heads"]),
    ("unknown addressing", lambda: MemoryConfig(addressing="hash"), ValueError, ["addressing", "'hash'", "'dnc'"]),
    ("unknown initial memory", lambda: MemoryConfig(initial_memory="random"), ValueError,
     ["initial_memory", "'random'"]),
    ("an initial NaN", lambda: MemoryConfig(initial_value=float("nan")), ValueError, ["initial_value", "nan"]),
    ("keys wider than rows", lambda: MemoryConfig(memory_dim=4, key_size=5), ValueError, ["key_size", "5"]),
    ("a bank of a dict", lambda: NeuralMemoryBank({"memory_size": 5}), TypeError, ["config", "dict"]),
    ("an interface too short", lambda: BANK(interface()[:, 1:], START), ValueError,
     ["interface", str(BANK.interface_size)]),
    ("an interface in double", lambda: BANK(interface(dtype=torch.float64), START), TypeError,
     ["state.memory", "float64"]),
    ("a state of another batch", lambda: BANK(interface(), BANK.initial_state(3)), ValueError, ["state.memory", "B=2"]),
    ("an empty batch", lambda: BANK.initial_state(0), ValueError, ["batch_size", "0"]),
    ("a bank that is a config", lambda: MemoryController(3, 6, 2, MemoryConfig()), TypeError, ["bank", "MemoryConfig"]),
    ("no hidden units", lambda: MemoryController(3, 0, 2), ValueError, ["hidden_dim", "0"]),
    ("inputs without time", lambda: CONTROLLER(torch.zeros(2, 3)), ValueError, ["inputs", "(2, 3)"]),
    ("inputs too wide", lambda: CONTROLLER(torch.zeros(4, 2, 9)), ValueError, ["inputs", "D=3"]),
    ("inputs in double", lambda: CONTROLLER(torch.zeros(4, 2, 3).double()), TypeError, ["inputs", "float64"]),
    ("no time at all", lambda: CONTROLLER(torch.zeros(0, 2, 3)), ValueError, ["inputs", "T=0"]),
    ("a priority of NaN", lambda: ExperienceReplay(4).add({"x": 1.0}, float("nan")), ValueError, ["priorit", "nan"]),
    ("a seed of NaN", lambda: metrics.confidence_interval([1.0, float("nan")]), ValueError, ["samples", "NaN"]),
    ("a carried state of another batch", lambda: CONTROLLER(torch.zeros(4, 2, 3), CONTROLLER.initial_state(5)),
     ValueError, ["state.hidden", "B=2"]),
    ("a state as torch's LSTM has it", lambda: CONTROLLER(torch.zeros(4, 2, 3), (PAIRS, PAIRS)), TypeError,
     ["state", "ControllerState", "tuple"]),
    ("lengths of floats", lambda: CONTROLLER(torch.zeros(4, 2, 3), lengths=torch.ones(2)), TypeError,
     ["lengths", "float32"]),
    ("a length too many", lambda: CONTROLLER(torch.zeros(4, 2, 3), lengths=[1, 2, 3]), ValueError, ["lengths", "(3,)"]),
    ("a length past the end", lambda: CONTROLLER(torch.zeros(4, 2, 3), lengths=[1, 5]), ValueError,
     ["lengths", "T=4", "5"]),
    ("copy of nothing", lambda: copy_task(2, RNG, 0, 3), ValueError, ["min_length", "0"]),
    ("copy from long to short", lambda: copy_task(2, RNG, 4, 3), ValueError, ["min_length", "4 and 3"]),
    ("recall of one item", lambda: associative_recall_task(2, RNG, 1, 3), ValueError, ["min_items", "1"]),
    ("training for no updates", lambda: train_on_sequences(CONTROLLER, None, None, 0), ValueError, ["updates", "0"]),
    ("an empty replay", lambda: ExperienceReplay(4).sample(2), IndexError, ["empty"]),
    ("a negative capacity", lambda: ExperienceReplay(-1), ValueError, ["capacity", "-1"]),
    ("an interval of one seed", lambda: metrics.confidence_interval([1.0]), ValueError, ["samples", "2 seeds"]),
    ("scores that are not square", lambda: metrics.forgetting([[1.0, 2.0]]), ValueError, ["scores", "(1, 2)"]),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_there_are_many_cases():
    assert len(CASES) >= 40


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_tensor_on_another_device_is_named():
    with pytest.raises(ValueError, match="keys must be on device cpu, got cuda"):
        A.cosine_similarity(MEMORY, KEYS.cuda())


def test_a_tensor_on_another_device_is_named_without_one():
    with pytest.raises(ValueError, match="keys must be on device cpu, got meta"):
        A.cosine_similarity(MEMORY, KEYS.to("meta"))


# Every public argument of the memory modules, given what it is not

ARRAY, NAN = np.zeros((2, 3, 4), np.float32), float("nan")
FUNCTIONS = {  # each with right arguments
    "oneplus": (A.oneplus, {"x": KEYS}),
    "cosine_similarity": (A.cosine_similarity, {"memory": MEMORY, "keys": KEYS, "mask": KEYS}),
    "content_weighting": (
        A.content_weighting, {"memory": MEMORY, "keys": KEYS, "strengths": STRENGTHS, "mask": KEYS}),
    "interpolate": (A.interpolate, {"content": ROWS, "previous": ROWS, "gates": STRENGTHS}),
    "circular_shift": (A.circular_shift, {"weightings": ROWS, "shifts": torch.zeros(2, 3, 3)}),
    "sharpen": (A.sharpen, {"weightings": ROWS, "gammas": STRENGTHS}),
    "retention": (A.retention, {"free_gates": STRENGTHS, "read_weightings": ROWS}),
    "usage": (A.usage, {"previous_usage": PAIRS, "write_weightings": ROWS, "retained": PAIRS}),
    "allocation_weighting": (A.allocation_weighting, {"usage": PAIRS}),
    "allocation_weightings": (A.allocation_weightings, {"usage": PAIRS, "gates": STRENGTHS}),
    "write_weighting": (
        A.write_weighting,
        {"content": ROWS, "allocation": ROWS, "allocation_gates": STRENGTHS, "write_gates": STRENGTHS}),
    "precedence": (A.precedence, {"previous": ROWS, "write_weightings": ROWS}),
    "temporal_link": (
        A.temporal_link,
        {"previous": torch.zeros(2, 3, 5, 5), "previous_precedence": ROWS, "write_weightings": ROWS}),
    "directional_weightings": (
        A.directional_weightings, {"link": torch.zeros(2, 1, 5, 5), "previous_reads": ROWS}),
    "sharpen_links": (A.sharpen_links, {"weightings": torch.zeros(2, 3, 1, 5), "gammas": STRENGTHS}),
    "read_weighting": (
        A.read_weighting,
        {"content": ROWS, "forward": torch.zeros(2, 3, 1, 5), "backward": torch.zeros(2, 3, 1, 5),
         "modes": torch.zeros(2, 3, 3)}),
    "erase_and_add": (erase_and_add, {"memory": MEMORY, "write_weightings": ROWS, "erase": KEYS, "add": KEYS}),
    "read_memory": (read_memory, {"memory": MEMORY, "read_weightings": ROWS}),
    "a bank's step": (lambda interface: BANK(interface, START), {"interface": interface()}),
    "split": (BANK.split, {"interface": interface()}),
    "a controller": (CONTROLLER, {"inputs": torch.zeros(4, 2, 3)}),
}  # fmt: skip
EACH = [(name, argument) for name, (_, right) in FUNCTIONS.items() for argument in right]


@pytest.mark.parametrize(("name", "argument"), EACH, ids=[" ".join(pair) for pair in EACH])
def test_a_tensor_s_argument_takes_nothing_else(name, argument):
    function, right = FUNCTIONS[name]
    function(**right)
    tensor = right[argument]
    for wrong in (tensor.numpy(), tensor.tolist(), 1.0, "x", tensor.long(), tensor > 0, tensor.to(torch.complex64)):
        with pytest.raises(TypeError, match=rf"\b{argument}\b must"):
            function(**{**right, argument: wrong})
    if argument != "mask":
        with pytest.raises(TypeError, match=rf"\b{argument}\b must be a tensor, got NoneType"):
            function(**{**right, argument: None})
    if argument != "x":
        with pytest.raises(ValueError, match=rf"\b{argument}\b must be \("):
            function(**{**right, argument: tensor[None]})
    others = [value for other, value in right.items() if other != argument]
    for changed, error in ((tensor.double(), TypeError), (tensor.to("meta"), ValueError)) if others else ():
        with pytest.raises(error, match="must (have dtype|be on device)"):
            function(**{**right, argument: changed})


SWITCHES = {
    **{name: lambda value, name=name: MemoryConfig(**{name: value}) for name in (
        "sharpening", "temporal_links", "key_masking", "deallocation", "link_sharpening", "sort_gradient",
        "usage_gradient", "associative_start")},
    "input_to_interface": lambda value: MemoryController(3, 6, 2, input_to_interface=value),
    "batch_first": lambda value: MemoryController(3, 6, 2, batch_first=value),
    "return_trace": lambda value: CONTROLLER(torch.zeros(4, 2, 3), return_trace=value),
    "sort_gradient ": lambda value: A.allocation_weighting(PAIRS, sort_gradient=value),
    " sort_gradient": lambda value: A.allocation_weightings(PAIRS, STRENGTHS, sort_gradient=value),
}  # fmt: skip


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_true_or_false(name):
    for right in (True, False, np.True_):
        SWITCHES[name](right)
    for wrong in ("no", 1, 0, None, NAN, torch.tensor(True), [True]):
        with pytest.raises(TypeError, match=f"{name.strip()} must be True or False"):
            SWITCHES[name](wrong)


WHOLE = {
    **{name: lambda value, name=name: MemoryConfig(**{name: value}) for name in (
        "memory_size", "memory_dim", "num_read_heads", "num_write_heads", "shift_range", "key_size")},
    "input_dim": lambda value: MemoryController(value, 6, 2),
    "hidden_dim": lambda value: MemoryController(3, value, 2),
    "output_dim": lambda value: MemoryController(3, 6, value),
    "batch_size": lambda value: BANK.initial_state(value),
    "batch_size ": lambda value: CONTROLLER.initial_state(value),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_size_is_an_integer_of_at_least_one(name):
    for right in (1, np.int64(2), np.uint8(3)):
        WHOLE[name](right)
    for wrong in (True, np.True_, 2.0, np.float64(2), "2", NAN, torch.tensor(2), np.array([2])):
        with pytest.raises(TypeError, match=f"{name.strip()} must be an integer"):
            WHOLE[name](wrong)
    for wrong in (0, -1, np.int64(0)):
        with pytest.raises(ValueError, match=f"{name.strip()} must be at least 1"):
            WHOLE[name](wrong)


def test_words_and_numbers_of_a_configuration():
    assert MemoryConfig(addressing=np.str_("ntm")).addressing == "ntm"
    for name in ("addressing", "initial_memory"):
        for wrong in ("", None, 0, np.zeros(3), ["dnc"]):
            with pytest.raises(ValueError, match=f"{name} must be one of"):
                MemoryConfig(**{name: wrong})
    for wrong, error in ((True, TypeError), (None, TypeError), (np.zeros(1), TypeError), (float("inf"), ValueError)):
        with pytest.raises(error, match="initial_value must be a"):
            MemoryConfig(initial_value=wrong)
    with pytest.raises(ValueError, match="initial_value must be a finite number"):
        MemoryConfig(initial_value=10**400)
    for wrong in (torch.int64, "float32", np.float32, None):
        with pytest.raises(TypeError, match="dtype must be a floating dtype of torch"):
            BANK.initial_state(2, wrong)


STATES = {
    **{name: BANK.initial_state(2)._replace(**{name: None}) for name in START._fields},
    "no state": None,
    "a tuple": tuple(START),
    "read_weightings of other heads": START._replace(read_weightings=torch.zeros(2, 1, 5)),
    "write_weightings of other slots": START._replace(write_weightings=torch.zeros(2, 1, 6)),
    "usage in double": START._replace(usage=torch.zeros(2, 5).double()),
    "link of a NumPy array": START._replace(link=np.zeros((2, 1, 5, 5))),
}


@pytest.mark.parametrize("label", STATES)
def test_a_bank_s_state_is_looked_at(label):
    named = "state" if label in ("no state", "a tuple") else f"state.{label.split()[0]}"
    with pytest.raises((TypeError, ValueError), match=rf"{named} must"):
        BANK(interface(), STATES[label])
    if label in ("no state", "a tuple"):
        return
    with pytest.raises((TypeError, ValueError), match=rf"{named} must"):
        CONTROLLER(torch.zeros(4, 2, 3), CONTROLLER.initial_state(2)._replace(memory=STATES[label]))


def test_a_state_of_another_kind_of_bank_is_refused():
    content = NeuralMemoryBank(MemoryConfig(5, 4, 2, addressing="content"))
    with pytest.raises(ValueError, match="state.usage must be None for this content bank"):
        content(torch.zeros(2, content.interface_size), START)
    unlinked = NeuralMemoryBank(MemoryConfig(5, 4, 2, temporal_links=False))
    with pytest.raises(ValueError, match="state.precedence must be None"):
        unlinked(torch.zeros(2, unlinked.interface_size), START)
    with pytest.raises(TypeError, match="state.usage must be a tensor, got NoneType"):
        BANK(interface(), content.initial_state(2))


@pytest.mark.parametrize("name", ["hidden", "cell", "reads", "memory"])
def test_a_controller_s_state_is_looked_at(name):
    state = CONTROLLER.initial_state(2)
    for wrong in (None, np.zeros(2), torch.zeros(2, 99), torch.zeros(2, 6).long(), 0.0):
        with pytest.raises((TypeError, ValueError), match=rf"state(\.{name})? must"):
            CONTROLLER(torch.zeros(4, 2, 3), state._replace(**{name: wrong}))
    plain = MemoryController(3, 6, 2)
    with pytest.raises(ValueError, match="state.memory must be None for a controller without a bank"):
        plain(torch.zeros(4, 2, 3), plain.initial_state(2)._replace(memory=START))


def test_lengths_are_integers_one_a_sequence():
    inputs = torch.zeros(4, 2, 3)
    for wrong in ([1.5, 2.0], [True, False], torch.tensor([True, False]), "12", [None, 2], {1: 2}, NAN, [1 + 0j, 2]):
        with pytest.raises(TypeError, match="lengths must be"):
            CONTROLLER(inputs, lengths=wrong)
    for wrong in (2, [[1, 2]], [1], [-1, 2], np.array([1, 5])):
        with pytest.raises(ValueError, match="lengths must"):
            CONTROLLER(inputs, lengths=wrong)
    with pytest.raises(ValueError, match="inputs must have at least one sequence B, got B=0"):
        CONTROLLER(torch.zeros(4, 0, 3))


def test_the_classes_are_listed():
    import neuralmem

    assert set(neuralmem.__all__) <= set(dir(neuralmem)) and "MemoryController" in dir(neuralmem)
    assert {getattr(neuralmem, name).__name__ for name in neuralmem.__all__} == set(neuralmem.__all__)
