"""The agent of a stream: what each part does alone, that it can be saved in the middle, and what it refuses."""

import numpy as np
import pytest
import torch

from neuralmem import persistence
from neuralmem.prequential import LastValue, Linear, prequential
from neuralmem.series import table_of, windows
from neuralmem.stream_agent import StreamAgent
from neuralmem.worlds.streams import returning_laws


@pytest.fixture(scope="module")
def laws():
    rows = returning_laws(400, torch.Generator().manual_seed(0), stay=20)
    return windows(table_of(rows, "y"), 1, cue="law")


def agent(stream, **settings):
    return StreamAgent(stream.x.shape[1], stream.cue.shape[1], **settings)


def test_without_its_parts_it_says_the_last_value(laws):
    rules = {"bare": agent(laws, k=0, hidden=0), "last": LastValue()}
    said = prequential(rules, laws, 100).predictions
    np.testing.assert_allclose(said["bare"], said["last"])


def test_with_a_key_that_tells_nothing_apart_it_is_the_linear_model(laws):
    rules = {"agent": agent(laws, k=50, hidden=0, penalty=3.0), "linear": Linear(50, 3.0)}
    rules["agent"].cue, rules["agent"].cues = 0, torch.zeros(0, 1)  # by age
    said = prequential(rules, laws, 100).predictions
    np.testing.assert_allclose(said["agent"], said["linear"], atol=1e-4)


def test_where_laws_return_the_memory_pays(laws):
    rules = {"by cue": agent(laws, hidden=0, strength=20.0, penalty=1.0), "last n": Linear(20, 1.0)}
    error = {name: e.mean() for name, e in prequential(rules, laws, 200).errors().items()}
    assert error["by cue"] < 0.5 * error["last n"]


def test_a_network_that_rehearses_learns(laws):
    rules = {"network": agent(laws, k=0, lr=3e-3), "last": LastValue()}
    error = {name: e.mean() for name, e in prequential(rules, laws, 200).errors().items()}
    assert error["network"] < 0.7 * error["last"]


@pytest.mark.parametrize("parts", [{}, {"hidden": 0}, {"k": 0}, {"batch": 0}], ids=str)
def test_saved_in_the_middle_it_goes_on_as_if_nothing_had_been(laws, tmp_path, parts):
    whole = prequential({"agent": agent(laws, **parts)}, laws, 40, stop=120).predictions["agent"]
    half = agent(laws, **parts)
    before = prequential({"agent": half}, laws, 40, stop=80).predictions["agent"]
    half.save(tmp_path / "agent")
    torch.rand(3)  # what happens elsewhere does not matter
    loaded = StreamAgent.load(tmp_path / "agent")
    after = prequential({"agent": loaded}, laws, 40, start=80, stop=120).predictions["agent"]
    np.testing.assert_allclose(np.concatenate([before, after]), whole, atol=1e-6)


def test_looking_changes_nothing_and_no_global_generator_is_touched(laws):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    learned = agent(laws)
    prequential({"agent": learned}, laws, 10, stop=30)
    state = learned.learner.random[0].clone()
    question = type("Q", (), {"x": torch.zeros(laws.x.shape[1]), "last": 0.0, "cue": torch.tensor([1.0, 0, 0])})
    assert learned.predict(question) == learned.predict(question)
    assert torch.equal(learned.learner.random[0], state) and torch.equal(torch.get_rng_state(), before)


def test_other_files_are_refused(tmp_path, laws):
    persistence.save({"something": 1}, tmp_path / "other")
    with pytest.raises(ValueError, match="holds no stream agent"):
        StreamAgent.load(tmp_path / "other")
    agent(laws).save(tmp_path / "mine")
    content = bytearray((tmp_path / "mine").read_bytes())
    content[-1] ^= 1
    (tmp_path / "mine").write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        StreamAgent.load(tmp_path / "mine")
    with pytest.raises(FileNotFoundError):
        StreamAgent.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inputs": 0}, "inputs must be at least 1"),
        ({"cue": -1}, "cue must be at least 0"),
        ({"k": -1}, "k must be at least 0"),
        ({"strength": -1}, "strength must be a finite number"),
        ({"hidden": -1}, "hidden must be at least 0"),
        ({"penalty": 0}, "penalty must be positive"),
        ({"kind": "newest"}, "kind must be one of"),
    ],
)
def test_refusals(settings, words):
    with pytest.raises(ValueError, match=words):
        StreamAgent(**{"inputs": 3, "cue": 2, **settings})
