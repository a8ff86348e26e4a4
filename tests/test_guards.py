"""What a look or a failed step changed is put back."""

import pytest
import torch
from torch import nn

from neuralmem import ExperienceReplay
from neuralmem.guards import drawing, in_eval_mode, whole_or_not_at_all

CPU = torch.device("cpu")


def test_within_the_own_generator_is_drawn_from_and_after_the_outer_one():
    own = [torch.Generator().manual_seed(3).get_state()]
    outside = torch.get_rng_state()
    with drawing(own, CPU) as ended:
        first = torch.randn(4)
    assert torch.equal(outside, torch.get_rng_state())
    with drawing(ended, CPU):
        second = torch.randn(4)
    together = torch.randn(8, generator=torch.Generator().manual_seed(3))
    with drawing(own, CPU):
        assert torch.equal(torch.randn(4), first)
    assert not torch.equal(first, second) and together.shape == (8,)


def test_a_failure_within_puts_the_outer_generator_back():
    own, outside = [torch.Generator().manual_seed(3).get_state()], torch.get_rng_state()
    with pytest.raises(KeyError), drawing(own, CPU) as ended:
        torch.randn(4)
        raise KeyError
    assert torch.equal(outside, torch.get_rng_state()) and torch.equal(ended[0], own[0])


def test_every_part_keeps_its_mode():
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    model[1].eval()
    with pytest.raises(KeyError), in_eval_mode(model):
        assert not any(part.training for part in model.modules())
        raise KeyError
    assert [part.training for part in model.modules()] == [True, True, False]


@pytest.mark.parametrize("kind", ["uniform", "reservoir", "proportional", "rank"])
def test_what_failed_left_no_trace(kind):
    model, replay = nn.BatchNorm1d(2), ExperienceReplay(4, kind)
    replay.extend(torch.arange(3.0))
    before = {name: value.clone() for name, value in model.state_dict().items()}, replay.state_dict()
    with pytest.raises(KeyboardInterrupt), whole_or_not_at_all(model, replay):
        replay.sample(2)
        model(torch.randn(5, 2)).sum().backward()
        raise KeyboardInterrupt
    assert all(torch.equal(value, before[0][name]) for name, value in model.state_dict().items())
    after = replay.state_dict()
    assert all(torch.equal(v, after[k]) if torch.is_tensor(v) else v == after[k] for k, v in before[1].items())
    assert all(parameter.grad is None for parameter in model.parameters())
    with whole_or_not_at_all(model, None):
        model(torch.randn(5, 2))
    assert model.num_batches_tracked == 1
