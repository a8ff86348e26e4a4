"""The experiment of chapter 6: an agent that acts in rooms whose physics changes, and its rivals.

    python -m book.experiments.rooms           all parts, seeds 0 to 4; writes book/results/rooms.json
    python -m book.experiments.rooms --film    one life with four agents; writes book/results/rooms_film.json
    python -m book.experiments.rooms --tune    what was tried on the seeds 100 and 101 to choose the settings below;
                                               writes book/results/rooms_tuning.json

About 20 minutes of one core; the `seconds` of a run are those of its training. A run (a part, an agent, a seed) is
stored as soon as it is done, with the raw values of its seed; runs that are stored already are kept.

Targets, set before the first full run. On returns, that is in rooms visited before in the same life, mean of 5 seeds:
memory + meta-learning costs at most 0.65 of meta-learning on the last transitions, 0.4 of no adaptation, and twice the
table of least-squares fits; its error at the first step is below 0.12, that on the last transitions above 0.3. In rooms
with seasons, without replay the error in the first season's rooms is in the end at least 4 times, and the cost there
twice, what it is with replay.
"""

import argparse
import json
import time
from functools import partial

import torch

from neuralmem.planning import Planner
from neuralmem.teaching.rooms_results import film as film_of_drives
from neuralmem.training import cosine_schedule
from neuralmem.worlds import pendulum, rooms, split_generator

from . import common
from . import rooms_agents as agents

SEEDS, DESIGN_SEEDS = range(5), (100, 101)
BATCH, STEPS = 48, 12  # lives an update, steps a stay of babble
TEST_LIVES, BABBLE_LIVES, STAYS, STAY = 48, 200, 9, 20  # lives driven, lives predicted, stays and steps of a drive
UPDATES, SEASON_UPDATES, DIAL_UPDATES = 800, 300, 500
LAST = 4  # transitions of those that take the last; see --tune
STRENGTHS = {0.0: 20.0, 0.25: 12.0, 0.5: 6.0, 1.0: 3.0}  # of the fetch by cue, for each noise of the cue
MEMORY = partial(agents.by_cue, strength=STRENGTHS[0.0])
RECENT = partial(agents.last, n=LAST)


def schedule(updates):
    """A short warm-up, then along a cosine to 0."""
    return cosine_schedule(updates, 20, 0.0, 0.0)


def fits_of(seed):
    """Transitions from which least squares takes what fits all rooms together."""
    return rooms.transitions(480, "train", 1000 + seed)


# name -> (what builds the agent from a seed, updates)
CORE = {
    "true physics": (None, 0),
    "memory + meta": (lambda s: agents.Adapting(MEMORY, agents.K, schedule(UPDATES), s), UPDATES),
    "last + meta": (lambda s: agents.Adapting(RECENT, LAST, schedule(UPDATES), s), UPDATES),
    "memory + ridge": (lambda s: agents.Solving(MEMORY, s).start(schedule(UPDATES), s), UPDATES),
    "last + ridge": (lambda s: agents.Solving(RECENT, s).start(schedule(UPDATES), s), UPDATES),
    "table + least squares": (lambda s: agents.LeastSquares(agents.table, fits_of(s), penalty=3.0), 0),
    "memory + least squares": (lambda s: agents.LeastSquares(MEMORY, fits_of(s), penalty=3.0), 0),
    "last + least squares": (lambda s: agents.LeastSquares(RECENT, fits_of(s), penalty=10.0), 0),
    "memory + random features": (
        lambda s: agents.LeastSquares(MEMORY, fits_of(s), agents.random_features, 0.3), 0
    ),
    "no adaptation": (lambda s: agents.Fixed(s).start(schedule(UPDATES), s), UPDATES),
    "LSTM": (lambda s: agents.Recurrent(s).start(schedule(1200), s), 1200),
    "attention": (lambda s: agents.Attending(s).start(schedule(1000), s), 1000),
}  # fmt: skip
SEASONAL = {
    "memory + meta, replay": (MEMORY, agents.K, 200),
    "memory + meta": (MEMORY, agents.K, 0),
    "last + meta, replay": (RECENT, LAST, 200),
    "last + meta": (RECENT, LAST, 0),
    "memory + meta, joint": (MEMORY, agents.K, 0),
    "table + least squares": None,
}
DIAL = ("table + least squares", "memory + least squares", "memory + meta")


def batches(count, seed, families=tuple(rooms.FAMILIES), size=BATCH, cue_noise=0.0):
    """`count` batches of babbled lives, drawn ten at a time."""
    generator = split_generator("train", seed)
    for first in range(0, count, 10):
        lives = rooms.draw_lives(10 * size, generator, families)
        lived = rooms.babble(lives, STEPS, generator, cue_noise=cue_noise)
        for number in range(min(10, count - first)):
            rows = slice(number * size, (number + 1) * size)
            yield rooms.Transitions(*(values[rows] for values in lived))


def train(agent, stream):
    """Learn from a stream of batches; returns seconds of the processor, and the loss in ten averages."""
    began, losses = time.process_time(), []
    for lives in stream:
        losses.append(agent.learn(lives))
    tenth = max(1, len(losses) // 10)
    means = [sum(losses[i : i + tenth]) / len(losses[i : i + tenth]) for i in range(0, len(losses), tenth)]
    return round(time.process_time() - began, 1), [round(mean, 4) for mean in means]


def prequential(agent, lived):
    """Squared error of each step's prediction before it is seen, as a share of the variance: (B, T)."""
    errors = []
    for t in range(lived.rooms.shape[1]):
        predicted = agent.fit(rooms.past_of(lived, t), lived.cues[:, t])(lived.features[:, t : t + 1])
        errors.append((predicted - lived.clean[:, t]).square())
    return torch.cat(errors, 1) / lived.clean.var()


def drive(agent, lives, seed, cue_noise=0.0):
    """Drive through the lives by planning with the agent's model of the moment: a rooms.Drive."""
    planner = Planner(pendulum.MOST_TORQUE)

    def act(state, past, cue):
        predict = agent.fit(past, cue)

        def model(state, torque):
            change = predict(pendulum.features(state, torque)) / pendulum.TARGET_SCALE
            return pendulum.move(state, change)

        return planner.act(model, pendulum.cost, state)

    return rooms.drive(lives, act, STAY, split_generator("test", 3000 + seed), cue_noise=cue_noise)


def predicted(agent, seed, families=tuple(rooms.FAMILIES)):
    """Errors by step since entering, on returns and in new rooms."""
    lived = rooms.transitions(BABBLE_LIVES, "test", 2000 + seed, families)
    errors, back = prequential(agent, lived), lived.visits > 0
    return {"error": _by_step(errors, lived.since, back), "error in new rooms": _by_step(errors, lived.since, ~back)}


def driven(agent, lives, seed, cue_noise=0.0):
    """What a drive cost on returns and in new rooms, how long it stood, and the costs of each life's returns."""
    result = drive(agent, lives, seed, cue_noise)
    back, since = result.lived.visits > 0, result.lived.since
    upright = result.upright.float()
    row = {
        "cost": _mean(result.costs[back]), "cost in new rooms": _mean(result.costs[~back]),
        "upright": _mean(upright[back]), "cost by step": _by_step(result.costs, since, back),
        "upright by step": _by_step(upright, since, back),
    }  # fmt: skip
    costs = [_mean(result.costs[life][back[life]]) for life in range(len(back))]
    return row | {"lives": costs, "recovery": _recovery(result)}


def _recovery(result):
    """Mean steps from a return until the pendulum stands for the rest of the stay (STAY where it does not)."""
    standing = result.upright.unflatten(1, (-1, STAY)).float()
    returned = result.lived.visits.unflatten(1, (-1, STAY))[..., 0] > 0
    to_the_end = standing.flip(2).cumprod(2).sum(2)  # how long it stood at the end of the stay
    return _mean((STAY - to_the_end)[returned])


def _mean(values):
    return round(float(values.mean()), 4)


def _by_step(values, since, chosen):
    return [_mean(values[chosen & (since == step)]) for step in range(int(since.max()) + 1)]


def test_lives(seed, families=tuple(rooms.FAMILIES), count=TEST_LIVES, stays=STAYS):
    """The lives to drive through: the same for all agents of a seed."""
    return rooms.draw_lives(count, split_generator("test", seed), families, stays=stays)


def run_core(name, seed):
    """One agent in the rooms: trained, asked for predictions, and driven."""
    build, updates = CORE[name]
    lives = test_lives(seed)
    if name == "true physics":
        return driven(agents.Truth(lives, STAY), lives, seed) | {"seconds": 0.0, "parameters": 0}
    agent = build(seed)
    seconds, losses = train(agent, batches(updates, seed)) if updates else (0.0, [])
    row = {"seconds": seconds, "updates": updates, "loss": losses, "parameters": parameters(agent)}
    return row | predicted(agent, seed) | driven(agent, lives, seed)


def parameters(agent):
    """How many numbers training moves."""
    learner = agent.meta if isinstance(agent, agents.Adapting) else agent
    return sum(p.numel() for p in learner.parameters()) if hasattr(learner, "parameters") else 0


def run_seasons(name, seed):
    """One agent in season A, then in season B: judged in the rooms of both."""
    tests = {season: test_lives(seed, rooms.SEASONS[season], 32, 6) for season in "AB"}
    row, settings = {"seconds": 0.0}, SEASONAL[name]
    if settings is None:
        agent = agents.LeastSquares(agents.table, fits_of(seed), penalty=3.0)
    else:
        choose, k, capacity = settings
        fresh = BATCH // 2 if capacity else BATCH

        def factor(step):
            return schedule(SEASON_UPDATES)(step % SEASON_UPDATES)

        factor = schedule(2 * SEASON_UPDATES) if "joint" in name else factor
        agent = agents.Adapting(choose, k, factor, seed, capacity, fresh)
    for number, season in enumerate("AB"):
        families = tuple(rooms.FAMILIES) if settings and "joint" in name else rooms.SEASONS[season]
        if settings is not None:
            row["seconds"] += train(agent, batches(SEASON_UPDATES, 10 * seed + number, families, fresh))[0]
        for where in "A" if season == "A" else "AB":
            judged = predicted(agent, seed, rooms.SEASONS[where]) | driven(agent, tests[where], seed)
            row[f"{where} after {season}"] = judged
    return row


def run_dial(name, seed):
    """One agent at each noise of the cue: the cost of a drive on returns."""
    row, lives = {"seconds": 0.0}, test_lives(seed)
    for noise, strength in STRENGTHS.items():
        choose = agents.table if name.startswith("table") else partial(agents.by_cue, strength=strength)
        if "least squares" in name:
            agent = agents.LeastSquares(choose, fits_of(seed), penalty=3.0)
        else:
            agent = agents.Adapting(choose, agents.K, schedule(DIAL_UPDATES), seed)
            row["seconds"] += train(agent, batches(DIAL_UPDATES, seed, cue_noise=noise))[0]
        row[str(noise)] = driven(agent, lives, seed, noise)
    return row


def tuned(seed):
    """Costs on returns of what was tried on a design seed: {setting: cost}."""
    fits, lives, costs = fits_of(seed), test_lives(seed), {}
    for penalty in (0.3, 1.0, 3.0, 10.0):
        agent = agents.LeastSquares(agents.table, fits, penalty=penalty)
        costs[f"table, penalty {penalty:g}"] = driven(agent, lives, seed)["cost"]
        for n in (4, 8, 16):
            agent = agents.LeastSquares(partial(agents.last, n=n), fits, penalty=penalty)
            costs[f"least squares on the last {n}, penalty {penalty:g}"] = driven(agent, lives, seed)["cost"]
    for penalty in (0.1, 0.3, 1.0, 3.0):
        agent = agents.LeastSquares(MEMORY, fits, agents.random_features, penalty)
        costs[f"random features, penalty {penalty:g}"] = driven(agent, lives, seed)["cost"]
    for noise in STRENGTHS:
        for strength in (3.0, 6.0, 12.0, 20.0):
            agent = agents.LeastSquares(partial(agents.by_cue, strength=strength), fits, penalty=3.0)
            costs[f"cue noise {noise:g}, strength {strength:g}"] = driven(agent, lives, seed, noise)["cost"]
    for n in (4, 8, 16):
        choose = partial(agents.last, n=n)
        agent = agents.Adapting(choose, n, schedule(DIAL_UPDATES), seed)
        train(agent, batches(DIAL_UPDATES, seed))
        costs[f"meta-learning on the last {n}"] = driven(agent, lives, seed)["cost"]
        agent = agents.Solving(choose, seed).start(schedule(DIAL_UPDATES), seed)
        train(agent, batches(DIAL_UPDATES, seed))
        costs[f"ridge on the last {n}"] = driven(agent, lives, seed)["cost"]
    for name, kind in {"LSTM": agents.Recurrent, "attention": agents.Attending}.items():
        for rate in (1e-3, 3e-3):
            agent = kind(seed).start(schedule(400), seed, rate)
            train(agent, batches(400, seed))
            costs[f"{name}, rate {rate:g}"] = driven(agent, lives, seed)["cost"]
    return costs


FILM = ("true physics", "memory + meta", "last + meta", "no adaptation")


def film(seed=0):
    """One life of the test draws, driven by four agents: what the film in the book shows.

    It is the life in which what memory saves on returns, against the last transitions, is the median of all lives.
    """
    lives, drives, errors, choices = test_lives(seed), {}, {}, {}
    for name in FILM:
        build, updates = CORE[name]
        agent = agents.Truth(lives, STAY) if build is None else build(seed)
        if updates:
            train(agent, batches(updates, seed))
        drives[name] = drive(agent, lives, seed)
        if build is not None:
            errors[name] = prequential(agent, drives[name].lived)
        if hasattr(agent, "choose"):
            choices[name] = agent.choose
    return film_of_drives(lives, drives, errors, choices)


PARTS = {"core": (CORE, run_core), "seasons": (SEASONAL, run_seasons), "dial": (DIAL, run_dial)}


def run(part, agent, seed):
    """One agent of one part with one seed: what it measured."""
    torch.set_num_threads(1)
    return PARTS[part][1](agent, seed)


def main():
    """Make the runs that are not stored yet, or the film, or the tuning."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tune", action="store_true", help="try settings on the design seeds")
    parser.add_argument("--film", action="store_true", help="record one life for the book's film")
    options = parser.parse_args()
    command = "python -m book.experiments.rooms"
    if options.film:
        (common.RESULTS / "rooms_film.json").write_text(json.dumps(film()) + "\n")
    elif options.tune:
        plan = [{"seed": seed} for seed in DESIGN_SEEDS]
        common.complete("rooms_tuning", plan, lambda seed: {"costs": tuned(seed)})
    else:
        plan = [
            {"part": part, "agent": agent, "seed": seed}
            for part, (names, _) in PARTS.items()
            for agent in names
            for seed in SEEDS
        ]
        common.complete("rooms", plan, run, command=command)


if __name__ == "__main__":
    main()
