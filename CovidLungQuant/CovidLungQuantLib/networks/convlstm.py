"""The ConvLSTM network for pneumonia burden, after Grodecki, Killekar et al. 2021 (arXiv 2104.00138).

From the paper: a convolutional encoder sees each slice, a ConvLSTM (Shi et al. 2015, arXiv 1506.04214) carries context
along z, an attention head for "any lesion" gates the lesion head, and ground-glass and high opacity are segmented.
Ours differs in the encoder (EfficientNet-Lite0, light enough for a CPU), runs the ConvLSTM over encoder features (each
slice is encoded once) in both directions, adds a lung head, and splits high opacity into consolidation and pleural
effusion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from LesionKitLib.models.encoders.efficientnet_lite import EfficientNetLite0
from LesionKitLib.run.threads import SERIAL, Workers

from .heads import Heads

LESION_TYPES = 3  # ground glass, consolidation, pleural effusion
STRIDE = 32  # height and width of the input must be multiples of this
CHUNK = 8  # slices encoded and decoded together
LOOK_AHEAD = 8  # slices that the backward ConvLSTM sees beyond a chunk


class ConvLSTM(nn.Module):
    """A one-directional convolutional LSTM over a sequence of feature maps."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Conv2d(channels, 4 * hidden, 3, padding=1)
        self.from_state = nn.Conv2d(hidden, 4 * hidden, 3, padding=1, bias=False)
        with torch.no_grad():
            self.from_input.bias[hidden : 2 * hidden] = 1.0  # remember by default

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x: (t, n, c, h, w) -> outputs (t, n, hidden, h, w) and the last (output, cell)."""
        gates = self.from_input(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        outputs = []
        for step in gates:
            if state is not None:
                step = step + self.from_state(state[0])
            input_gate, forget_gate, output_gate, candidate = step.chunk(4, 1)
            cell = input_gate.sigmoid() * candidate.tanh()
            if state is not None:
                cell = cell + forget_gate.sigmoid() * state[1]
            state = (output_gate.sigmoid() * cell.tanh(), cell)
            outputs.append(state[0])
        return torch.stack(outputs), state


class Fuse(nn.Module):
    """Upsample the coarse features, join them with the finer ones, and mix (3x3 convolutions)."""

    def __init__(self, coarse: int, fine: int, channels: int, depth: int = 2):
        super().__init__()
        layers: list[nn.Module] = []
        width = coarse + fine
        for _ in range(depth):
            layers += [nn.Conv2d(width, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
            width = channels
        self.layers = nn.Sequential(*layers)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        # of one type: beside bfloat16 the float32 slice would make the whole joined map float32
        return self.layers(torch.cat([coarse, fine.to(coarse.dtype)], 1))


class ConvLSTMNet(nn.Module):
    """Slices in, logits out; see the module's docstring.

    width: channels at stride 16; hidden: channels of each ConvLSTM direction.
    """

    def __init__(self, width: int = 128, hidden: int = 48):
        super().__init__()
        self.encoder = EfficientNetLite0()
        c = self.encoder.channels
        self.deep = Fuse(c[32], c[16], width, depth=1)
        self.forwards = ConvLSTM(width, hidden)
        self.backwards = ConvLSTM(width, hidden)
        self.context = nn.Sequential(
            nn.Conv2d(width + 2 * hidden, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.up8 = Fuse(width, c[8], 96)
        self.up4 = Fuse(96, c[4], 64)
        self.up2 = Fuse(64, c[2], 32)
        self.up1 = Fuse(32, 2, 16, depth=1)
        self.attention = nn.Conv2d(16, 1, 1)
        self.kind = nn.Conv2d(16, LESION_TYPES, 1)
        self.lung = nn.Conv2d(16, 1, 1)

    def encode(self, x: Tensor) -> dict[int, Tensor]:
        """x: (n, 2, h, w), lung and soft-tissue window 0..1 -> features; key 1: the slice itself, 16: the deepest."""
        centered = 2 * x - 1
        features = self.encoder(centered[:, [0, 0, 1]])  # three colors, as the ImageNet weights expect
        features[16] = self.deep(features.pop(32), features[16])
        features[1] = centered
        return features

    def decode(self, features: dict[int, Tensor], before: Tensor, after: Tensor) -> Heads:
        """features of n slices and the two ConvLSTM outputs (n, hidden, h/16, w/16) -> logits."""
        x = self.context(torch.cat([features[16], before, after], 1))
        x = self.up8(x, features[8])
        x = self.up4(x, features[4])
        x = self.up2(x, features[2])
        x = self.up1(x, features[1])
        return Heads(self.attention(x), self.kind(x), self.lung(x))

    def forward(self, x: Tensor, lengths: list[int] | None = None) -> Heads:
        """x: (n, 2, h, w), sequences one after the other, each ordered along z; lengths: slices of each."""
        features = self.encode(x)
        deep = features[16]
        lengths = [len(x)] if lengths is None else lengths
        before, after = (torch.cat(parts) for parts in zip(*self._contexts(deep.split(lengths)), strict=True))
        return self.decode(features, before, after)

    def _contexts(self, sequences: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Sequences of the same length pass through the ConvLSTMs together."""
        sequences = list(sequences)
        results: list[tuple[Tensor, Tensor] | None] = [None] * len(sequences)
        for length in {len(s) for s in sequences}:
            which = [n for n, s in enumerate(sequences) if len(s) == length]
            stack = torch.stack([sequences[n] for n in which], 1)
            before, _ = self.forwards(stack)
            after, _ = self.backwards(stack.flip(0))
            after = after.flip(0)
            for column, n in enumerate(which):
                results[n] = (before[:, column], after[:, column])
        return results

    @torch.inference_mode()
    def stream(
        self,
        slices: Iterable[Tensor],
        encode: Callable[[Tensor], dict[int, Tensor]] | None = None,
        workers: Workers = SERIAL,
    ) -> Iterator[Heads]:
        """Yields logits, CHUNK slices at a time, for batches of slices in z order; each slice is encoded once.

        slices: tensors (n, 2, h, w). The forward ConvLSTM carries its state through the whole volume; the backward one
        starts LOOK_AHEAD slices beyond each chunk, so memory is bounded by the batches under way and CHUNK + LOOK_AHEAD
        slices whatever the length, and the result does not depend on the batch size. workers: encode and decode
        batches, and run the two ConvLSTMs, side by side.
        """
        encode = encode or self.encode
        waiting: list[dict[int, Tensor]] = []  # features of one slice each
        state, count = None, CHUNK
        for features in workers.map(encode, slices):
            length = len(features[16])
            count = min(CHUNK, length)
            waiting += [{s: f[n : n + 1] for s, f in features.items()} for n in range(length)]
            del features
            while len(waiting) >= CHUNK + LOOK_AHEAD:
                heads, state = self._finish(waiting, state, count, workers)
                del waiting[:CHUNK]
                yield heads
        while waiting:
            heads, state = self._finish(waiting, state, count, workers)
            del waiting[:CHUNK]
            yield heads

    def _finish(self, waiting: list[dict[int, Tensor]], state, count: int, workers: Workers):
        """Logits of the first CHUNK slices that wait, decoded ``count`` at a time."""
        deep = torch.cat([f[16] for f in waiting[: CHUNK + LOOK_AHEAD]])
        now = min(CHUNK, len(waiting))
        directions = [(self.forwards, deep[:now], state), (self.backwards, deep.flip(0), None)]
        (before, state), (after, _) = workers.map(lambda d: d[0](d[1].unsqueeze(1), d[2]), directions)
        after = after.flip(0)

        def decoded(chosen: slice) -> Heads:
            features = {s: torch.cat([f[s] for f in waiting[chosen]]) for s in waiting[0]}
            return self.decode(features, before[chosen, 0], after[chosen, 0])

        parts = workers.map(decoded, [slice(start, min(start + count, now)) for start in range(0, now, count)])
        return Heads(*(torch.cat(head) for head in zip(*parts, strict=True))), state
