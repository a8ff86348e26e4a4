"""Whole banks against the papers' equations as loops; what a state is; gradients through writes."""

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from neuralmem import MemoryConfig, NeuralMemoryBank
from neuralmem import addressing as A
from neuralmem.bank import ADDRESSINGS, MemoryState, erase_and_add, read_memory

DOUBLE = torch.float64


def bank_of(addressing, slots=5, width=4, readers=2, writers=2, **settings):
    return NeuralMemoryBank(MemoryConfig(slots, width, readers, writers, addressing=addressing, **settings))


def walk(bank, interfaces, state=None):
    """Run a bank over interfaces (T, B, I); returns the reads of every step and the last state."""
    state = bank.initial_state(interfaces.shape[1], interfaces.dtype) if state is None else state
    reads = []
    for interface in interfaces:
        read, state = bank(interface, state)
        reads.append(read)
    return torch.stack(reads), state


def draw(bank, steps, batch, seed=0, dtype=DOUBLE):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(steps, batch, bank.interface_size, generator=generator, dtype=dtype)


@pytest.mark.parametrize("addressing", ADDRESSINGS)
@pytest.mark.parametrize("writers", [1, 2, 3])
def test_200_steps_are_the_papers(addressing, writers):
    bank = bank_of(addressing, writers=writers)
    for seed in range(10):
        interfaces = draw(bank, 20, 1, seed)
        state = bank.initial_state(1, DOUBLE)
        mine = {name: value[0].numpy() for name, value in state._asdict().items() if value is not None}
        for interface in interfaces:
            part = {name: value[0].numpy() for name, value in bank.split(interface).items()}
            reads, state = bank(interface, state)
            mine = oracles.STEPS[addressing](part, mine, bank.config)
            for name, value in mine.items():
                assert np.abs(getattr(state, name)[0].numpy() - value).max() < 1e-6, name
            assert np.abs(reads[0].numpy() - mine["read_weightings"] @ mine["memory"]).max() < 1e-6


@pytest.mark.parametrize("addressing", ADDRESSINGS)
def test_gradient_through_five_steps_is_that_of_finite_differences(addressing):
    bank = bank_of(addressing, slots=3, width=2, readers=1, writers=1)
    interfaces = draw(bank, 5, 1, seed=3).requires_grad_()
    assert gradcheck(lambda x: walk(bank, x)[0], [interfaces], atol=1e-6)


REFINED = {"key_masking": True, "deallocation": True, "link_sharpening": True, "key_size": 2}


@pytest.mark.parametrize("addressing", ADDRESSINGS)
@pytest.mark.parametrize("change", [REFINED, {"temporal_links": False}, {"initial_memory": "learned"}])
def test_refined_banks_have_true_gradients_too(addressing, change):
    bank = bank_of(addressing, slots=3, width=3, readers=1, writers=2, **change).double()
    interfaces = draw(bank, 3, 1, seed=4).requires_grad_()
    assert gradcheck(lambda x: walk(bank, x)[0], [interfaces], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    addressing=st.sampled_from(ADDRESSINGS), slots=st.integers(1, 5), width=st.integers(1, 4), batch=st.integers(1, 3),
    readers=st.integers(1, 2), writers=st.integers(1, 2), scale=st.sampled_from([0.0, 1.0, 1e4]), double=st.booleans(),
    refined=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_no_interface_breaks_a_bank(addressing, slots, width, batch, readers, writers, scale, double, refined, seed):
    change = {**REFINED, "key_size": 1} if refined else {}
    bank = bank_of(addressing, slots, width, readers, writers, **change)
    dtype = DOUBLE if double else torch.float32
    interfaces = (scale * draw(bank, 4, batch, seed, dtype)).requires_grad_()
    reads, state = walk(bank, interfaces)
    reads.square().mean().backward()
    assert torch.isfinite(reads).all() and torch.isfinite(interfaces.grad).all()
    for weightings in (state.read_weightings, state.write_weightings):
        assert (weightings >= -1e-6).all() and (weightings.double().sum(-1) <= 1 + 1e-6).all()  # but for rounding
    if state.usage is not None:
        assert (state.usage >= -1e-6).all() and (state.usage <= 1 + 1e-6).all()


@pytest.mark.parametrize("addressing", ADDRESSINGS)
def test_a_full_memory_goes_on(addressing):
    bank = bank_of(addressing)
    state = bank.initial_state(2, DOUBLE)
    if state.usage is not None:
        state = state._replace(usage=torch.ones_like(state.usage))
    interfaces = draw(bank, 3, 2).requires_grad_()
    reads, after = walk(bank, interfaces, state)
    reads.square().sum().backward()
    assert torch.isfinite(reads).all() and torch.isfinite(interfaces.grad).all()
    if state.usage is not None:  # nothing is free, so nothing is allocated, until a read frees something
        assert A.allocation_weighting(state.usage).max() == 0 and after.usage.max() < 1


@pytest.mark.parametrize("change", [{}, {"initial_value": 0.0}, {"initial_memory": "learned"}])
def test_the_first_state_is_the_same_at_every_call(change):
    bank = bank_of("dnc", **change)
    first, second = bank.initial_state(2), bank.initial_state(2)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert first.memory.requires_grad == (change.get("initial_memory") == "learned")


@pytest.mark.parametrize("addressing", ADDRESSINGS)
def test_a_state_is_a_value(addressing):
    bank = bank_of(addressing)
    interfaces = draw(bank, 6, 3)
    state = bank.initial_state(3, DOUBLE)
    before = [None if t is None else t.clone() for t in state]
    whole, last = walk(bank, interfaces, state)
    assert all(old is None or torch.equal(old, new) for old, new in zip(before, state, strict=True))
    assert not list(bank.buffers())
    first, middle = walk(bank, interfaces[:2])
    second, end = walk(bank, interfaces[2:], middle)
    assert torch.allclose(torch.cat([first, second]), whole, atol=1e-12)
    assert all(a is None or torch.allclose(a, b, atol=1e-12) for a, b in zip(last, end, strict=True))
    alone, _ = walk(bank, interfaces[:, 1:2])
    assert torch.allclose(alone, whole[:, 1:2], atol=1e-12)


@pytest.mark.parametrize("addressing", ADDRESSINGS)
def test_slots_have_no_names(addressing):
    """Renaming the slots of the state renames those of the next one; an NTM's ring allows turning only."""
    bank = bank_of(addressing)
    _, state = walk(bank, draw(bank, 4, 2, seed=1))
    order = torch.tensor([2, 3, 4, 0, 1]) if addressing == "ntm" else torch.tensor([3, 1, 4, 0, 2])

    def renamed(s):
        link = None if s.link is None else s.link[:, :, order][..., order]
        other = {k: None if (v := getattr(s, k)) is None else v[..., order] for k in ("usage", "precedence")}
        reads, writes = s.read_weightings[..., order], s.write_weightings[..., order]
        return MemoryState(s.memory[:, order], reads, writes, link=link, **other)

    interface = draw(bank, 1, 2, seed=2)[0]
    straight, mixed = bank(interface, state), bank(interface, renamed(state))
    assert torch.allclose(straight[0], mixed[0])
    assert torch.allclose(straight[1].memory[:, order], mixed[1].memory)


@pytest.mark.parametrize("addressing", ADDRESSINGS)
def test_a_write_receives_a_gradient_from_a_later_read(addressing):
    bank = bank_of(addressing)
    first = draw(bank, 1, 2)[0].requires_grad_()
    _, state = bank(first, bank.initial_state(2, DOUBLE))
    reads, _ = bank(draw(bank, 1, 2, seed=5)[0], state)
    (gradient,) = torch.autograd.grad(reads.square().sum(), first)
    written = bank.sizes[0]  # the add vectors come first
    assert gradient[:, :written].abs().min() > 0


def test_erase_and_add_by_hand():
    memory = torch.tensor([[[2.0, 4.0], [1.0, 1.0]]])
    where, erase, add = (torch.tensor([[row]]) for row in ([0.5, 0.0], [1.0, 0.5], [3.0, 1.0]))
    result = erase_and_add(memory, where, erase, add)
    assert result.tolist() == [[[2.5, 3.5], [1.0, 1.0]]]
    assert read_memory(result, torch.tensor([[[0.5, 0.5]]])).tolist() == [[[1.75, 2.25]]]


def test_deallocation_erases_what_is_freed():
    kept, freed = (bank_of("dnc", writers=1, readers=1, deallocation=flag) for flag in (False, True))
    interface = torch.zeros(1, kept.interface_size, dtype=DOUBLE)
    state = kept.initial_state(1, DOUBLE)
    state = state._replace(memory=torch.ones_like(state.memory), read_weightings=torch.eye(5, dtype=DOUBLE)[None, :1])
    names = list(kept.parts)
    start = sum(kept.sizes[: names.index("free_gates")])
    interface[0, start] = 50.0  # free what was read
    start = sum(kept.sizes[: names.index("write_gates")])
    interface[0, start] = -50.0  # write nothing
    assert kept(interface, state)[1].memory.min() > 0.999
    after = freed(interface, state)[1].memory[0]
    assert after[0].abs().max() < 1e-6 and after[1:].min() > 0.999


def test_the_associative_start_is_what_it_says():
    bank = bank_of("dnc", associative_start=True)
    part = bank.split(bank.initial_interface_bias()[None])
    assert part["write_gates"][0, 0] == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item())
    assert part["free_gates"].max() < 0.05 and part["read_strengths"].min() > 4.9
    assert not bank_of("dnc").initial_interface_bias().any()


def test_usage_gradient_can_be_stopped():
    for flows in (True, False):
        bank = bank_of("dnc", usage_gradient=flows)
        state = bank.initial_state(1, DOUBLE)
        used = torch.full_like(state.usage, 0.5).requires_grad_()
        reads, _ = bank(draw(bank, 1, 1)[0], state._replace(usage=used))
        assert reads.requires_grad == flows


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("addressing", ADDRESSINGS)
def test_a_bank_runs_on_cuda(addressing):
    bank = bank_of(addressing).cuda()
    interface = draw(bank, 1, 2, dtype=torch.float32)[0].cuda()
    reads, state = bank(interface, bank.initial_state(2, device="cuda"))
    assert reads.is_cuda and state.memory.is_cuda


def test_a_learned_memory_starts_where_the_state_is_wanted():
    bank = bank_of("dnc", initial_memory="learned")
    state = bank.initial_state(2, DOUBLE, "meta")
    assert {t.device.type for t in state} == {"meta"} and {t.dtype for t in state} == {DOUBLE}
