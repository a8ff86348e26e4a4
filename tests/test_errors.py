"""Wrong input is refused with an error that names the argument, what came and what was expected."""

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
    ("lengths of floats", lambda: CONTROLLER(torch.zeros(4, 2, 3), lengths=torch.ones(2)), ValueError,
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
    ("a matrix R that is not square", lambda: metrics.forgetting([[1.0, 2.0]]), ValueError, ["R", "(1, 2)"]),
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
