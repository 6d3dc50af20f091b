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
        (Shared positions take a little less: nobody reads what leaves their last layer, so no gradient comes back to it.)
        """
        return 2 * self.weights + 3 * self.attention


def text_tower_products(
    config: CLIPConfig, texts: int, length: int, shared: int = 0, only_end: bool = False
) -> Products:
    """What the features of so many texts cost, each `length` positions long.

    shared: so many positions are the same in all texts, and go through the tower once. only_end: the last layer is computed at the
    end of each text and nowhere else. Without the two it is the plain path, with both it is the fast one of `helpers.context`.
    """
    sizes = config.text_config
    width, wide, layers = sizes.hidden_size, sizes.intermediate_size, sizes.num_hidden_layers
    own = length - shared

    def layer(rows: int, positions: int, asking: int, seen: int) -> tuple[int, int]:
        """Rows of positions, of which some ask, each of them about as many as it can see."""
        keys_and_values = positions * 2 * width**2
        queries_output_and_mlp = asking * (2 * width**2 + 2 * width * wide)  # for all positions the two make 12 D²
        return rows * (keys_and_values + queries_output_and_mlp), rows * asking * seen * 2 * width

    parts = [
        *[layer(1, shared, shared, shared)] * layers,
        *[layer(texts, own, own, length)] * (layers - 1),
        layer(texts, own, 1 if only_end else own, length),
        (texts * width * config.projection_dim, 0),
    ]
    return Products(*(sum(part) for part in zip(*parts)))


def least_seconds(products: int, gflops: float) -> float:
    """How long so many products take a machine that does nothing else, at the rate of its own matrix product."""
    return products * FLOP / (gflops * 1e9)
