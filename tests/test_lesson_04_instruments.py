"""What must hold for the instruments of lesson 04, and for its nulls, on any table."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from helpers import reading
from helpers.captioner import VLMWithSoftPrompt
from helpers.context import PromptedCLIP
from helpers.files import write_tensors
from helpers.pretrained import load_language_model
from lessons.lesson_04_reading import instruments, nulls


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- files ------------------------------------------------------------------------------------------------------


def test_learned_vectors_are_read_on_their_own_model_only(clip, tmp_path):
    model, processor = clip
    prompted = PromptedCLIP(model, processor, ["cat", "dog"], 2, "random")
    prompted.save(tmp_path / "context.safetensors")
    assert torch.equal(instruments.load_learned_vectors(tmp_path / "context.safetensors", model), prompted.context)
    gpt2, _ = load_language_model("pocket")
    with pytest.raises(ValueError, match="was learned on pocket-clip .* and this model is pocket-gpt2"):
        instruments.load_learned_vectors(tmp_path / "context.safetensors", gpt2)


def test_soft_prompts_of_both_kinds_of_file_are_read(clip, tmp_path):
    model = VLMWithSoftPrompt(clip, load_language_model("pocket"), 3)
    model.save(tmp_path / "whole.safetensors")
    model.save_prompt(tmp_path / "prompt.safetensors")
    for file in tmp_path.iterdir():
        read = instruments.load_learned_vectors(file, model.language_model)
        assert torch.equal(read, model.soft_prompt.prompt_embeddings)
        with pytest.raises(ValueError, match="to another model its vectors mean nothing"):
            instruments.load_learned_vectors(file, clip[0])


def test_a_file_without_learned_vectors_is_named(tmp_path):
    write_tensors(tmp_path / "features.safetensors", {"features": random(2, 3)}, {})
    with pytest.raises(ValueError, match="features.safetensors holds neither a context nor a soft prompt"):
        instruments.load_learned_vectors(tmp_path / "features.safetensors", load_language_model("pocket")[0])


# --- chance ------------------------------------------------------------------------------------------------------


def test_random_vectors_have_the_lengths_of_those_they_replace_and_point_anywhere():
    vectors = torch.tensor([1.0, 5.0])[:, None] * random(2, 64)
    null = nulls.draw_random_like(vectors, 400, torch.Generator().manual_seed(0))
    assert null.shape == (400, 2, 64)
    torch.testing.assert_close(null.norm(dim=-1), vectors.norm(dim=-1).expand(400, 2))
    assert null.mean(0).norm(dim=-1).max() < 0.3 * vectors.norm(dim=-1).max()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_own_distances_are_those_to_the_nearest_other_word(words, metric):
    apart = nulls.measure_distances_within(words.table, words.words, metric)
    near = reading.find_nearest_tokens(words.table[words.words], words.table, 2, metric, words.words)
    assert torch.equal(apart, near.distances[:, 1]) and (apart > 0).all()
    assert len(nulls.measure_distances_within(words.table, words.words, metric, at_most=10)) <= 10


def test_as_near_is_the_share_of_the_null_that_comes_as_near():
    null = torch.tensor([0.2, 0.4, 0.6, 0.8])
    assert nulls.measure_share_as_near(torch.tensor([0.1, 0.4, 0.5, 0.9]), null).tolist() == [0, 0.5, 0.5, 1]


def test_a_p_value_counts_what_was_observed_and_is_never_zero():
    null = torch.arange(1.0, 100)
    assert nulls.compute_p_value(0, null) == 0.01
    assert nulls.compute_p_value(5, null) == 0.06
    assert nulls.compute_p_value(1000, null) == 1


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.25])
def test_under_the_null_p_is_at_most_alpha_no_more_often_than_alpha(alpha, ties):
    """Observed and null values are drawn alike, so every one of them is as likely to be any of the ranks."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(4000, 40, generator=generator)
    draws = (6 * draws).floor() if ties else draws
    ps = torch.tensor([nulls.compute_p_value(row[0].item(), row[1:]) for row in draws])
    assert (ps <= alpha).double().mean() <= alpha + 3 * (alpha * (1 - alpha) / len(draws)) ** 0.5
    if not ties:  # and it is no weaker than it must be
        assert (ps <= alpha).double().mean() >= alpha - 3 * (alpha * (1 - alpha) / len(draws)) ** 0.5


# --- components ------------------------------------------------------------------------------------------------------


def test_components_are_scikit_learns_own(words):
    table, vectors = words.table[words.words], random(5, 4, words.table.shape[1])
    shown, pca = instruments.project(vectors, table, 3), PCA(3, svd_solver="full").fit(table.double().numpy())
    np.testing.assert_allclose(shown.words, pca.transform(table.double().numpy()), atol=1e-9)
    np.testing.assert_allclose(
        shown.vectors.flatten(0, 1), pca.transform(vectors.flatten(0, 1).double().numpy()), atol=1e-9
    )
    np.testing.assert_allclose(shown.explained, pca.explained_variance_ratio_)


def test_the_directions_do_not_depend_on_the_vectors_that_are_shown():
    table = random(50, 6)
    one, other = (instruments.project(100 * random(3, 6, seed=seed), table) for seed in (1, 2))
    assert torch.equal(one.words, other.words) and torch.equal(one.explained, other.explained)


def test_what_lies_outside_the_plane_is_counted():
    table = torch.tensor([[3.0, 0, 0], [-3, 0, 0], [0, 2, 0], [0, -2, 0]])
    inside, outside, half = torch.tensor([[1.0, 1, 0], [0, 0, 5], [1, 0, 1]])
    shown = instruments.project(torch.stack([inside, outside, half, torch.zeros(3)]), table)
    torch.testing.assert_close(shown.outside, torch.tensor([0, 1, 0.5, 0]).double())


def test_shuffled_columns_keep_every_number_and_lose_what_belonged_together():
    table = random(400, 1).repeat(1, 8)  # one direction carries everything
    null = nulls.shuffle_columns(table, torch.Generator().manual_seed(0))
    assert torch.equal(null.sort(0).values, table.sort(0).values)
    assert instruments.project(table[:1], table, 1).explained.item() > 0.999
    assert instruments.project(table[:1], null, 1).explained.item() < 0.2


# --- influence ------------------------------------------------------------------------------------------------------


def test_leave_one_out_leaves_each_out_once():
    vectors = random(3, 2)
    without = instruments.leave_one_out(vectors)
    assert [left.shape for left in without] == [(2, 2)] * 3
    assert torch.equal(without[1], vectors[[0, 2]])


def test_orders_are_other_orders_of_the_same_vectors():
    vectors = random(4, 3)
    for order in instruments.permute_vectors(vectors, 20, torch.Generator().manual_seed(0)):
        assert sorted(order.tolist()) == sorted(vectors.tolist()) and not torch.equal(order, vectors)
    assert torch.equal(instruments.permute_vectors(vectors[:1], 2, torch.Generator())[1], vectors[:1])


def test_a_blend_is_begun_at_0_and_learned_at_1_and_goes_on_beyond():
    begun, learned = random(2, 3), random(2, 3, seed=1)
    blend = instruments.interpolate(begun, learned, (0, 1, 2))
    torch.testing.assert_close(blend, torch.stack([begun, learned, 2 * learned - begun]))


def test_cosines_are_one_with_oneself_and_do_not_see_lengths():
    vectors = random(3, 5)
    torch.testing.assert_close(instruments.compute_cosines(vectors).diag(), torch.ones(3))
    torch.testing.assert_close(
        instruments.compute_cosines(vectors), instruments.compute_cosines(vectors * torch.tensor([[2.0], [9], [0.1]]))
    )


def test_attention_to_slots_is_that_of_each_texts_end():
    slots = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 1, 0, 0]]).bool()
    end = torch.tensor([3, 4])
    layer = torch.zeros(2, 2, 5, 5)  # (C, H, T, T)
    layer[0, :, 3] = torch.tensor([[0.1, 0.6, 0.3, 0, 0], [0.1, 0.4, 0.5, 0, 0]])
    layer[1, :, 4] = torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2])
    shares = instruments.measure_attention_to_slots([layer, 2 * layer], slots, end)
    torch.testing.assert_close(shares, torch.tensor([[0.35, 0.3], [0.7, 0.6]]))
