"""The training loops and their schedule."""

import math

import pytest
import torch
from torch import nn

from neuralmem import MemoryConfig, MemoryController, MetaLearner, NeuralMemoryBank
from neuralmem.training import cosine_schedule, train_meta, train_on_sequences
from neuralmem.worlds import split_generator
from neuralmem.worlds.sequences import bits_per_sequence, copy_task
from neuralmem.worlds.sinusoids import sinusoid_tasks


def small(seed=0):
    torch.manual_seed(seed)
    return MemoryController(4, 16, 3, NeuralMemoryBank(MemoryConfig(6, 8, 1, addressing="ntm")))


def draw(size, generator):
    return copy_task(size, generator, 1, 2, 3)


def test_training_is_decided_by_its_seeds_and_leaves_the_global_generator_alone():
    runs, state = [], torch.get_rng_state()
    for seed in (0, 0, 1):
        controller = small()
        state = torch.get_rng_state()
        runs.append(train_on_sequences(controller, draw, bits_per_sequence, 4, seed=seed))
        assert torch.equal(torch.get_rng_state(), state)
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 4


def test_training_learns_to_copy_two_steps():
    losses = train_on_sequences(small(), draw, bits_per_sequence, 120)
    assert sum(losses[:5]) / 5 > 4 and sum(losses[-5:]) / 5 < 0.5 * sum(losses[:5]) / 5


def test_the_schedule_warms_up_stays_flat_and_falls():
    factor = cosine_schedule(1000, warm_up=20, flat=0.4, floor=0.02)
    values = [factor(step) for step in range(1001)]
    assert values[0] == pytest.approx(1 / 21) and values[20:400] == [1.0] * 380
    assert all(after < before for before, after in zip(values[401:1000], values[402:1001], strict=True))
    assert values[700] == pytest.approx(0.51) and values[1000] == pytest.approx(0.02)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


def test_train_meta_repeats_itself_and_lowers_the_outer_loss():
    test, results = sinusoid_tasks(100, 10, 10, split_generator("test", 0)), []
    for _ in range(2):
        meta = MetaLearner(network(), inner_lr=0.01)
        before = meta.task_losses(*test).mean().item()
        draws = split_generator("train", 3)
        train_meta(meta, lambda generator: sinusoid_tasks(10, 10, 10, generator), 60, draws, lr=1e-2)
        results.append(meta.task_losses(*test).mean().item())
    assert results[0] == results[1] < before


ERROR_CASES = [
    ("no updates", lambda: train_on_sequences(small(), draw, None, 0), ValueError, ["updates", "0"]),
    ("half an update", lambda: train_on_sequences(small(), draw, None, 0.5), TypeError, ["updates", "0.5"]),
    ("no meta-updates", lambda: train_meta(MetaLearner(network()), None, 0, None), ValueError, ["updates", "0"]),
    ("a schedule that is flat too long", lambda: cosine_schedule(10, flat=2), ValueError, ["flat", "2"]),
    ("less than no warm-up", lambda: cosine_schedule(10, warm_up=-1), ValueError, ["warm_up", "-1"]),
    ("a rate of 0", lambda: train_on_sequences(small(), draw, None, 1, lr=0), ValueError, ["lr", "above 0"]),
    ("clipped to nothing", lambda: train_on_sequences(small(), draw, None, 1, clip=0), ValueError, ["clip", "above 0"]),
    ("a clip of NaN", lambda: train_on_sequences(small(), draw, None, 1, clip=math.nan), ValueError, ["clip", "nan"]),
    ("beta_2 above 1", lambda: train_on_sequences(small(), draw, None, 1, beta_2=1.5), ValueError, ["beta_2", "1.5"]),
    ("no rate at all", lambda: train_meta(MetaLearner(network()), None, 1, None, lr=0), ValueError, ["lr", "above 0"]),
    ("a floor of NaN", lambda: cosine_schedule(10, floor=math.nan), ValueError, ["floor", "nan"]),
]


@pytest.mark.parametrize(("label", "call", "kind", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_wrong_input_is_named(label, call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
