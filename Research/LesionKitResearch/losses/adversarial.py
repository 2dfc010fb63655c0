"""Adversarial losses: least squares for the translators, Wasserstein with gradient penalty for the mask GAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PENALTY = 10.0  # weight (Gulrajani et al. 2017, arXiv 1704.00028)


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Least squares (Mao et al. 2017, arXiv 1611.04076): real ones are to score 1, fake ones 0."""
    real = (real_scores - torch.ones_like(real_scores)).square().mean()
    fake = (fake_scores - torch.zeros_like(fake_scores)).square().mean()
    return (real + fake) / 2


def generator_loss(fake_scores: Tensor) -> Tensor:
    """Least squares: the generator wants its images to score 1."""
    return (fake_scores - torch.ones_like(fake_scores)).square().mean()


def with_instance_noise(images: Tensor, step: int, steps: int, strength: float = 0.2) -> Tensor:
    """Images with noise for the discriminator, less and less until half of the training (Soenderby et al. 2017)."""
    size = strength * max(0.0, 1 - 2 * step / steps)
    return images + size * torch.randn_like(images) if size else images


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, conditions: Tensor) -> Tensor:
    """Mean squared distance from 1 of the critic's gradient norm, between real and fake masks (without its weight).

    The norm is taken for each sample over all of its cells.
    """
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between, conditions).sum(), between, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and the Wasserstein estimate (real less fake score) that tells how training goes."""
    scores = critic(torch.cat([real, fake.detach()]), torch.cat([conditions, conditions]))
    distance = scores[: len(real)].mean() - scores[len(real) :].mean()
    return PENALTY * gradient_penalty(critic, real, fake, conditions) - distance, distance.detach()
