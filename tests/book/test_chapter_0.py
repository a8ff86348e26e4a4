"""Chapter 0: its figures, its explorer, the rules it promises, and the checks of its exercises."""

import copy
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats
from torch import nn

from neuralmem import ContinualLearningAgent, ExperienceReplay, MemoryConfig, MetaLearner, NeuralMemoryBank
from neuralmem.metrics import confidence_interval
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_0 as checks
from neuralmem.teaching.figures import exam
from neuralmem.worlds.functions import FOUR_TASKS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from exercises import assert_accepts, assert_explains, undone  # noqa: E402


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


# The figures


def test_demo_panels_show_the_memory_and_each_task_from_its_phase_on():
    errors = np.array([[1.0, 9.0], [2.0, 3.0]])
    memory = torch.tensor([[-2.0, 1.0], [0.5, 0.0]])
    figure = figures.demo_panels(memory, {"demo": errors}, ["sin", "cos"], [0.5, 0.25], {"demo": "full"})
    rows, panel = figure.axes[:2]
    assert np.array_equal(rows.images[0].get_array(), memory.numpy())
    assert rows.images[0].get_clim() == (-2, 2)  # as much red as blue: the numbers have signs
    drawn = {line.get_label(): line.get_xydata().tolist() for line in panel.lines if line.get_label() in ("sin", "cos")}
    assert drawn == {"sin": [[0, 1], [1, 2]], "cos": [[1, 3]]}  # cos before it is trained on is left out
    assert panel.title.get_color() == figures.COLOURS["full"] and len(panel.lines) == 4
    assert panel.get_xlabel() and not rows.get_xlabel().startswith("tasks")  # the label stands under its own panel


def test_demo_panels_name_every_curve_where_it_ends_and_apart():
    errors = np.full((4, 4), 0.1)
    figure = figures.demo_panels(None, {"demo": errors, "new": errors}, list(FOUR_TASKS))
    for panel in figure.axes:
        heights = sorted(np.log10(text.get_position()[1]) for text in panel.texts)
        low, high = np.log10(panel.get_ylim())
        assert [text.get_text() for text in panel.texts] == list(FOUR_TASKS)
        assert min(np.diff(heights)) > 0.07 * (high - low)


def test_errors_by_method_draw_means_intervals_seeds_and_plain_values():
    samples = np.array([[1.0, 4.0], [3.0, 6.0], [2.0, 5.0]])
    figure = figures.errors_by_method(["a", "b"], {"ours": samples, "constant": [0.5, 0.7]}, {"ours": "full"})
    first, second = figure.axes
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["ours", "constant"]
    assert first.containers[0].lines[0].get_xydata()[0].tolist() == [2, 0] and second.containers[0].lines[
        0
    ].get_xydata()[0].tolist() == [5, 0]
    seeds, constant = first.lines[-2:]
    assert seeds.get_xdata().tolist() == [1, 3, 2] and constant.get_xdata().tolist() == [0.5]
    (segment,) = second.containers[0].lines[2][0].get_segments()
    assert segment[1, 0] - 5 == pytest.approx(confidence_interval(samples)[1][1])


def test_shares_by_method_mark_the_constant_the_bar_and_what_lies_outside():
    samples = {"ours": np.array([[0.1, 0.2], [0.3, 0.2]]), "worse": np.array([[0.5, 9.0], [0.7, 9.0]])}
    samples["a rule"] = np.array([[1.0, 3.0], [2.0, 3.0]])
    figure = figures.shares_by_method(samples, ["a", "b"], {"ours": "replay", "worse": "full"}, bar=0.35)
    first, second = figure.axes
    assert [line.get_xdata()[0] for line in (first.lines[-1], second.lines[-1])] == [1.5, 2.6]
    assert [line.get_xdata()[0] for line in first.lines[:2]] == [1, 0.35]
    assert first.containers[1].lines[0].get_xydata()[0] == pytest.approx([0.6, 1])
    assert len(second.containers) == 1 and second.lines[-2].get_marker() == ">"


def test_every_knob_of_the_explorer_changes_its_picture():
    start, knobs = {"task": "sin", "rows": 20}, {"task": "tanh+2", "rows": 200}
    before = pixels(figures.explore_rows(**start))
    assert (pixels(figures.explore_rows(**start)) == before).all()
    for name, value in knobs.items():
        assert (pixels(figures.explore_rows(**{**start, name: value})) != before).any(), name


# The exam


def test_both_drivers_meet_the_same_rooms_and_begin_alike():
    (told_lives, told), (blind_lives, blind) = (exam.life_in_rooms(driver) for driver in exam.DRIVERS)
    assert told_lives.walk.tolist() == blind_lives.walk.tolist() == [list(exam.WALK)]
    assert torch.equal(told_lives.physics.motor, blind_lives.physics.motor)
    assert torch.equal(told.states[:, 0], blind.states[:, 0])


def test_what_can_be_learned_lies_between_the_two():
    """On returns to a room, who is told its physics stands most of the time and who never learns it seldom does."""
    stands = {}
    for driver in exam.DRIVERS:
        _, drive = exam.life_in_rooms(driver)
        returned = drive.lived.visits[0] > 0
        stands[driver] = float(drive.upright[0][returned].float().mean())
    assert stands["told the physics"] > 0.8 and stands["never learns"] < 0.6


@pytest.mark.parametrize("step", [0, 31, 75, 149])
def test_the_picture_says_where_one_is_and_what_has_been_met(step):
    figure = exam.explore_exam(step)
    stay = step // exam.STAY
    room = "ABC"[exam.WALK[stay]]
    assert f"room {room}" in figure.seen and f"Step {step}" in figure.seen
    assert ("back in" in figure.seen) == (exam.WALK[stay] in exam.WALK[:stay])
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("not met yet") == 3 - len(set(exam.WALK[: stay + 1]))
    assert all(len(line.get_ydata()) == step + 1 for line in figure.axes[2].lines)


# The rules


def test_every_test_that_the_chapter_names_is_there():
    named = set(re.findall(r"Enforced[^\n]*", (ROOT / "book" / "00_demo.ipynb").read_text(encoding="utf-8")))
    named = {name for line in named for name in re.findall(r"`(test_\w+)`", line)}
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert len(named) >= 5
    for name in named:
        assert f"def {name}(" in written, f"chapter 0 names {name}, which is no test"


@pytest.mark.parametrize("addressing", ["ntm", "dnc"])
def test_two_writes_leave_two_rows_that_differ(addressing):
    """Rule 3. Content addressing alone cannot part equal rows; allocation can, and heads that start somewhere."""
    written = {}
    for kind in (addressing, "content"):
        bank = NeuralMemoryBank(MemoryConfig(8, 4, 1, addressing=kind))
        first, second = torch.randn(2, 1, bank.interface_size, generator=torch.Generator().manual_seed(0))
        _, state = bank(first, bank.initial_state(1))
        _, state = bank(second, state)
        written[kind] = state.memory[0]
    differences = {kind: float((rows - rows[:1]).abs().max()) for kind, rows in written.items()}
    assert differences[addressing] > 1e-2 and differences["content"] < 1e-6


@pytest.mark.parametrize("part", ["replay", "meta"])
def test_every_part_of_an_agent_can_be_left_out(part):
    """Rule 4. The same agent without a part trains and answers."""
    model = nn.Linear(3, 2)
    parts = {"replay": ExperienceReplay(20), "meta": MetaLearner(model, inner_lr=0.1)}
    agent = ContinualLearningAgent(model, **{**parts, part: None}, support_size=2 if part == "replay" else None)
    shape = (4, 5, 3) if agent.meta else (4, 3)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert agent.train_step(x, x[..., :2]) > 0 and agent.evaluate(x, x[..., :2]) > 0


# The checks of exercises


def shared_rows(train, test):
    return sum(any(torch.equal(row, other) for other in train) for row in test)


def constant_error(train_y, test_y):
    return (test_y - train_y.mean()).square().mean()


def half_width(samples):
    factor = stats.t.ppf(0.975, len(samples) - 1)
    return factor * np.std(samples, ddof=1) / len(samples) ** 0.5


def scaled_width(samples, factor=None, ddof=1, root=None):
    factor = stats.t.ppf(0.975, len(samples) - 1) if factor is None else factor
    return factor * np.std(samples, ddof=ddof) / (len(samples) if root is None else root) ** 0.5


def names(condition):
    return lambda model: [name for name, p in model.named_parameters() if condition(p)]


untrained = names(lambda p: p.grad is None or p.grad.norm() == 0)


def blind_error(targets):
    return (targets - targets.mean(0)).square().mean()


def measure(agent, x, y):
    looked_at = copy.deepcopy(agent)
    with torch.no_grad():
        answers = torch.stack([looked_at(row) for row in x])
    return float((answers - y).square().mean())


def measure_in_place(agent, x, y):
    with torch.no_grad():
        answers = torch.stack([agent(row) for row in x])
    return float((answers - y).square().mean())


def measure_with_state_dict(agent, x, y):
    kept = {name: value.clone() for name, value in agent.state_dict().items()}
    error = measure_in_place(agent, x, y)
    agent.load_state_dict(kept)
    return error


def measure_by_training(agent, x, y):
    looked_at = copy.deepcopy(agent)
    loss = (torch.stack([agent(row) for row in x]) - y).square().mean()
    loss.backward()
    agent.rows, agent.count = looked_at.rows, looked_at.count
    return float(loss.detach())


def sorted_in_place(train, test):
    answer = shared_rows(train, test)
    train.copy_(train.sort(0).values + 1)
    return answer


def centred_in_place(train_y, test_y):
    mean = train_y.mean()
    test_y -= mean
    return test_y.square().mean()


def targets_in_place(targets):
    targets -= targets.mean(0)
    return targets.square().mean()


def samples_in_place(samples):
    answer = half_width(samples)
    samples.append(0.0)
    return answer


def cleared(model):
    names = untrained(model)
    model.zero_grad(set_to_none=True)
    return names


ANSWERS = {
    checks.check_shared_rows: (
        shared_rows,
        {
            "row i with row i": lambda train, test: int((train == test).all(1).sum()),
            "share a number": lambda train, test: int((train[:, None] == test).any(-1).any(0).sum()),
            "you count pairs": lambda train, test: sum(torch.equal(a, b) for a in train for b in test),
            "the other way round": lambda train, test: shared_rows(test, train),
            "the order of the numbers counts": lambda a, b: shared_rows(a.sort(1).values, b.sort(1).values),
            "does not depend on `train`": lambda train, test: shared_rows(test[:1], test),
            "does not depend on": lambda train, test: shared_rows(train, train[:1]),
            "`train` was given to you and has changed": sorted_in_place,
            "wrong shape": lambda train, test: torch.tensor([shared_rows(train, test)]),
            "and it must": lambda train, test: 2,
        },
    ),
    checks.check_constant_error: (
        constant_error,
        {
            "seen them": lambda train, test: (test - test.mean()).square().mean(),
            "absolute error": lambda train, test: (test - train.mean()).abs().mean(),
            "on the training targets": lambda train, test: (train - train.mean()).square().mean(),
            "median": lambda train, test: (test - train.median()).square().mean(),
            "does not depend on `train_y`": lambda train_y, test_y: (test_y - 2).square().mean(),
            "does not depend on `test_y`": lambda train_y, test_y: train_y.mean() ** 2,
            "`test_y` was given to you and has changed": centred_in_place,
            "wrong shape": lambda train, test: (test - train.mean()).square(),
        },
    ),
    checks.check_half_width: (
        half_width,
        {
            "1.96": lambda samples: scaled_width(samples, factor=1.96),
            "4.303 is Student's factor": lambda samples: scaled_width(samples, factor=4.3026527),
            "let both depend": lambda samples: scaled_width(samples, factor=4.3026527, root=3),
            "n - 1, not n": lambda samples: scaled_width(samples, ddof=0),
            "root of n": lambda samples: scaled_width(samples, root=1),
            "2.5 % at each": lambda samples: scaled_width(samples, factor=stats.t.ppf(0.95, len(samples) - 1)),
            "degrees of freedom": lambda samples: scaled_width(samples, factor=stats.t.ppf(0.975, len(samples))),
            "`samples` was given to you and has changed": samples_in_place,
            "wrong shape": lambda samples: (np.mean(samples), half_width(samples)),
            "does not depend on `samples`": lambda samples: half_width([1.0, 2.0, 3.0]),
        },
    ),
    checks.check_untrained: (
        untrained,
        {
            "a gradient of zeros": names(lambda p: p.grad is None),
            "`grad` is None": names(lambda p: p.grad is not None and not p.grad.any()),
            "adds up to 0": names(lambda p: p.grad is None or p.grad.sum() == 0),
            "did get a gradient": names(lambda p: p.grad is not None and p.grad.any()),
            "`requires_grad` says": names(lambda p: not p.requires_grad),
            "a list of names": lambda model: len(untrained(model)),
            "`model.named_parameters()`": lambda model: ["cut"],
            "it has changed": cleared,
            "does not depend on `model`": lambda model: ["cut.weight", "cut.bias", "flat.weight", "flat.bias"],
        },
    ),
    checks.check_blind_error: (
        blind_error,
        {
            "one constant": lambda y: (y - y.mean()).square().mean(),
            "K - 1": lambda y: y.var(0).mean(),
            "depend on the task": lambda y: (y - y.mean(1, keepdim=True)).square().mean(),
            "mean over tasks": lambda y: (y - y.mean(0)).square().sum(0).mean(),
            "does not depend on": lambda y: 2.5,
            "has changed": targets_in_place,
        },
    ),
    checks.check_measure: (
        measure,
        {
            "Measure a copy": measure_in_place,
            "plain attribute": measure_with_state_dict,
            "no_grad": measure_by_training,
            "root of the mean square": lambda agent, x, y: measure(agent, x, y) ** 0.5,
            "before each row": lambda agent, x, y: (
                sum(measure(agent, x[i : i + 1], y[i : i + 1]) for i in range(len(x))) / len(x)
            ),
            "does not depend on `y`": lambda agent, x, y: measure(agent, x, torch.zeros_like(x)),
            "does not depend on `x`": lambda agent, x, y: measure(agent, torch.zeros_like(y), y),
        },
    ),
}
CASES = [(check, words, wrong) for check, (_, mistakes) in ANSWERS.items() for words, wrong in mistakes.items()]


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_a_check_accepts_the_answer_under_every_seed(check, capsys):
    assert_accepts(check, ANSWERS[check][0], capsys)

    assert not check(undone) and capsys.readouterr().out.startswith("Not done yet: undone")


@pytest.mark.parametrize(("check", "words", "wrong"), CASES, ids=[f"{c.__name__}: {w}" for c, w, _ in CASES])
def test_a_check_says_why_an_answer_is_wrong(check, words, wrong, capsys):
    assert_explains(check, wrong, words, capsys)
