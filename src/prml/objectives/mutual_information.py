"""Estimators of I(Y; S), label and support feature (paper eq. 5 to 7, appendix E), behind one interface.

The paper names no estimator. All of these take tokens: labels y (B, T, J, c) and support features s (B, T, J, D). They
estimate I(Y_j; S_j) for every joint j separately and report the mean over joints in nats, so what the joint's index
alone says about the label does not count. A joint with a constant label (the root of root-relative labels) carries no
information and is excluded; the others keep their weight 1 / J in the loss. Labels are standardised by a running
Gaussian per joint, which does not change mutual information. Tokens whose label is not known (``known``) count nowhere.

====================  ==========================================================================================
``variational``       H(Y) - E[-log q(y|s)], q Gaussian (Barber & Agakov 2003): a lower bound of I when Y is Gaussian;
                      otherwise H(Y) is over-estimated by Y's negentropy, a constant that no gradient sees.
``infonce``           log n + E[log softmax f(y, s)] (van den Oord et al. 2018): a lower bound, never above log n.
``jsd``               Jensen-Shannon divergence of p(y, s) and p(y) p(s) (Deep InfoMax, Hjelm et al. 2019), in
                      [0, log 2]: another divergence, zero at independence, growing with the dependence. Not I itself.
``conditional``       I(Y; S) - I(S; B) (eq. 6), variational minus InfoNCE, which the paper found not to converge.
====================  ==========================================================================================
"""

import math
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

Kind = Literal["variational", "infonce", "jsd", "conditional"]
LOG_2_PI_E = math.log(2 * math.pi * math.e)
MIN_VARIANCE = 1e-8  # of a label that moves; the label is in metres: a standard deviation of 0.1 mm
LOWEST_LOG_VARIANCE = -10.0  # of a standardised label: a standard deviation of 0.7 % of the label's own


class MIResult(NamedTuple):
    """An estimate to report (nats per joint, no gradient) and a loss to minimise (scalars)."""

    estimate_nats: Tensor
    loss: Tensor


class GaussianMarginal(nn.Module):
    """Running mean and covariance of the label, per joint: exact over the first batches, then an exponential average.

    Args:
        joints: J.
        c: label channels.
        momentum: least weight of a new batch.
    """

    mean: Tensor
    covariance: Tensor
    updates: Tensor

    def __init__(self, *, joints: int, c: int, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(joints, c))
        self.register_buffer("covariance", torch.eye(c).repeat(joints, 1, 1))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, y: Float[Tensor, "n J c"], known: Bool[Tensor, "n J"] | None = None) -> None:
        """Update with a batch; a joint without a known label in it stays as it is."""
        weight = (1.0 / (self.updates + 1)).clamp(min=self.momentum)
        counts: Tensor | int
        if known is None:
            mean, counts = y.mean(0), len(y)
            centred = y - mean
        else:
            given = known.to(y.dtype)[..., None]
            counts = given.sum(0).clamp(min=1)
            mean = (y * given).sum(0) / counts
            centred, counts = (y - mean) * given, counts[..., None]
            weight = torch.where(known.any(0), weight, 0.0)[:, None]
        shift = mean - self.mean
        within = torch.einsum("njc,njd->jcd", centred, centred) / counts
        whole = weight if known is None else weight[..., None]
        between = whole * torch.einsum("jc,jd->jcd", shift, shift)
        # law of total variance of the mixture (1 - weight) old + weight new
        self.covariance.copy_((1 - whole) * (self.covariance + between) + whole * within)
        self.mean.add_(weight * shift)
        self.updates.add_(1)

    def std(self) -> Float[Tensor, "J c"]:
        """Standard deviation; the constant root joint gets a floor instead of zero."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).clamp(min=MIN_VARIANCE).sqrt()

    def moves(self) -> Bool[Tensor, "J"]:
        """Joints whose label varies in all its channels; the others carry no information."""
        varies: Tensor = self.covariance.diagonal(dim1=-2, dim2=-1) > MIN_VARIANCE
        return varies.all(-1)

    def standardise(self, y: Float[Tensor, "n J c"]) -> Float[Tensor, "n J c"]:
        """Zero mean and unit variance per joint and channel."""
        standard: Tensor = (y - self.mean) / self.std()
        return standard

    def entropy(self) -> Float[Tensor, "J"]:
        """Differential entropy of the standardised label, nats."""
        std = self.std()
        correlation = self.covariance / (std[:, :, None] * std[:, None, :])
        c = std.shape[-1]
        # a label that does not move has no correlation to speak of; the diagonal is one by construction
        eye = torch.eye(c, device=std.device)
        correlation = torch.where(eye.bool(), eye, correlation.clamp(-0.99999, 0.99999))
        entropy: Tensor = 0.5 * (torch.linalg.slogdet(correlation)[1] + c * LOG_2_PI_E)
        return entropy


class MutualInformation(nn.Module):
    """Base of the estimators.

    Args:
        c: label channels, 2 for Y_2D and 1 for Y_D.
        support_width: D.
        joints: J.
    """

    def __init__(self, *, c: int, support_width: int, joints: int = 17) -> None:
        super().__init__()
        self.c, self.support_width = c, support_width
        self.marginal = GaussianMarginal(joints=joints, c=c)

    def forward(
        self,
        y: Float[Tensor, "B T J c"],
        s: Float[Tensor, "B T J D"],
        bias: Float[Tensor, "t J C"] | None = None,
        known: Bool[Tensor, "B J"] | None = None,
    ) -> MIResult:
        """Estimate and loss, in float32 even under autocast; ``bias`` (at least T frames) only for ``conditional``.

        In training mode the label's running marginal is updated. ``known`` marks the joints of each window that have a
        label; None if all have.
        """
        frames = y.shape[1]
        with torch.autocast(y.device.type, enabled=False):
            y, s = y.float().flatten(0, 1), s.float().flatten(0, 1)
            tokens = None if known is None else known.repeat_interleave(frames, 0)
            if self.training:
                self.marginal.update(y, tokens)
            z = self.marginal.standardise(y)
            return self._estimate(z, s, None if bias is None else bias.float()[:frames], tokens)

    def _estimate(
        self,
        z: Float[Tensor, "n J c"],
        s: Float[Tensor, "n J D"],
        bias: Float[Tensor, "T J C"] | None,
        known: Bool[Tensor, "n J"] | None,
    ) -> MIResult:
        raise NotImplementedError

    def _over_joints(self, values: Float[Tensor, "J"], known: Bool[Tensor, "n J"] | None = None) -> MIResult:
        """The mean over the joints that move, and a loss in which each of J has the same weight, whoever else moves."""
        moves = self.marginal.moves()
        if known is not None:
            moves = moves & known.any(0)
        total = torch.where(moves, values, 0.0).sum()
        return MIResult(total.detach() / moves.sum().clamp(min=1), -total / len(moves))


class VariationalMI(MutualInformation):
    """Barber-Agakov bound with q(y|s) = N(mu(s), diag sigma(s)^2); mu and sigma come from one hidden layer.

    Args:
        hidden: width of the hidden layer; None for half of ``support_width``, 0 for a linear map.
    """

    def __init__(self, *, c: int, support_width: int, joints: int = 17, hidden: int | None = None) -> None:
        super().__init__(c=c, support_width=support_width, joints=joints)
        hidden = support_width // 2 if hidden is None else hidden
        layers = (nn.Linear(support_width, hidden), nn.GELU()) if hidden else ()
        self.head = nn.Sequential(*layers, nn.Linear(hidden or support_width, 2 * c))
        nn.init.zeros_(self.head[-1].weight)  # type: ignore[arg-type]  # start at q(y|s) = p(y): an estimate of zero
        nn.init.zeros_(self.head[-1].bias)  # type: ignore[arg-type]

    def _moments(self, s: Float[Tensor, "*n D"]) -> tuple[Float[Tensor, "*n c"], Float[Tensor, "*n c"]]:
        mean, raw = self.head(s).chunk(2, -1)
        # a soft floor: identity well above it, and a gradient everywhere; exactly zero at zero
        log_variance = F.softplus(raw - LOWEST_LOG_VARIANCE) + LOWEST_LOG_VARIANCE
        return mean, log_variance

    def _estimate(self, z: Tensor, s: Tensor, bias: Tensor | None, known: Tensor | None) -> MIResult:
        mean, log_variance = self._moments(s)
        surprise = 0.5 * (math.log(2 * math.pi) + log_variance + (z - mean).square() * torch.exp(-log_variance))
        return self._over_joints(self.marginal.entropy() - _mean_over_tokens(surprise.sum(-1), known), known)

    def std(self, s: Float[Tensor, "B T J D"]) -> Float[Tensor, "B T J c"]:
        """Standard deviation of the label given the support, in the label's unit (metres)."""
        with torch.autocast(s.device.type, enabled=False):
            return torch.exp(0.5 * self._moments(s.float())[1]) * self.marginal.std()

    def mean(self, s: Float[Tensor, "B T J D"]) -> Float[Tensor, "B T J c"]:
        """Mean of q(y|s), in the label's unit (metres)."""
        with torch.autocast(s.device.type, enabled=False):
            return self._moments(s.float())[0] * self.marginal.std() + self.marginal.mean


class Critic(nn.Module):
    """Scores f(y_a, s_b) of every pair among n tokens of a joint: a product of two embeddings."""

    def __init__(self, *, y_width: int, s_width: int, joints: int, hidden: int = 64, embedding: int = 32) -> None:
        super().__init__()
        self.joint = nn.Parameter(torch.zeros(joints, hidden))
        self.y_in = nn.Linear(y_width, hidden)
        self.y_out = nn.Sequential(nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, embedding))
        self.s_net = nn.Sequential(
            nn.Linear(s_width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, embedding)
        )

    def forward(self, y: Float[Tensor, "n J c"], s: Float[Tensor, "n J D"]) -> Float[Tensor, "J n n"]:
        """Entry (j, a, b) is the score of y_a with s_b."""
        left = self.y_out(self.y_in(y) + self.joint)
        scores: Tensor = torch.einsum("aje,bje->jab", left, self.s_net(s)) / math.sqrt(left.shape[-1])
        return scores


class CriticMI(MutualInformation):
    """Base of the estimators with a critic, which sees at most ``tokens`` frames of the batch, evenly spread.

    The choice is stateless (it steps on with the number of updates), so a resumed run continues undisturbed.
    """

    def __init__(self, *, c: int, support_width: int, joints: int = 17, tokens: int = 128) -> None:
        super().__init__(c=c, support_width=support_width, joints=joints)
        self.tokens = tokens
        self.critic = Critic(y_width=c, s_width=support_width, joints=joints)

    def _scores(
        self, z: Tensor, s: Tensor, known: Tensor | None
    ) -> tuple[Float[Tensor, "J n n"], Bool[Tensor, "n J"] | None]:
        """Scores of the chosen tokens, and which of these are known."""
        chosen = spread(len(z), self.tokens, self.marginal.updates)
        scores: Tensor = self.critic(z[chosen], s[chosen])
        return scores, None if known is None else known[chosen]


def spread(total: int, tokens: int, phase: Tensor) -> Tensor:
    """Indices of min(total, tokens) distinct entries, evenly spread, the first at ``phase`` (modulo ``total``).

    The step is coprime with ``total`` (a multiple of T), so every frame of the window is used, and near the golden
    section of it, so any run of entries is spread out.
    """
    step = max(1, round(total * 0.618))
    while math.gcd(step, total) > 1:
        step += 1
    return (torch.arange(min(total, tokens), device=phase.device) * step + phase) % total


def _mean_over_tokens(values: Float[Tensor, "n J"], known: Bool[Tensor, "n J"] | None) -> Float[Tensor, "J"]:
    """Mean over the known tokens of each joint; zero for a joint without any."""
    if known is None:
        return values.mean(0)
    weights = known.to(values.dtype)
    return (values * weights).sum(0) / weights.sum(0).clamp(min=1)


def infonce(scores: Float[Tensor, "J n n"], known: Bool[Tensor, "n J"] | None = None) -> Float[Tensor, "J"]:
    """Log n + mean log softmax of the matched pairs of every joint, nats; both directions, among known tokens."""
    matched = scores.diagonal(dim1=-2, dim2=-1)
    if known is None:
        log_n: Tensor | float = math.log(scores.shape[-1])
    else:
        theirs = known.T
        log_n = theirs.sum(-1).clamp(min=1).log()
        pairs = theirs[:, :, None] & theirs[:, None, :]
        # large and finite: a row without any known pair must not become infinity minus infinity
        scores = scores.masked_fill(~pairs, -1e9)
    rows, columns = scores.logsumexp(-1), scores.logsumexp(-2)
    return log_n + _mean_over_tokens((matched - 0.5 * (rows + columns)).T, known)


class InfoNceMI(CriticMI):
    """InfoNCE with the other frames of the same joint as negatives."""

    def _estimate(self, z: Tensor, s: Tensor, bias: Tensor | None, known: Tensor | None) -> MIResult:
        scores, chosen = self._scores(z, s, known)
        return self._over_joints(infonce(scores, chosen), chosen)


class JsdMI(CriticMI):
    """Jensen-Shannon divergence of the joint and the product of marginals (its variational lower bound), in nats."""

    def _estimate(self, z: Tensor, s: Tensor, bias: Tensor | None, known: Tensor | None) -> MIResult:
        scores, chosen = self._scores(z, s, known)
        n = scores.shape[-1]
        off = F.softplus(scores).masked_fill(torch.eye(n, dtype=torch.bool, device=scores.device), 0.0)
        count: Tensor | int = n
        if chosen is not None:
            theirs, count = chosen.T, chosen.sum(0)
            off = off.masked_fill(~(theirs[:, :, None] & theirs[:, None, :]), 0.0)
        pairs = torch.as_tensor(count * (count - 1), device=scores.device).clamp(min=1)
        matched = _mean_over_tokens(-F.softplus(-scores.diagonal(dim1=-2, dim2=-1)).T, chosen)
        bound = self._over_joints(matched - off.sum((-2, -1)) / pairs, chosen)
        return MIResult(bound.estimate_nats / 2 + math.log(2.0), bound.loss)


class _Reverse(torch.autograd.Function):
    """Identity with a reversed gradient: the critic ascends while its input descends."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


def _reverse(x: Tensor) -> Tensor:
    reversed_: Tensor = _Reverse.apply(x)  # type: ignore[no-untyped-call]
    return reversed_


class ConditionalMI(VariationalMI):
    """I(Y; S) - I(S; B) (eq. 6): the variational bound, minus an InfoNCE estimate of what S says about its bias.

    The critic of the second term is trained to find I(S; B), support and bias to lessen it.
    """

    def __init__(
        self,
        *,
        c: int,
        support_width: int,
        bias_width: int,
        joints: int = 17,
        hidden: int | None = None,
        tokens: int = 128,
    ) -> None:
        super().__init__(c=c, support_width=support_width, joints=joints, hidden=hidden)
        self.tokens = tokens
        self.critic = Critic(y_width=bias_width, s_width=support_width, joints=joints)

    def _estimate(self, z: Tensor, s: Tensor, bias: Tensor | None, known: Tensor | None) -> MIResult:
        if bias is None:
            raise ValueError("the conditional estimator needs the task bias B (frames, joints, channels), got none")
        first = super()._estimate(z, s, None, known)
        chosen = spread(len(s), self.tokens, self.marginal.updates)
        b = bias[chosen % len(bias)]  # tokens are batch-major: the remainder is the frame
        second = self._over_joints(infonce(self.critic(_reverse(b), _reverse(s[chosen]))))
        # the value is -I(Y;S) + I(S;B); the gradient of -I(S;B) trains the critic, reversed it reaches S and B
        loss = first.loss + second.loss - 2 * second.loss.detach()
        return MIResult(first.estimate_nats - second.estimate_nats, loss)


def build_mi(
    kind: Kind,
    *,
    c: int,
    support_width: int,
    joints: int = 17,
    bias_width: int | None = None,
    tokens: int = 128,
    hidden: int | None = None,
) -> MutualInformation:
    """An estimator by name.

    Args:
        kind: which.
        c: label channels, 2 for Y_2D and 1 for Y_D.
        support_width: D, channels of the support.
        joints: J.
        bias_width: channels of B, for ``conditional``; None for half of ``support_width``, as S = F_S ++ B has it.
        tokens: maximum number of frames that a critic compares; bounds the cost, and ``infonce`` by its logarithm.
        hidden: hidden width of the variational head; None for half of ``support_width``, 0 for linear.

    Raises:
        ValueError: unknown kind.
    """
    common = {"c": c, "support_width": support_width, "joints": joints}
    if kind == "variational":
        return VariationalMI(**common, hidden=hidden)
    if kind == "infonce":
        return InfoNceMI(**common, tokens=tokens)
    if kind == "jsd":
        return JsdMI(**common, tokens=tokens)
    if kind == "conditional":
        width = support_width // 2 if bias_width is None else bias_width
        return ConditionalMI(**common, bias_width=width, hidden=hidden, tokens=tokens)
    raise ValueError(f"unknown mutual information estimator {kind!r}; known are variational, infonce, jsd, conditional")
