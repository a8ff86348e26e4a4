"""Three unseen digits from five examples each: rules, meta-learning and closed forms (chapter 5).

    python -m book.experiments.few_shot_digits    all splits that are not stored yet: book/results/few_shot_digits.json

A split draws four classes to train on, three to choose step sizes and penalties by, and three to test on. Stored is the
accuracy of each method on 200 test tasks, of ten query images a class. Every learner has UPDATES updates of eight
tasks; "turned" ones see their training classes turned by quarters, each of them a class of its own. Under a minute of
one core.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from book.experiments.common import complete, processor_seconds
from neuralmem import MetaLearner
from neuralmem.closed_form import nearest_prototype_logits, prototypes, ridge
from neuralmem.training import train_meta
from neuralmem.worlds import split_generator
from neuralmem.worlds.digits import digit_tasks, digits

SPLITS, WAYS, SHOTS, QUERY = 10, 3, 5, 10
UPDATES, LEARNING_RATE = 150, 3e-3
STEPS, RATES, PENALTIES = 20, (0.03, 0.1, 0.3, 1.0), (0.1, 1.0, 10.0)


def digit_body(seed):
    """Two hidden layers of 64 rectified linear units."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())


def with_one(values):
    """A last column of ones, for an intercept."""
    return F.pad(values, (0, 1), value=1.0)


def centroid_logits(body, support_x, support_y, query_x):
    """Minus the squared distances of the query features to the class means: (K, m, WAYS)."""
    return nearest_prototype_logits(body(query_x), prototypes(body(support_x), support_y, WAYS))


def ridge_logits(body, support_x, support_y, query_x, penalty=1.0):
    """Answers of a last layer that is solved for the labels, times 10 as logits: (K, m, WAYS)."""
    layer = ridge(with_one(body(support_x)), F.one_hot(support_y, WAYS).float(), penalty)
    return 10 * with_one(body(query_x)) @ layer


def accuracy(logits, labels):
    """The share of query images whose largest logit is that of their class."""
    return float((logits.argmax(-1) == labels).float().mean())


def judged(logits, body, sets, **settings):
    """The accuracy of a closed form on tasks."""
    with torch.no_grad():
        return accuracy(logits(body, *sets[:3], **settings), sets[3])


def descend(parameters, loss, updates=UPDATES):
    """Adam on loss(), a function that draws its own data."""
    optimiser = torch.optim.Adam(parameters, LEARNING_RATE)
    for _ in range(updates):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def train_body(logits, draw, seed):
    """Features for which `logits`, given the support set, is right on the query set."""
    body, generator = digit_body(seed), split_generator("train", seed)

    def loss():
        support_x, support_y, query_x, query_y = draw(generator)
        return F.cross_entropy(logits(body, support_x, support_y, query_x).flatten(0, 1), query_y.flatten())

    descend(body.parameters(), loss)
    return body


def pretrained_body(classes, seed):
    """The layers of a network that was trained to tell single images of the training classes apart."""
    images, labels = (torch.cat(parts) for parts in zip(*digits(), strict=True))
    chosen = torch.isin(labels, torch.tensor(classes))
    images, labels = images[chosen], labels[chosen]
    model, generator = nn.Sequential(*digit_body(seed), nn.Linear(64, 10)), split_generator("train", seed)

    def loss():
        batch = torch.randint(len(images), (64,), generator=generator)
        return F.cross_entropy(model(images[batch]), labels[batch])

    descend(model.parameters(), loss, 500)
    return model[:-1]


@torch.no_grad()
def after_steps(meta, sets, rate):
    """Accuracy on the query sets after STEPS steps of the inner loop."""
    adapted = meta.adapt_tasks(*sets[:2], num_steps=STEPS, lr=rate)
    return accuracy(meta.predict_tasks(adapted, sets[2]), sets[3])


def fine_tuned(body, seed, validation, test, draw=None):
    """Test accuracy of a body with a new last layer at the best rate, after meta-training where `draw` is given."""
    torch.manual_seed(seed)
    meta = MetaLearner(nn.Sequential(*body, nn.Linear(64, WAYS)), F.cross_entropy, inner_lr=0.3)
    if draw is not None:
        train_meta(meta, draw, UPDATES, split_generator("train", seed), lr=LEARNING_RATE)
    best = max(RATES, key=lambda rate: after_steps(meta, validation, rate))
    return after_steps(meta, test, best)


def split_of(seed):
    """The classes of a split: (to train on, to choose by, to test on)."""
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed)).tolist()
    return order[:4], order[4:7], order[7:]


def _draw(classes, turned, generator):
    """Eight training tasks."""
    return digit_tasks(8, SHOTS, QUERY, classes, generator, turned=turned)


def measure(seed):
    """{method: test accuracy} of one split."""
    classes, choosing, unseen = split_of(seed)
    validation = digit_tasks(60, SHOTS, QUERY, choosing, split_generator("train", 1000 + seed))
    test = digit_tasks(200, SHOTS, QUERY, unseen, split_generator("test", seed))
    pixels, layers = nn.Identity(), pretrained_body(classes, seed)
    near = torch.cdist(test[2], test[0]).argmin(-1)
    penalty = max(PENALTIES, key=lambda value: judged(ridge_logits, pixels, validation, penalty=value))
    found = {
        "nearest centroid": judged(centroid_logits, pixels, test),
        "nearest neighbour": float((test[1].gather(1, near) == test[3]).float().mean()),
        "ridge on pixels": judged(ridge_logits, pixels, test, penalty=penalty),
        "centroid, pretrained layer 1": judged(centroid_logits, layers[:2], test),
        "centroid, pretrained layer 2": judged(centroid_logits, layers, test),
        "from scratch, 20 steps": fine_tuned(digit_body(seed), seed, validation, test),
        "pretrained, 20 steps": fine_tuned(layers, seed, validation, test),
    }
    for ending, turned in (("", False), (", turned", True)):
        draw = partial(_draw, classes, turned)
        found["MAML" + ending] = fine_tuned(digit_body(seed), seed, validation, test, draw)
        for name, logits in (("prototypical network", centroid_logits), ("ridge head", ridge_logits)):
            found[name + ending] = judged(logits, train_body(logits, draw, seed), test)
    return found


def run(seed):
    """One split, and its seconds of the processor."""
    torch.set_num_threads(1)
    found, seconds = processor_seconds(measure, seed)
    return {"seconds": round(seconds, 1), "accuracy": found}


if __name__ == "__main__":
    plan = [{"seed": seed} for seed in range(SPLITS)]
    complete("few_shot_digits", plan, run, command="python -m book.experiments.few_shot_digits", updates=UPDATES)
