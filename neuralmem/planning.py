"""What to do: planning with a model by weighing random plans (chapter 6)."""

from collections.abc import Callable

import torch

from ._validate import positive_int, real, shaped

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A model or a cost: of states (B, C, S) and actions (B, C)."""


class Planner:
    """Model predictive path integral control, one pass a step: a weighted mean of many plans (Williams et al. 2017).

    Around the last plan, moved on by a step, `candidates` plans of `horizon` actions are drawn with noise of standard
    deviation `spread`, each number of which is held for `hold` steps; the last plan itself and three that hold 0 and
    the two limits are added. The model rolls all out, c_j is the cost of plan j with its last step counted
    `last_weight` times, and the new plan is

        sum_j softmax(-c / temperature)_j · plan_j,

    temperature being `sharpness` times the standard deviation of c over the plans of a row. Only its first action is
    for use. `model(state (B, C, S), action (B, C)) -> (B, C, S)` and `cost(state, action) -> (B, C)` see B rows with C
    plans each, so each row may have its own model. The planner keeps B plans and its generator; `reset` forgets the
    plans. Raises ValueError or TypeError naming the argument.
    """

    def __init__(
        self, limit: float, horizon: int = 15, candidates: int = 64, spread: float = 1.2, hold: int = 2,
        sharpness: float = 0.1, last_weight: float = 5.0, seed: int = 0,
    ) -> None:  # fmt: skip
        self.limit, self.horizon = real("limit", limit, low=0), positive_int("horizon", horizon)
        self.candidates, self.hold = positive_int("candidates", candidates), positive_int("hold", hold)
        self.spread, self.sharpness = real("spread", spread, low=0), real("sharpness", sharpness, low=0)
        self.last_weight = real("last_weight", last_weight, low=0)
        self.generator = torch.Generator().manual_seed(seed)
        self.plan: torch.Tensor | None = None

    def reset(self) -> None:
        """Forget the plans: the next one starts at 0, for any number of rows."""
        self.plan = None

    def act(self, model: Step, cost: Step, state: torch.Tensor) -> torch.Tensor:
        """The actions (B,) for the states (B, S), each within ±limit, after planning with `model` once."""
        shaped("state", state, "B S")
        if self.plan is None:
            self.plan = torch.zeros(len(state), self.horizon)
        elif len(self.plan) != len(state):
            raise ValueError(f"state must have {len(self.plan)} rows as the plans do (or call reset), got {len(state)}")
        plans = self._plans()  # (B, C, horizon)
        total = rollout_cost(model, cost, state, plans, self.last_weight)
        temperature = self.sharpness * total.std(1, keepdim=True).clamp_min(1e-6)
        weights = torch.softmax(-total / temperature, 1)  # (B, C)
        self.plan = (weights.unsqueeze(-1) * plans).sum(1)
        return self.plan[:, 0]

    def _plans(self):
        """The plans to try (B, C, horizon): noise around the last one moved on by a step, itself, 0, +limit, -limit."""
        moved = torch.cat([self.plan[:, 1:], torch.zeros_like(self.plan[:, :1])], 1).unsqueeze(1)
        blocks = -(-self.horizon // self.hold)
        noise = torch.randn(len(moved), self.candidates, blocks, generator=self.generator)
        noise = noise.repeat_interleave(self.hold, 2)[..., : self.horizon]
        held = torch.tensor([0.0, self.limit, -self.limit]).view(1, 3, 1).expand(len(moved), 3, self.horizon)
        return torch.cat([moved + self.spread * noise, moved, held], 1).clamp(-self.limit, self.limit)


def rollout_cost(
    model: Step, cost: Step, state: torch.Tensor, plans: torch.Tensor, last_weight: float = 1.0
) -> torch.Tensor:
    """What each plan (B, C, horizon) costs from the states (B, S), a (B, C): the sum of cost(state, action) on its way.

    The cost of a step is that of the action and of the state that it leads to; the last step's counts `last_weight`
    times. `model` and `cost` as in Planner. Raises ValueError where shapes do not fit.
    """
    shaped("state", state, "B S")
    shaped("plans", plans, "B C horizon", B=len(state))
    state = state.unsqueeze(1).expand(*plans.shape[:2], state.shape[-1])
    total = torch.zeros(plans.shape[:2])
    for number, action in enumerate(plans.unbind(-1), 1):
        state = model(state, action)
        total = total + cost(state, action) * (last_weight if number == plans.shape[-1] else 1.0)
    return total
