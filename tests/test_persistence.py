"""Nothing lost: saved and resumed bit for bit, killed at any moment, and no file trusted that is not whole."""

import json
import multiprocessing
import os
import pickle
import random
import signal
import time

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from neuralmem import (
    ContinualLearningAgent,
    ExperienceReplay,
    MemoryConfig,
    MemoryController,
    MetaLearner,
    NeuralMemoryBank,
    persistence,
)
from neuralmem.training import cosine_schedule

STEPS = 40


class Noisy(nn.Module):
    """A memory controller with dropout before it: a model that draws random numbers while it trains."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.controller = MemoryController(3, 16, 2, NeuralMemoryBank(MemoryConfig(8, 6, 2, 1)))
        self.initial_state = self.controller.initial_state

    def forward(self, x, state=None):
        return self.controller(self.drop(x), state)


def parts(kind="proportional"):
    torch.manual_seed(0)
    return Noisy(), ExperienceReplay(64, kind, seed=0)


def make(kind="proportional"):
    model, replay = parts(kind)
    return ContinualLearningAgent(model, replay, memory="persist", schedule=cosine_schedule(STEPS), lr=0.01)


def load(path, kind="proportional"):
    model, replay = parts(kind)
    return ContinualLearningAgent.load(path, model, replay, schedule=cosine_schedule(STEPS))


def stream():
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        x = torch.randn(4, 4, 3, generator=generator)
        yield x, x[..., :2], torch.ones(4, 4)


def train(path):
    """What a killed process does when it is started again: go on from the last save, or begin; save at every step."""
    torch.set_num_threads(1)
    agent = load(path) if path.exists() else make()
    agent.learn(stream(), start=agent.steps, path=path, save_every=1)


def everything(agent):
    optimiser = agent.optimiser.state_dict()["state"].values()
    held = [*agent.learner.state_dict().values(), *(v for entry in optimiser for v in entry.values()), *agent.random]
    state = agent.replay.state_dict()
    return [*held, agent.state.memory.memory, *(v for _, v in sorted(state.items())), agent.steps]


def assert_same(first, second):
    for a, b in zip(everything(first), everything(second), strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("kind", ["uniform", "reservoir", "proportional", "rank"])
def test_a_resumed_agent_goes_on_bit_for_bit(tmp_path, kind):
    whole, first = make(kind), make(kind)
    whole.learn(stream())
    first.learn(list(stream())[:17])
    first.save(tmp_path / "agent")
    torch.randn(5)  # what others draw meanwhile does not matter
    second = load(tmp_path / "agent", kind)
    second.learn(stream(), start=second.steps)
    assert_same(whole, second)


def test_a_resumed_meta_learner_goes_on_bit_for_bit(tmp_path):
    def build():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        return model, ExperienceReplay(64), MetaLearner(model, method="meta-sgd")

    x, y = torch.randn(6, 5, 3), torch.randn(6, 5, 2)
    agent = ContinualLearningAgent(*build(), support_size=2)
    agent.learn([(x, y)] * 3)
    agent.save(tmp_path / "agent")
    again = ContinualLearningAgent.load(tmp_path / "agent", *build())
    assert agent.learn([(x, y)] * 3) == again.learn([(x, y)] * 3)


def test_killed_at_twenty_moments_and_resumed_nothing_is_lost(tmp_path):
    path = tmp_path / "agent"
    context = multiprocessing.get_context("forkserver")
    # imported once, so that each start takes milliseconds
    context.set_forkserver_preload(["neuralmem.agent", "torch._dynamo", "pytest"])
    moments, reached = random.Random(0), []
    for _ in range(20):
        process = context.Process(target=train, args=(path,))
        process.start()
        known = path.stat().st_mtime_ns if path.exists() else 0
        limit = time.monotonic() + 60
        while process.is_alive() and (path.stat().st_mtime_ns if path.exists() else 0) == known:
            assert time.monotonic() < limit, "no step was saved"
            time.sleep(0.0005)
        time.sleep(moments.uniform(0, 0.02))  # from here on: in a step, in a save, between them
        process.kill()
        process.join()
        reached.append(load(path).steps)
    assert reached == sorted(reached) and len(set(reached)) > 5
    process = context.Process(target=train, args=(path,))
    process.start()
    process.join()
    whole = make()
    whole.learn(stream())
    assert process.exitcode == 0
    assert_same(whole, load(path))


def train_until_a_save_fails_half_way(path, count):
    """As `train`, but killed in save number `count`, when half of the new file is on the disk."""

    def die(file):
        nonlocal count
        count -= 1
        if count == 0:
            os.truncate(file, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    persistence.os.fsync = die
    train(path)


def test_killed_in_the_middle_of_a_save_the_last_one_is_there(tmp_path):
    path, context = tmp_path / "agent", multiprocessing.get_context("forkserver")
    for count, steps in ((5, 4), (1, 4), (8, 11)):
        process = context.Process(target=train_until_a_save_fails_half_way, args=(path, count))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL and load(path).steps == steps
    train(path)
    whole = make()
    whole.learn(stream())
    assert_same(whole, load(path))
    assert [file.name for file in tmp_path.iterdir()] == ["agent"]


class TestFilesThatAreNotWhole:
    @pytest.fixture
    def saved(self, tmp_path):
        agent = make()
        agent.learn(list(stream())[:3])
        agent.save(tmp_path / "agent")
        return tmp_path / "agent"

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
    def test_truncated(self, saved, share):
        content = saved.read_bytes()
        saved.write_bytes(content[: int(share * len(content))])
        model, replay = parts()
        before = [p.clone() for p in model.parameters()]
        with pytest.raises(ValueError, match="not a whole saved agent"):
            ContinualLearningAgent.load(saved, model, replay, schedule=cosine_schedule(STEPS))
        assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True)) and len(replay) == 0

    def test_foreign(self, tmp_path):
        (tmp_path / "text").write_text("not an agent")
        save_file({"weight": torch.zeros(3)}, tmp_path / "other")
        save_file({"weight": torch.zeros(3)}, tmp_path / "half", {"format": "neuralmem agent 2", "tree": "{"})
        for name in ("text", "other", "half"):
            with pytest.raises(ValueError, match="not a whole saved agent"):
                load(tmp_path / name)
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "missing")

    def test_no_code_of_a_file_is_run(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (open, (str(tmp_path / "ran"), "w"))

        for name, content in (("pickle", pickle.dumps(Bomb())), ("json", json.dumps({"a": 1}).encode())):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(ValueError, match="not a whole saved agent"):
                load(tmp_path / name)
        assert not (tmp_path / "ran").exists()

    def test_another_make_loads_nothing(self, saved):
        torch.manual_seed(5)
        other = MemoryController(3, 8, 2)
        before = [p.clone() for p in other.parameters()]
        schedule = cosine_schedule(STEPS)
        with pytest.raises(ValueError, match="model must have the parameters saved"):
            ContinualLearningAgent.load(saved, other, ExperienceReplay(64), schedule=schedule)
        assert all(torch.equal(p, q) for p, q in zip(before, other.parameters(), strict=True))
        model, replay = parts()
        before = [p.clone() for p in model.parameters()]
        with pytest.raises(ValueError, match="replay must be given"):
            ContinualLearningAgent.load(saved, model, schedule=schedule)
        with pytest.raises(ValueError, match="loss and schedule must be those"):
            ContinualLearningAgent.load(saved, model, replay)
        with pytest.raises(ValueError, match="capacity must be 9"):
            ContinualLearningAgent.load(saved, model, ExperienceReplay(9), schedule=schedule)
        assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True)) and len(replay) == 0


def untouched(path, words, model=None, replay=None, **settings):
    """Loading raises a ValueError with these words, and neither model nor replay has changed."""
    made, buffer = parts()
    model, replay = model or made, replay or buffer
    before = [value.clone() for value in model.state_dict().values()], replay.state_dict()
    with pytest.raises(ValueError, match=words):
        ContinualLearningAgent.load(path, model, replay, **{"schedule": cosine_schedule(STEPS), **settings})
    assert all(torch.equal(p, q) for p, q in zip(before[0], model.state_dict().values(), strict=True))
    after = replay.state_dict()
    assert all(torch.equal(v, after[k]) if torch.is_tensor(v) else v == after[k] for k, v in before[1].items())


@pytest.fixture(scope="module")
def file_content(tmp_path_factory):
    agent = make()
    agent.learn(list(stream())[:3])
    path = tmp_path_factory.mktemp("saved") / "agent"
    agent.save(path)
    return path.read_bytes()


def test_any_flipped_bit_is_seen(file_content, tmp_path):
    """In the length, all over the header and its checksum, and in the numbers: 1,500 flips, and none is loaded."""
    path, draw = tmp_path / "agent", random.Random(0)
    end = 8 + int.from_bytes(file_content[:8], "little")
    places = [*range(16), *(draw.randrange(8, end) for _ in range(500))]
    checksum = file_content.index(b'"checksum"')
    places += [*range(checksum, checksum + 80), *(draw.randrange(end, len(file_content)) for _ in range(900))]
    for count, place in enumerate(places):
        flipped = bytearray(file_content)
        flipped[place] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match="not a whole saved agent"):
            persistence.load(path)
        if count % 300 == 0:
            untouched(path, "not a whole saved agent")
    path.write_bytes(file_content)
    assert load(path).steps == 3


def test_a_file_with_a_right_checksum_and_wrong_content_loads_nothing(file_content, tmp_path):
    """Each part left out, None, a word, a wrong number or of another size: said before anything is overwritten."""
    path = tmp_path / "agent"
    path.write_bytes(file_content)
    good = persistence.load(path)
    wrong = [{key: value for key, value in good.items() if key != left_out} for left_out in good]
    for key in good:
        others = ["word", [], {}, torch.zeros(3), *([7] if key != "steps" else []), *([None] if key != "state" else [])]
        wrong += [good | {key: other} for other in others]
    moments = good["optimiser"]
    wrong += [good | {"optimiser": moments | {"state": {0: moments["state"][1]}}}]
    wrong += [good | {"optimiser": moments | {"param_groups": []}}]
    wrong += [good | {"replay": good["replay"] | {"numbers": torch.zeros(3)}}]
    wrong += [good | {"random": [torch.zeros(9, dtype=torch.uint8)]}, good | {"steps": -1}]
    wrong += [good | {"state": good["state"][:2]}, good | {"settings": good["settings"] | {"lr": -1.0}}]
    wrong += [[good], "agent"]
    for tree in wrong:
        persistence.save(tree, path)
        untouched(path, "must|not a whole saved agent")
    persistence.save(good, path)
    assert_same(load(path), load(path))


def test_another_precision_is_refused(file_content, tmp_path):
    path = tmp_path / "agent"
    path.write_bytes(file_content)
    untouched(path, "float32, model .*float64", model=parts()[0].double())


def test_what_is_given_again_counts(file_content, tmp_path):
    path = tmp_path / "agent"
    path.write_bytes(file_content)
    model, replay = parts()
    schedule = cosine_schedule(STEPS)
    agent = ContinualLearningAgent.load(path, model, replay, schedule=schedule, betas=(0.5, 0.9), lr=0.5)
    assert agent.optimiser.param_groups[0]["betas"] == agent.betas == (0.5, 0.9) and agent.lr == 0.5
    untouched(path, "lr must be", lr=-1)


@pytest.mark.parametrize(
    "tree",
    [{"a": [1, 2.5, None, True, "x"], "b": (torch.arange(3), {"c": torch.zeros(2, 0)})}, [], 3.5, torch.ones(())],
)
def test_any_nest_comes_back_as_it_was(tree, tmp_path):
    def flat(part):
        if isinstance(part, dict):
            return [item for key in part for item in (key, *flat(part[key]))]
        if isinstance(part, list | tuple):
            return [type(part), *(item for value in part for item in flat(value))]
        return [(part.dtype, part.shape, part.tolist()) if torch.is_tensor(part) else part]

    persistence.save(tree, tmp_path / "nest")
    assert flat(persistence.load(tmp_path / "nest")) == flat(tree)


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    agent = make()
    agent.learn(list(stream())[:2])
    agent.save(tmp_path / "agent")
    before = (tmp_path / "agent").read_bytes()
    agent.learn(list(stream())[2:3])
    monkeypatch.setattr("neuralmem.persistence.os.replace", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        agent.save(tmp_path / "agent")
    assert (tmp_path / "agent").read_bytes() == before
