from __future__ import annotations

import pytest
import torch

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.answers import next_other, rank_of, score_answers
from mechscope.lens.core.forward import read_positions, require_hooks
from mechscope.lens.core.readout import soft_cap, unembed
from mechscope.lens.core.tokens import batches, tokenise
from mechscope.lens.logit_lens import LogitLens, logit_by_layer, logit_lens

ANSWERS = torch.tensor([5, 9, 40, 4, 62, 17])
OTHERS = torch.tensor([6, 3, 12, 61, 8, 20])


def final_log_probs(bridge, ids) -> torch.Tensor:
    with torch.no_grad():
        return bridge(torch.tensor([ids]))[0].log_softmax(-1)


def test_the_last_row_is_the_model(bridge, texts):
    tokenised = tokenise(bridge, texts)
    found = logit_lens(bridge, tokenised, ANSWERS)
    assert found.layers == (-1, 0, 1, 2)
    assert found.kl[-1].abs().max() < 1e-6
    for at, ids in enumerate(tokenised.ids):
        expected = final_log_probs(bridge, ids)[-1]
        torch.testing.assert_close(found.log_prob[-1, at], expected[ANSWERS[at]], rtol=1e-4, atol=1e-5)
        assert found.rank[-1, at] == 1 + int((expected > expected[ANSWERS[at]]).sum())
        entropy = -(expected.exp() * expected).sum()
        torch.testing.assert_close(found.entropy[-1, at], entropy, rtol=1e-4, atol=1e-5)
        assert found.top_ids[-1, at].tolist() == expected.topk(5).indices.tolist()


def test_every_row_is_the_cached_stream_through_norm_and_unembedding(bridge, texts):
    ids = tokenise(bridge, texts).ids[2]
    found = logit_lens(bridge, tokenise(bridge, [texts[2]]), positions="all")
    with torch.no_grad():
        _, cache = bridge.run_with_cache(torch.tensor([ids]))
    points = ["blocks.0.hook_resid_pre", *(f"blocks.{layer}.hook_resid_post" for layer in range(3))]
    final = final_log_probs(bridge, ids)
    for row, point in enumerate(points):
        with torch.no_grad():
            expected = bridge.unembed(bridge.ln_final(cache[point]))[0].log_softmax(-1)
        gathered = expected.gather(1, final.argmax(-1)[:, None])[:, 0]
        torch.testing.assert_close(found.log_prob[row], gathered, rtol=1e-4, atol=1e-5)
        kl = (final.exp() * (final - expected)).sum(-1)
        torch.testing.assert_close(found.kl[row], kl, rtol=1e-3, atol=1e-4)
    assert found.position.tolist() == list(range(len(ids)))


@pytest.mark.parametrize("padding", ["left", "right", "none"])
@pytest.mark.parametrize("positions", ["last", "all"])
def test_batched_equals_one_at_a_time(bridge, texts, padding, positions):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    together = logit_lens(bridge, tokenised, ANSWERS, positions=positions, padding=padding, batch_size=4)
    start = 0
    for at, text in enumerate(texts):
        one = tokenise(bridge, [text], prepend_bos=True)
        alone = logit_lens(bridge, one, ANSWERS[at : at + 1], positions=positions)
        items = slice(start, start + len(alone.text))
        start += len(alone.text)
        assert together.text[items].tolist() == [at] * len(alone.text)
        assert together.position[items].tolist() == alone.position.tolist()
        for name in ("log_prob", "entropy", "kl"):
            torch.testing.assert_close(
                getattr(together, name)[:, items], getattr(alone, name), rtol=1e-4, atol=1e-4
            )
    assert start == len(together.text)


def test_convergence_is_where_the_last_unbroken_agreement_begins():
    tops = torch.tensor([[7, 1, 3], [2, 1, 3], [7, 1, 3], [7, 2, 3]])[:, :, None]
    none = torch.zeros(4, 3)
    index = torch.zeros(3, dtype=torch.long)
    lens = LogitLens(index, index, index, none.long(), none, none, none, tops, none[:, :, None])
    assert lens.convergence.tolist() == [1, 2, -1]


def test_a_frame_of_the_lens_holds_a_row_a_layer_and_item(bridge, texts):
    lens = logit_lens(bridge, tokenise(bridge, texts), ANSWERS, top_k=2)
    frame = lens.frame()
    assert len(frame) == lens.rank.numel() and frame["kl"].min() >= 0
    for row, item in ((0, 1), (2, 3)):
        cell = frame[(frame["layer"] == row - 1) & (frame["text"] == item)].iloc[0]
        assert cell["rank"] == lens.rank[row, item] and cell["target"] == ANSWERS[item]
        assert cell["probability"] == pytest.approx(float(lens.log_prob[row, item].exp()))
        assert cell["top_id"] == lens.top_ids[row, item, 0]
        assert cell["top_probability"] == lens.top_probabilities[row, item, 0]
        assert cell["entropy"] == lens.entropy[row, item] and cell["position"] == lens.position[item]


def test_the_logit_by_layer_ends_at_the_models_logit(bridge, texts):
    tokenised = tokenise(bridge, texts)
    centred = logit_by_layer(bridge, tokenised, ANSWERS)
    difference = logit_by_layer(bridge, tokenised, ANSWERS, OTHERS)
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            logits = bridge(torch.tensor([ids]))[0, -1].double()
        own = logits[ANSWERS[at]]
        torch.testing.assert_close(centred[-1, at], own - logits.mean(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(difference[-1, at], own - logits[OTHERS[at]], rtol=1e-4, atol=1e-4)


def test_answers_of_several_tokens_are_scored_whole(bridge, texts):
    answers = ["w9", "w1 w2 w3", "w5 w6", "w8", "w4", "w7 w8"]
    found = score_answers(bridge, texts, answers, prepend_bos=True, batch_size=4)
    for at, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        ids = tokenise(bridge, [text], prepend_bos=True).ids[0]
        after = tokenise(bridge, [answer], prepend_bos=False).ids[0]
        log_probs = final_log_probs(bridge, (*ids, *after))
        steps = [log_probs[len(ids) - 1 + step, token] for step, token in enumerate(after)]
        assert float(found.log_prob[at]) == pytest.approx(float(sum(steps)), rel=1e-4)
        assert float(found.first_log_prob[at]) == pytest.approx(float(steps[0]), rel=1e-4)
        ranks = [
            1 + int((log_probs[len(ids) - 1 + step] > log_probs[len(ids) - 1 + step, token]).sum())
            for step, token in enumerate(after)
        ]
        assert found.first_rank[at] == ranks[0] and found.worst_rank[at] == max(ranks)
        assert bool(found.known[at]) == (max(ranks) == 1)
    assert found.n_tokens.tolist() == [1, 3, 2, 1, 1, 2]


def test_a_frame_of_answers_holds_a_row_a_prompt(bridge, texts):
    answers = ["w9", "w1 w2 w3", "w5 w6", "w8", "w4", "w7 w8"]
    scores = score_answers(bridge, texts, answers, prepend_bos=True)
    frame = scores.frame(texts, answers)
    assert list(frame) == ["prompt", "answer", "tokens", "log_prob", "first_rank", "known"]
    assert frame["tokens"].tolist() == [1, 3, 2, 1, 1, 2] and frame["answer"].tolist() == answers
    assert frame["log_prob"].tolist() == scores.log_prob.tolist()


def test_the_next_other_is_of_the_same_group_and_begins_with_another_token():
    groups = ["state", "state", "land", "state", "land", "river", "river"]
    first = torch.tensor([1, 1, 2, 3, 4, 5, 5])
    assert next_other(groups, first).tolist() == [3, 3, 4, 0, 2, -1, -1]


def test_ranks_count_ties_in_the_order_of_ids():
    logits = torch.tensor([[1.0, 3.0, 3.0, 0.0]])
    assert [int(rank_of(logits, torch.tensor([token]))) for token in range(4)] == [3, 1, 2, 4]


def test_a_soft_cap_is_applied_in_the_lens(bridge, monkeypatch):
    stream = torch.randn(3, bridge.cfg.d_model, generator=torch.Generator().manual_seed(0))
    raw = unembed(bridge, stream)
    monkeypatch.setattr(bridge.cfg, "output_logits_soft_cap", 2.0, raising=False)
    assert soft_cap(bridge) == 2.0
    torch.testing.assert_close(unembed(bridge, stream), 2.0 * torch.tanh(raw / 2.0))


def test_the_unembedding_is_not_run_in_the_pass_of_the_lens(bridge, texts):
    seen = []
    tokenised = tokenise(bridge, texts)
    with bridge.hooks(fwd_hooks=[("unembed.hook_out", lambda value, hook: seen.append(tuple(value.shape)))]):
        read_positions(bridge, next(batches(tokenised)), [], next(batches(tokenised)).scored, logits=False)
    assert seen == []


def test_impossible_requests_are_refused(bridge, texts):
    tokenised = tokenise(bridge, texts)
    with pytest.raises(UnknownName, match=r"did you mean 'blocks\.1\.attn\.hook_z'"):
        require_hooks(bridge, ["blocks.1.attn.hook_zz"])
    with pytest.raises(InvalidInput, match="6 texts, but 1 answers"):
        logit_lens(bridge, tokenised, torch.tensor([1]))
    with pytest.raises(UnknownName, match="unknown positions 'lst'"):
        logit_lens(bridge, tokenised, positions="lst")
    with pytest.raises(InvalidInput, match="no top 0"):
        logit_lens(bridge, tokenised, top_k=0)
    with pytest.raises(InvalidInput, match="the model reads 64"):
        score_answers(bridge, ["w1 " * 63], ["w1 w2 w3"])
    with pytest.raises(InvalidInput, match="no tokens"):
        score_answers(bridge, ["w1"], [""])
    with pytest.raises(InvalidInput, match="1 prompts, but 2 answers"):
        score_answers(bridge, ["w1"], ["w1", "w2"])
