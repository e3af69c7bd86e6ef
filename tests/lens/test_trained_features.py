"""Feature influence measured with autoencoders that SAELens trains here on a tiny model's residual stream."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from sae_lens import (
    StandardSAE,
    StandardSAEConfig,
    StandardTrainingSAE,
    StandardTrainingSAEConfig,
    TopKTrainingSAE,
    TopKTrainingSAEConfig,
)
from sae_lens.config import SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer

from mechscope.errors import InvalidInput
from mechscope.lens.core.tokens import TokenisedTexts, tokenise
from mechscope.lens.dictionaries import require_folded
from mechscope.lens.feature_influence import Influence, PlainDictionary, feature_influence

WIDTH, STEPS, BATCH = 48, 250, 256
SOURCE_LAYER, TARGET_LAYER = 0, 2


def streams(bridge, layers: list[int]) -> dict[int, torch.Tensor]:
    """Residual streams at the tokens of random texts, as rows."""
    ids = torch.randint(3, 60, (256, 12), generator=torch.Generator().manual_seed(5))
    names = {layer: f"blocks.{layer}.hook_resid_post" for layer in layers}
    with torch.no_grad():
        _, cache = bridge.run_with_cache(ids, names_filter=list(names.values()))
    return {layer: cache[name].flatten(0, 1) for layer, name in names.items()}


def trained(rows: torch.Tensor) -> StandardSAE:
    """A sparse autoencoder of these rows, by SAELens' own trainer; it folds the scaling it used."""
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    config = StandardTrainingSAEConfig(
        d_in=rows.shape[1], d_sae=WIDTH, l1_coefficient=0.5, normalize_activations="expected_average_only_in"
    )

    def batches():
        while True:
            yield rows[torch.randint(len(rows), (BATCH,), generator=random)]

    recipe = SAETrainerConfig(
        total_training_samples=STEPS * BATCH,
        train_batch_size_samples=BATCH,
        lr=5e-3,
        lr_end=5e-3,
        n_batches_for_norm_estimate=4,
    )
    return SAETrainer(recipe, StandardTrainingSAE(config), batches()).fit().eval()


@pytest.fixture(scope="module")
def found_in(bridge):
    rows = streams(bridge, [SOURCE_LAYER, TARGET_LAYER])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices are too small for more
    try:
        return {layer: trained(some) for layer, some in rows.items()}, rows
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def asked(bridge, found_in) -> tuple[StandardSAE, StandardSAE, list[int], list[int], TokenisedTexts]:
    """The two autoencoders, the features that are active in most tokens of each, and texts."""
    saes, rows = found_in
    source, target = saes[SOURCE_LAYER], saes[TARGET_LAYER]
    with torch.no_grad():
        often = {layer: (saes[layer].encode(rows[layer]) > 0).float().mean(0) for layer in saes}
    sources = often[SOURCE_LAYER].argsort(descending=True)[:4].tolist()
    targets = often[TARGET_LAYER].argsort(descending=True)[:3].tolist()
    texts = ["w3 w14 w15 w9 w26", "w2 w7 w18 w28", "w5 w35 w8 w9 w7 w9"]
    return source, target, sources, targets, tokenise(bridge, texts)


def influence(bridge, asked, source=None) -> Influence:
    own, target, sources, targets, tokenised = asked
    return feature_influence(
        bridge, tokenised, source_layer=SOURCE_LAYER, source=own if source is None else source,
        sources=sources, target_layer=TARGET_LAYER, target=target, targets=targets, batch_size=2,
    )  # fmt: skip


def test_the_autoencoders_have_learned_the_stream(found_in):
    saes, rows = found_in
    for layer, sae in saes.items():
        with torch.no_grad():
            features = sae.encode(rows[layer])
            missed = (sae.decode(features) - rows[layer]).pow(2).sum()
        assert missed < 0.3 * (rows[layer] - rows[layer].mean(0)).pow(2).sum()
        assert (features > 0).float().mean() < 0.6
        assert sae.cfg.normalize_activations == "none", "the trainer folded its scaling"


def test_virtual_weights_of_trained_features_are_products_of_their_rows(bridge, asked):
    source, target, sources, targets, _ = asked
    expected = source.W_dec[sources].detach().double() @ target.W_enc[:, targets].detach().double()
    torch.testing.assert_close(influence(bridge, asked).virtual, expected, rtol=1e-4, atol=1e-5)


def test_the_causal_effect_is_the_change_when_the_autoencoder_is_spliced_in_without_the_feature(
    bridge, asked
):
    """SAELens' own encode and decode, and one text at a time: stream = decoded features + what they miss."""
    source, target, sources, targets, tokenised = asked
    found = influence(bridge, asked)
    fall, active = torch.zeros(len(sources), len(targets)), torch.zeros(len(sources))
    for ids in tokenised.ids:
        for at, feature in enumerate([None, *sources]):

            def splice(value, hook, feature=feature):
                features = source.encode(value)
                missed = value - source.decode(features)
                without = features.clone()
                if feature is not None:
                    without[:, tokenised.first_counted :, feature] = 0
                return source.decode(without) + missed

            kept = []
            read = lambda value, hook, kept=kept: kept.append(target.encode_with_hidden_pre(value)[1])  # noqa: E731
            hooks = [
                (f"blocks.{SOURCE_LAYER}.hook_resid_post", splice),
                (f"blocks.{TARGET_LAYER}.hook_resid_post", read),
            ]
            with torch.no_grad():
                bridge.run_with_hooks(torch.tensor([ids]), fwd_hooks=hooks)
            total = kept[0][0][tokenised.first_counted :].sum(0)[targets]
            if feature is None:
                before = total
            else:
                fall[at - 1] += before - total
        name = f"blocks.{SOURCE_LAYER}.hook_resid_post"
        with torch.no_grad():
            _, cache = bridge.run_with_cache(torch.tensor([ids]), names_filter=name)
            counted = cache[name][0][tokenised.first_counted :]
            active += (source.encode(counted)[:, sources] > 0).sum(0)
    assert active.tolist() == found.active.tolist()
    assert bool((active > 0).all())
    expected = (fall / active[:, None]).double()
    torch.testing.assert_close(found.causal, expected, rtol=2e-3, atol=2e-4 * float(expected.abs().max()))


def test_gradient_and_causal_effect_agree_the_better_the_weaker_the_feature(bridge, asked):
    source = asked[0]

    def apart(strength: float) -> float:
        weights = [source.W_enc * strength, source.b_enc * strength, source.W_dec, source.b_dec]
        found = influence(bridge, asked, PlainDictionary(*(weight.detach() for weight in weights)))
        return float((found.gradient - found.causal).norm() / found.gradient.norm())

    whole, tenth, hundredth = (apart(strength) for strength in (1, 0.1, 0.01))
    assert whole > 2 * tenth > 4 * hundredth
    assert hundredth < 0.02


def plain_sae(bridge, **changes) -> StandardSAE:
    sae = StandardSAE(StandardSAEConfig(d_in=bridge.cfg.d_model, d_sae=WIDTH, **changes))
    with torch.no_grad():
        sae.b_enc += 0.1
    return sae


def test_an_autoencoder_with_scaling_that_is_not_folded_is_refused_until_it_is(bridge, asked):
    sae = plain_sae(bridge, normalize_activations="expected_average_only_in")
    with pytest.raises(
        InvalidInput, match=r"expected_average_only_in.*\n.*fold_activation_norm_scaling_factor"
    ):
        influence(bridge, asked, sae)
    sae.fold_activation_norm_scaling_factor(0.5)
    found = influence(bridge, asked, sae)
    assert bool(found.gradient.isfinite().all())
    source, _, sources, targets, tokenised = asked
    with pytest.raises(InvalidInput, match="cannot be folded"):
        feature_influence(
            bridge, tokenised, source_layer=SOURCE_LAYER, source=source, sources=sources,
            target_layer=TARGET_LAYER, target=plain_sae(bridge, normalize_activations="layer_norm"),
            targets=targets,
        )  # fmt: skip


def test_activations_in_units_of_decoder_rows_are_refused_until_they_are_folded():
    config = TopKTrainingSAEConfig(d_in=8, d_sae=16, k=4, rescale_acts_by_decoder_norm=True)
    sae = TopKTrainingSAE(config)
    with torch.no_grad():
        sae.W_dec *= 3
    with pytest.raises(InvalidInput, match=r"decoder rows.*\n.*fold_W_dec_norm"):
        require_folded(sae)
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = sae(x)
        sae.fold_W_dec_norm()
        require_folded(sae)
        torch.testing.assert_close(sae.encode(x) @ sae.W_dec + sae.b_dec, whole)


def test_an_autoencoder_of_another_width_is_refused(bridge, asked):
    wide = StandardSAE(StandardSAEConfig(d_in=bridge.cfg.d_model + 1, d_sae=WIDTH))
    with pytest.raises(InvalidInput, match=rf"reads {bridge.cfg.d_model + 1} dim.*\n.*{bridge.cfg.d_model}"):
        influence(bridge, asked, wide)


def test_plain_tensors_need_no_configuration():
    parts = {field.name: torch.ones(2, 2) for field in dataclasses.fields(PlainDictionary)}
    require_folded(PlainDictionary(**parts))
