"""What a text tower costs, counted in multiplications: so many there are, however fast the machine.

Rests on the sizes alone that CLIP's configuration gives. Each multiplication comes with an addition: two operations (FLOP).
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import CLIPConfig

FLOP = 2  # operations in a product: a multiplication, and an addition to the sum


@dataclass(frozen=True)
class Products:
    """Multiplications on the way through a tower: of vectors with weights, and of vectors with one another in attention."""

    weights: int
    attention: int

    @property
    def forward(self) -> int:
        return self.weights + self.attention

    @property
    def forward_and_backward(self) -> int:
        """To the end, and with the gradient back to the vectors that came in.

        Back through frozen weights takes as many again, through attention twice as many, since both of its sides have a gradient.
        """
        return 2 * self.weights + 3 * self.attention


def text_tower_products(
    config: CLIPConfig, texts: int, length: int, shared: int = 0, only_end: bool = False
) -> Products:
    """What the features of so many texts cost, each `length` positions long.

    shared: so many positions are the same in all texts, and go through the tower once. only_end: the last layer is finished at the
    end of each text and nowhere else. Without the two it is the plain path, with both it is the fast one of `helpers.context`.
    """
    sizes = config.text_config
    width, wide, layers = sizes.hidden_size, sizes.intermediate_size, sizes.num_hidden_layers
    own = length - shared

    def layer(rows: int, positions: int, seen: int, finished: int) -> tuple[int, int]:
        """Rows of positions, of which each looks at as many as are seen; some of them go through the rest of the layer, too."""
        queries_keys_values = positions * 3 * width**2
        output_and_mlp = finished * (width**2 + 2 * width * wide)  # for all positions the two make 12 D²
        return rows * (queries_keys_values + output_and_mlp), rows * positions * seen * 2 * width

    parts = [
        *[layer(1, shared, shared, shared)] * (layers - 1),
        *[layer(texts, own, length, own)] * (layers - 1),
        layer(1, shared, shared, 0 if only_end else shared),
        layer(texts, own, length, 1 if only_end else own),
        (texts * width * config.projection_dim, 0),
    ]
    return Products(*(sum(part) for part in zip(*parts)))


def least_seconds(products: int, gflops: float) -> float:
    """How long so many products take a machine that does nothing else, at the rate of its own matrix product."""
    return products * FLOP / (gflops * 1e9)
