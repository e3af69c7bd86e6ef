"""Chart builders by form: curves, bars, grids, scatter plots, distributions, the attention viewer.

All share the look of `mechscope.charts.theme`.
"""

from mechscope.charts.bars import (
    stacked_by_layer,
    waterfall,
)
from mechscope.charts.curves import (
    effect_curves,
    layer_curves,
    removal_curves,
    scan_by_layer,
    trade_off,
    training_curves,
    value_by_layer,
)
from mechscope.charts.distributions import (
    activation_histograms,
    cosine_densities,
    strip_plot,
)
from mechscope.charts.grids import (
    cosine_heatmap,
    head_map,
    lens_grid,
    loss_matrix,
    overlap_grid,
    patching_heatmap,
    pattern_grid,
    score_map,
    toy_grid,
)
from mechscope.charts.scatter import (
    approximation_scatter,
    sender_scatter,
    toy_plane,
    two_scores,
)
from mechscope.charts.theme import (
    DIVERGING,
    FAINT,
    NEUTRAL,
    PALETTE,
    WIDTH,
    themed,
)
from mechscope.charts.viewer import (
    QUERY,
    attention_viewer,
)

__all__ = [
    "DIVERGING",
    "FAINT",
    "NEUTRAL",
    "PALETTE",
    "QUERY",
    "WIDTH",
    "activation_histograms",
    "approximation_scatter",
    "attention_viewer",
    "cosine_densities",
    "cosine_heatmap",
    "effect_curves",
    "head_map",
    "layer_curves",
    "lens_grid",
    "loss_matrix",
    "overlap_grid",
    "patching_heatmap",
    "pattern_grid",
    "removal_curves",
    "scan_by_layer",
    "score_map",
    "sender_scatter",
    "stacked_by_layer",
    "strip_plot",
    "themed",
    "toy_grid",
    "toy_plane",
    "trade_off",
    "training_curves",
    "two_scores",
    "value_by_layer",
    "waterfall",
]
