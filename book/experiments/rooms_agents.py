"""The agents of the experiment on rooms (chapter 6), ours and its rivals.

An agent has `fit(past, cue) -> predict`, where `predict(features (B, C, 4)) -> (B, C)` says by how much the speed will
change (times TARGET_SCALE), given the `past` (a rooms.Past) of B lives and the cue (B, W) that is shown now. Those with
a network have `learn(lives)` too, one update on the transitions of many lives.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from neuralmem import ContinualLearningAgent, ExperienceReplay, MetaLearner
from neuralmem.closed_form import ridge
from neuralmem.episodic import fetch, latest
from neuralmem.worlds import pendulum, rooms
from neuralmem.worlds.rooms import Past

K, HORIZON = 24, 10  # transitions fetched, steps that a model is asked for
WIDTH, WIDE = 32, 64  # of the networks that adapt, and of those that are told by an LSTM or attention


# Which transitions count: choose(past, cue) -> their features, targets and weights


def by_cue(past, cue, k=K, strength=10.0):
    """The k best matches of the cue, weighted by how well they match."""
    places, weights = fetch(past.cues, past.stored, cue, k, strength)
    return (*past.at(places), weights)


def last(past, cue, n):
    """The last n, whatever room they come from."""
    places, weights = latest(past.cues, past.stored, n)
    return (*past.at(places), weights)


def table(past, cue):
    """All that were lived under exactly this cue, bit for bit; a cue is read by its signs."""
    same = ((past.cues > 0) == (cue > 0).unsqueeze(1)).all(2)
    stored = torch.arange(past.cues.shape[1]) < past.stored.unsqueeze(1)
    return past.features, past.targets, (same & stored).float()


# How they become a model


class Truth:
    """The physics itself: a reference that no agent has."""

    def __init__(self, lives, steps):
        self.lives, self.rooms = lives, lives.walk.repeat_interleave(steps, 1)

    def fit(self, past, cue):
        physics = self.lives.in_room(self.rooms[:, int(past.stored[0])])
        gravity, motor, friction, wind = (values.unsqueeze(1) for values in physics)

        def predict(features):
            _, sine, speed, torque = features.unbind(-1)
            change = gravity * sine + motor * torque + wind - friction * 4 * speed
            return pendulum.TARGET_SCALE * pendulum.SECONDS * change

        return predict


def right_features(features):
    """sin(angle), speed, torque and 1: all that the true change of speed is made of."""
    return torch.cat([features[..., 1:], torch.ones_like(features[..., :1])], -1)


def random_features(features, count=100):
    """cos of `count` random projections and 1: features that nobody chose."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 1.0, 1.0, 0.5]).unsqueeze(1)
    directions = 0.7 * scale * torch.randn(4, count, generator=generator)
    waves = torch.cos(features @ directions + 2 * math.pi * torch.rand(count, generator=generator))
    return torch.cat([waves * (2 / count) ** 0.5, torch.ones_like(features[..., :1])], -1)


class LeastSquares:
    """Least squares on given features, drawn towards what fits all lives of the training draws together."""

    def __init__(self, choose, train, basis=right_features, penalty=0.1):
        self.choose, self.basis, self.penalty = choose, basis, penalty
        x, y = basis(train.features).flatten(0, 1), train.targets.flatten(0, 1)
        self.common = ridge(x, y, 1e-3 * len(x) ** 0.5)

    def fit(self, past, cue):
        features, targets, weights = self.choose(past, cue)
        x = self.basis(features)
        moved = ridge(x, targets - x @ self.common, self.penalty, weights)
        return lambda features: (self.basis(features) @ (self.common + moved)).squeeze(-1)


def weighted_loss(prediction, y):
    """Squared error of one task, each row with its weight, the second column of y; little weight moves little."""
    target, weight = y.unsqueeze(-1).unbind(-2)
    return (weight * (prediction - target).square()).sum() / (weight.sum() + 1)


def network(inputs=4, width=WIDTH):
    """Two hidden layers, one number out."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
    )


def tasks(lives, choose, generator):
    """One task a life for a meta-learner, at a random moment: x (B, K + 10, 4) and y (B, K + 10, 2) with weights."""
    moments = torch.randint(lives.rooms.shape[1], (len(lives.rooms),), generator=generator)
    past = rooms.past_of(lives, moments)
    support = choose(past, lives.cues[torch.arange(len(moments)), moments])
    x, y, weights = (torch.cat(pair, 1) for pair in zip(support, rooms.questions(lives, moments, HORIZON), strict=True))
    return x, torch.cat([y, weights.unsqueeze(-1)], -1)


class Adapting:
    """Meta-learning: a start from which three steps on the chosen transitions give a model (Meta-SGD)."""

    def __init__(self, choose, k, schedule, seed, replay=0, fresh=48, lr=3e-3):
        torch.manual_seed(seed)
        self.choose, self.generator = choose, torch.Generator().manual_seed(seed)
        model = network()
        self.meta = MetaLearner(model, weighted_loss, inner_lr=0.05, num_steps=3, method="meta-sgd")
        self.agent = ContinualLearningAgent(
            model, ExperienceReplay(replay, "reservoir", seed=seed) if replay else None, self.meta, lr=lr,
            replay_batch_size=fresh, support_size=k, schedule=schedule, seed=seed,
        )  # fmt: skip

    def learn(self, lives):
        return self.agent.train_step(*tasks(lives, self.choose, self.generator))

    @torch.no_grad()
    def fit(self, past, cue):
        x, y, weights = self.choose(past, cue)
        adapted = self.meta.adapt_tasks(x, torch.cat([y, weights.unsqueeze(-1)], -1))
        return lambda features: self.meta.predict_tasks(adapted, features).detach().squeeze(-1)


class Trained(nn.Module):
    """What the networks below share: Adam on `loss(lives)`."""

    def start(self, schedule, seed, lr=3e-3):
        self.generator, self.steps, self.schedule, self.lr = torch.Generator().manual_seed(seed), 0, schedule, lr
        self.optimiser = torch.optim.Adam(self.parameters(), lr)
        return self

    def learn(self, lives):
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr * self.schedule(self.steps)
        self.steps += 1
        loss = self.loss(lives)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.optimiser.step()
        return float(loss.detach())

    def moments(self, lives):
        return torch.randint(lives.rooms.shape[1], (len(lives.rooms),), generator=self.generator)


class Solving(Trained):
    """Learned features, and ridge regression on the chosen transitions for the last layer."""

    def __init__(self, choose, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.choose = choose
        self.body, self.head = network()[:-1], nn.Linear(WIDTH, 1)
        self.log_penalty = nn.Parameter(torch.zeros(()))

    def predictor(self, features, targets, weights):
        hidden = self.body(features)
        hidden = torch.cat([hidden, torch.ones_like(hidden[..., :1])], -1)
        common = torch.cat([self.head.weight, self.head.bias.unsqueeze(1)], 1).mT
        moved = ridge(hidden, targets - hidden @ common, self.log_penalty.exp(), weights)

        def predict(features):
            hidden = self.body(features)
            return (hidden @ (common + moved)[..., :-1, :] + (common + moved)[..., -1:, :]).squeeze(-1)

        return predict

    def loss(self, lives):
        moments = self.moments(lives)
        past = rooms.past_of(lives, moments)
        predict = self.predictor(*self.choose(past, lives.cues[torch.arange(len(moments)), moments]))
        return _asked(predict, lives, moments)

    @torch.no_grad()
    def fit(self, past, cue):
        return torch.no_grad()(self.predictor(*self.choose(past, cue)))


class Recurrent(Trained):
    """An LSTM over all that was lived, answers and cues in its input; its state tells a network what to predict."""

    def __init__(self, seed, bits=6):
        super().__init__()
        torch.manual_seed(seed)
        self.lstm = nn.LSTM(5 + 2 * bits, WIDE, batch_first=True)
        self.head = network(4 + WIDE, WIDE)

    def contexts(self, features, targets, cues):
        """The state at each step, before its transition is seen: (B, T, WIDE)."""
        lived = torch.cat([features, targets, cues], -1)
        before = F.pad(lived, (0, 0, 1, 0))[:, :-1]
        return self.lstm(torch.cat([before, cues], -1))[0]

    def predictor(self, context):
        def predict(features):
            told = context.unsqueeze(1).expand(*features.shape[:2], -1)
            return self.head(torch.cat([features, told], -1)).squeeze(-1)

        return predict

    def loss(self, lives):
        contexts = self.contexts(lives.features, lives.targets, lives.cues)
        losses = []
        for _ in range(8):
            moments = self.moments(lives)
            losses.append(_asked(self.predictor(contexts[torch.arange(len(moments)), moments]), lives, moments))
        return torch.stack(losses).mean()

    @torch.no_grad()
    def fit(self, past, cue):
        now = int(past.stored[0]) + 1
        contexts = self.contexts(past.features[:, :now], past.targets[:, :now], past.cues[:, :now])
        return torch.no_grad()(self.predictor(contexts[:, -1]))


class Attending(Trained):
    """Attention over all that was lived: the cue asks, transitions answer, and a network predicts from the mean."""

    HEADS, SIZE, MOMENTS = 4, 32, 4

    def __init__(self, seed, bits=6):
        super().__init__()
        torch.manual_seed(seed)
        inner = self.HEADS * self.SIZE
        self.code = nn.Sequential(nn.Linear(5 + bits, inner), nn.ReLU(), nn.Linear(inner, inner))
        self.key, self.query = nn.Linear(bits, inner), nn.Linear(bits, inner)
        self.nothing = nn.Parameter(torch.zeros(1, 1, 5 + bits))  # to attend to where nothing fits
        self.head = network(4 + inner, WIDE)

    def contexts(self, past, cues, stored):
        """What M questions (B, M, W), each asked when `stored` (B, M) were lived, are told: (B, M, HEADS · SIZE)."""
        lived = torch.cat([past.features, past.targets, past.cues], -1)
        lived = torch.cat([self.nothing.expand(len(lived), -1, -1), lived], 1)
        mask = (torch.arange(lived.shape[1]) <= stored.unsqueeze(-1)).unsqueeze(1)  # (B, 1, M, N)
        split = partial(torch.unflatten, dim=-1, sizes=(self.HEADS, self.SIZE))
        parts = self.query(cues), self.key(lived[..., 5:]), self.code(lived)
        told = F.scaled_dot_product_attention(*(split(part).transpose(1, 2) for part in parts), attn_mask=mask)
        return told.transpose(1, 2).flatten(2)

    predictor = Recurrent.predictor

    def loss(self, lives):
        moments = torch.stack([self.moments(lives) for _ in range(self.MOMENTS)], 1)
        rows = torch.arange(len(moments))
        contexts = self.contexts(lives, lives.cues[rows.unsqueeze(1), moments], moments)
        asked = [
            _asked(self.predictor(contexts[:, number]), lives, moments[:, number]) for number in range(self.MOMENTS)
        ]
        return torch.stack(asked).mean()

    @torch.no_grad()
    def fit(self, past, cue):
        now = int(past.stored[0])
        past = Past(past.features[:, :now], past.targets[:, :now], past.cues[:, :now], past.stored)
        return torch.no_grad()(self.predictor(self.contexts(past, cue.unsqueeze(1), past.stored.unsqueeze(1))[:, 0]))


class Fixed(Trained):
    """No adaptation: one network for all rooms."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.head = network()

    def loss(self, lives):
        return (self.head(lives.features) - lives.targets).square().mean()

    @torch.no_grad()
    def fit(self, past, cue):
        return torch.no_grad()(lambda features: self.head(features).squeeze(-1))


def _asked(predict, lives, moments):
    """Mean squared error on what is asked at the moments."""
    features, targets, weights = rooms.questions(lives, moments, HORIZON)
    errors = (predict(features) - targets.squeeze(-1)).square()
    return (weights * errors).sum() / weights.sum()
