"""What labels and scores of a run were like, as far as that hints at a mistake in how they are read."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from napari_exactile.run.task.decision import Decision, Labelled


class Seen:
    """Looks at the results of zones until they have shown what is usual; costs next to nothing afterwards.

    It belongs to the thread of a run.
    """

    def __init__(self, decision: Decision) -> None:
        self._decision, self._label = decision, -1
        self._several, self._logits = not decision.labels, not decision.reads_logits
        self.zones = 0

    def look(self, scores: torch.Tensor, result: Labelled) -> None:
        """Take in the scores (1, channels, *spatial) of a zone, and what was made of them."""
        self.zones += 1
        if not self._several and result.labels is not None:
            low, high = (int(one) for one in result.labels.aminmax())
            self._several = low != high or self._label not in {-1, low}
            self._label = low
        if not self._logits:
            least, most = (float(one) for one in scores.aminmax())
            self._logits = least < 0 or most > 1 or not self._decision.like_probabilities(scores)

    def warnings(self, names: tuple[str, ...]) -> Iterator[str]:
        """Yield what is odd about all that was seen; labels have these names."""
        if not self.zones:
            return
        if not self._logits:
            yield self._decision.doubt
        if not self._several:
            name = f" ({names[self._label]})" if self._label < len(names) else ""
            yield f"all pixels have the same label, {self._label}{name}"
