"""The agent's pace against chapter 0's miniature: pairs (x, y) trained a second, replayed ones counted.

    python -m pytest tests/benchmarks/test_agent_speed.py -s

Same sizes: x in R^64, LSTM 128, content addressing of a memory of 128 x 64 by 2 read heads, 8 replayed samples a step,
Adam. In turns in one process, on one thread, in processor time. The miniature learns a pair at a time, as it does in
chapter 0, whose own cells are run here; the agent learns in batches, 32 new sequences of 10 pairs and 8 replayed ones.
"""

import time
from statistics import median

import nbformat
import numpy as np
import pytest
import torch
from bars import judge
from conftest import ROOT

from neuralmem import ContinualLearningAgent, ExperienceReplay, MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import function_pairs

NEW, REPLAYED, PAIRS, ROUNDS = 32, 8, 10, 12


def miniature():
    """A function that trains the miniature on one row after another; it returns how many pairs it trained on."""
    book, names = nbformat.read(ROOT / "book" / "00_demo.ipynb", as_version=4), {}
    for start in ("import copy", "class Memory(", "class Agent(", "def rehearse"):
        source = next(cell.source for cell in book.cells if cell.cell_type == "code" and start in cell.source)
        exec(source, names)
    torch.manual_seed(0)
    agent, rng, buffer = names["Agent"](), np.random.default_rng(0), []
    agent.memory = names["Memory"]()
    optimiser, generator = torch.optim.Adam(agent.parameters()), split_generator("train", 0)

    def learn():
        x, y = function_pairs("sin", 10, generator)
        names["train_on"](agent, optimiser, x, y, buffer, rng, epochs=1)
        return len(x) * (1 + REPLAYED)

    return learn


def package(compiled):
    """The same for the package's agent, with prioritised replay of episodes."""
    torch.manual_seed(0)
    bank = NeuralMemoryBank(MemoryConfig(memory_size=128, memory_dim=64, num_read_heads=2, addressing="content"))
    if compiled:
        bank.compile()
    replay = ExperienceReplay(1000, "proportional")
    agent = ContinualLearningAgent(MemoryController(64, 128, 64, bank), replay, replay_batch_size=REPLAYED)
    generator = split_generator("train", 0)

    def learn():
        x, y = function_pairs("sin", (PAIRS, NEW), generator)
        agent.train_step(x, y)
        return (NEW + REPLAYED) * PAIRS

    return learn


def pace(learn):
    """Pairs a second of processor time."""
    began = time.process_time()
    return learn() / (time.process_time() - began)


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_pairs_a_second(compiled):
    slow, fast = miniature(), package(compiled)
    for learn in (slow, fast, fast, fast):  # the buffers fill; a compiled bank is compiled for each size of batch
        learn()
    pairs = [(pace(slow), median(pace(fast) for _ in range(3))) for _ in range(ROUNDS)]
    theirs, ours = (median(column) for column in zip(*pairs, strict=True))
    what = "agent, bank compiled" if compiled else "agent"
    judge(what, "chapter 0's miniature", ours, theirs, [b / a for a, b in pairs], "pairs a second")
