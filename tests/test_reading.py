"""Reading learned vectors: what must hold for neighbours, components, snapping and nulls, on any table."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from helpers import reading
from helpers.captioner import VLMWithSoftPrompt
from helpers.context import PromptedCLIP, train_context
from helpers.data import FewShot
from helpers.pretrained import load_clip, load_gpt2
from helpers.training import TrainConfig

METRICS = pytest.mark.parametrize("metric", ["cosine", "euclidean"])


@pytest.fixture(scope="module")
def clip():
    return load_clip("pocket")


@pytest.fixture(scope="module")
def words(clip):
    return reading.read_vocabulary(clip[0], clip[1].tokenizer)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rotation(width, seed=0):
    return torch.linalg.qr(random(width, width, seed=seed).double()).Q


# --- the table -------------------------------------------------------------------------------------------------------------------


def test_every_word_of_the_vocabulary_is_a_trained_row_of_letters_with_its_own_token(clip, words):
    tokenizer = clip[1].tokenizer
    assert 100 < len(words.words) < len(words.names) == len(words.table)
    for row in words.words.tolist():
        assert words.trained[row] and words.names[row].isalpha()
        assert tokenizer(words.names[row], add_special_tokens=False)["input_ids"] == [row]


def test_gpt2s_words_begin_with_a_space(words):
    model, tokenizer = load_gpt2("pocket")
    of_gpt2 = reading.read_vocabulary(model, tokenizer)
    assert len(of_gpt2.words) > 500
    for row in of_gpt2.words.tolist():
        assert tokenizer(f" {of_gpt2.names[row]}", add_special_tokens=False)["input_ids"] == [row]


def test_a_word_knows_its_row_and_what_is_no_word_is_named(words):
    assert words.names[words.row("sketch")] == "sketch"
    with pytest.raises(ValueError, match="“curcumin” is no trained word"):
        words.row("curcumin")


# --- nearest tokens --------------------------------------------------------------------------------------------------------------


@METRICS
def test_a_table_row_is_its_own_nearest_token_at_distance_zero(words, metric):
    near = reading.find_nearest_tokens(words.table[words.words], words.table, 1, metric)
    assert torch.equal(near.ids[:, 0], words.words)
    assert (near.distances == 0).all()


@METRICS
def test_neighbours_survive_a_rotation_of_the_space(words, metric):
    vectors, turn = random(6, words.table.shape[1]), rotation(words.table.shape[1])
    before = reading.find_nearest_tokens(vectors, words.table, 8, metric)
    after = reading.find_nearest_tokens(vectors.double() @ turn, words.table.double() @ turn, 8, metric)
    assert torch.equal(before.ids, after.ids)
    torch.testing.assert_close(before.distances, after.distances)


def test_a_rotated_table_is_another_models_table_and_names_other_words(words):
    table, turn = words.table[words.words].double(), rotation(words.table.shape[1])
    near = reading.find_nearest_tokens(table, table @ turn, 1).ids[:, 0]
    assert (near == torch.arange(len(table))).float().mean() < 0.1


def test_distances_are_what_they_are_called():
    vectors, table = random(2, 3, 5), random(7, 5, seed=1)
    cosine = torch.nn.functional.cosine_similarity(vectors[:, :, None], table, dim=-1)
    torch.testing.assert_close(reading.measure_distances(vectors, table).float(), 1 - cosine)
    euclidean = (vectors[:, :, None] - table).norm(dim=-1)
    torch.testing.assert_close(reading.measure_distances(vectors, table, "euclidean").float(), euclidean)


def test_the_two_metrics_disagree_where_a_row_is_long():
    vectors, table = torch.tensor([[1.0, 0.2]]), torch.tensor([[10.0, 0.0], [0.6, 0.6]])
    assert reading.find_nearest_tokens(vectors, table, 1, "cosine").ids.item() == 0
    assert reading.find_nearest_tokens(vectors, table, 1, "euclidean").ids.item() == 1


def test_neighbours_come_nearest_first_and_only_from_the_allowed_rows(words):
    near = reading.find_nearest_tokens(random(3, words.table.shape[1]), words.table, 5, rows=words.words)
    assert near.ids.shape == near.distances.shape == (3, 5)
    assert torch.isin(near.ids, words.words).all()
    assert (near.distances.diff(dim=-1) >= 0).all()


def test_asked_for_more_neighbours_than_rows_it_gives_them_all():
    assert reading.find_nearest_tokens(random(1, 4), random(3, 4), 9).ids.sort().values.tolist() == [[0, 1, 2]]


def test_vectors_of_another_width_and_unknown_metrics_are_refused():
    with pytest.raises(ValueError, match="vectors are 4 wide, the table 5: they come from different models"):
        reading.find_nearest_tokens(random(2, 4), random(3, 5))
    with pytest.raises(ValueError, match="use 'cosine' or 'euclidean'"):
        reading.find_nearest_tokens(random(2, 4), random(3, 4), metric="manhattan")


@METRICS
def test_a_rank_is_the_place_in_the_order_of_neighbours(words, metric):
    vectors = random(4, words.table.shape[1])
    order = reading.find_nearest_tokens(vectors, words.table, len(words.words), metric, words.words).ids
    for row in words.words[::40].tolist():
        places = 1 + (order == row).nonzero()[:, 1]
        assert torch.equal(
            reading.rank_row(reading.measure_distances(vectors, words.table[words.words], metric), words.words == row),
            places,
        )


# --- files -----------------------------------------------------------------------------------------------------------------------


def test_learned_vectors_are_read_on_their_own_model_only(clip, tmp_path):
    model, processor = clip
    prompted = PromptedCLIP(model, processor, ["cat", "dog"], 2, "random")
    prompted.save(tmp_path / "context.safetensors")
    assert torch.equal(reading.load_learned_vectors(tmp_path / "context.safetensors", model), prompted.context)
    gpt2, _ = load_gpt2("pocket")
    with pytest.raises(ValueError, match="was learned on pocket-clip .* and this model is pocket-gpt2"):
        reading.load_learned_vectors(tmp_path / "context.safetensors", gpt2)


def test_soft_prompts_of_both_kinds_of_file_are_read(clip, tmp_path):
    model = VLMWithSoftPrompt(clip, load_gpt2("pocket"), 3)
    model.save(tmp_path / "whole.safetensors")
    model.save_prompt(tmp_path / "prompt.safetensors")
    for file in tmp_path.iterdir():
        read = reading.load_learned_vectors(file, model.language_model)
        assert torch.equal(read, model.soft_prompt.prompt_embeddings)
        with pytest.raises(ValueError, match="to another model its vectors mean nothing"):
            reading.load_learned_vectors(file, clip[0])


def test_a_file_without_learned_vectors_is_named(tmp_path):
    from helpers.files import write_tensors

    write_tensors(tmp_path / "features.safetensors", {"features": random(2, 3)}, {})
    with pytest.raises(ValueError, match="features.safetensors holds neither a context nor a soft prompt"):
        reading.load_learned_vectors(tmp_path / "features.safetensors", load_gpt2("pocket")[0])


# --- chance ----------------------------------------------------------------------------------------------------------------------


def test_random_vectors_have_the_lengths_of_those_they_replace_and_point_anywhere():
    vectors = torch.tensor([1.0, 5.0])[:, None] * random(2, 64)
    null = reading.draw_random_like(vectors, 400, torch.Generator().manual_seed(0))
    assert null.shape == (400, 2, 64)
    torch.testing.assert_close(null.norm(dim=-1), vectors.norm(dim=-1).expand(400, 2))
    assert null.mean(0).norm(dim=-1).max() < 0.3 * vectors.norm(dim=-1).max()


@METRICS
def test_own_distances_are_those_to_the_nearest_other_word(words, metric):
    apart = reading.measure_distances_within(words.table, words.words, metric)
    near = reading.find_nearest_tokens(words.table[words.words], words.table, 2, metric, words.words)
    assert torch.equal(apart, near.distances[:, 1]) and (apart > 0).all()
    assert len(reading.measure_distances_within(words.table, words.words, metric, at_most=10)) <= 10


def test_as_near_is_the_share_of_the_null_that_comes_as_near():
    null = torch.tensor([0.2, 0.4, 0.6, 0.8])
    assert reading.measure_share_as_near(torch.tensor([0.1, 0.4, 0.5, 0.9]), null).tolist() == [0, 0.5, 0.5, 1]


def test_a_p_value_counts_what_was_observed_and_is_never_zero():
    null = torch.arange(1.0, 100)
    assert reading.compute_p_value(0, null) == 0.01
    assert reading.compute_p_value(5, null) == 0.06
    assert reading.compute_p_value(1000, null) == 1


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.25])
def test_under_the_null_p_is_at_most_alpha_no_more_often_than_alpha(alpha, ties):
    """Observed and null values are drawn alike, so every one of them is as likely to be any of the ranks."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(4000, 40, generator=generator)
    draws = (6 * draws).floor() if ties else draws
    ps = torch.tensor([reading.compute_p_value(row[0].item(), row[1:]) for row in draws])
    assert (ps <= alpha).double().mean() <= alpha + 3 * (alpha * (1 - alpha) / len(draws)) ** 0.5
    if not ties:  # and it is no weaker than it must be
        assert (ps <= alpha).double().mean() >= alpha - 3 * (alpha * (1 - alpha) / len(draws)) ** 0.5


# --- components ------------------------------------------------------------------------------------------------------------------


def test_components_are_scikit_learns_own(words):
    table, vectors = words.table[words.words], random(5, 4, words.table.shape[1])
    shown, pca = reading.project(vectors, table, 3), PCA(3, svd_solver="full").fit(table.double().numpy())
    np.testing.assert_allclose(shown.words, pca.transform(table.double().numpy()), atol=1e-9)
    np.testing.assert_allclose(
        shown.vectors.flatten(0, 1), pca.transform(vectors.flatten(0, 1).double().numpy()), atol=1e-9
    )
    np.testing.assert_allclose(shown.explained, pca.explained_variance_ratio_)


def test_the_directions_do_not_depend_on_the_vectors_that_are_shown():
    table = random(50, 6)
    one, other = (reading.project(100 * random(3, 6, seed=seed), table) for seed in (1, 2))
    assert torch.equal(one.words, other.words) and torch.equal(one.explained, other.explained)


def test_what_lies_outside_the_plane_is_counted():
    table = torch.tensor([[3.0, 0, 0], [-3, 0, 0], [0, 2, 0], [0, -2, 0]])
    inside, outside, half = torch.tensor([[1.0, 1, 0], [0, 0, 5], [1, 0, 1]])
    shown = reading.project(torch.stack([inside, outside, half, torch.zeros(3)]), table)
    torch.testing.assert_close(shown.outside, torch.tensor([0, 1, 0.5, 0]).double())


def test_shuffled_columns_keep_every_number_and_lose_what_belonged_together():
    table = random(400, 1).repeat(1, 8)  # one direction carries everything
    null = reading.shuffle_columns(table, torch.Generator().manual_seed(0))
    assert torch.equal(null.sort(0).values, table.sort(0).values)
    assert reading.project(table[:1], table, 1).explained.item() > 0.999
    assert reading.project(table[:1], null, 1).explained.item() < 0.2


# --- snapping --------------------------------------------------------------------------------------------------------------------


@METRICS
def test_snapping_rows_is_the_identity(words, metric):
    rows = words.table[words.words[:40]].view(5, 8, -1)
    assert torch.equal(reading.snap(rows, words.table, metric=metric), rows)


def test_snapping_to_allowed_rows_gives_rows_of_the_whole_table(words):
    snapped = reading.snap(random(6, words.table.shape[1]), words.table, words.words)
    allowed = {tuple(row) for row in words.table[words.words].tolist()}
    assert all(tuple(row) in allowed for row in snapped.tolist())


def test_on_words_learns_beneath_and_ends_as_words(clip, words):
    model, processor = clip
    prompted = PromptedCLIP(model, processor, ["cat", "dog", "key"], 3, "random", generator=torch.Generator())
    features = torch.nn.functional.normalize(random(12, model.config.projection_dim), dim=-1)
    pictures = features, torch.arange(3).repeat_interleave(4)
    begun = prompted.context.detach().clone()
    with reading.snap_parameter(prompted.embeddings, "context", words.table, words.words):
        assert torch.equal(prompted.context, reading.snap(begun, words.table, words.words))
        *_, last = train_context(
            prompted, FewShot(pictures, pictures, pictures), TrainConfig(steps=20, learning_rate=0.1, eval_every=1)
        )
        beneath = prompted.embeddings.parametrizations.context.original
        assert not torch.equal(beneath, begun)  # the gradient found its way through the snapping
    assert last.step == 20
    assert isinstance(prompted.context, torch.nn.Parameter)
    assert torch.equal(prompted.context, reading.snap(prompted.context, words.table, words.words))


def test_the_gradient_goes_straight_through_to_the_vectors_beneath(words):
    module = torch.nn.Module()
    module.vectors = torch.nn.Parameter(random(2, words.table.shape[1]))
    with reading.snap_parameter(module, "vectors", words.table, words.words):
        (module.vectors * 3).sum().backward()
        gradient = module.parametrizations.vectors.original.grad
        assert torch.equal(gradient, torch.full_like(gradient, 3))


# --- influence -------------------------------------------------------------------------------------------------------------------


def test_leave_one_out_leaves_each_out_once():
    vectors = random(3, 2)
    without = reading.leave_one_out(vectors)
    assert [left.shape for left in without] == [(2, 2)] * 3
    assert torch.equal(without[1], vectors[[0, 2]])


def test_orders_are_other_orders_of_the_same_vectors():
    vectors = random(4, 3)
    for order in reading.permute_vectors(vectors, 20, torch.Generator().manual_seed(0)):
        assert sorted(order.tolist()) == sorted(vectors.tolist()) and not torch.equal(order, vectors)
    assert torch.equal(reading.permute_vectors(vectors[:1], 2, torch.Generator())[1], vectors[:1])


def test_a_blend_is_begun_at_0_and_learned_at_1_and_goes_on_beyond():
    begun, learned = random(2, 3), random(2, 3, seed=1)
    blend = reading.interpolate(begun, learned, (0, 1, 2))
    torch.testing.assert_close(blend, torch.stack([begun, learned, 2 * learned - begun]))


def test_cosines_are_one_with_oneself_and_do_not_see_lengths():
    vectors = random(3, 5)
    torch.testing.assert_close(reading.compute_cosines(vectors).diag(), torch.ones(3))
    torch.testing.assert_close(
        reading.compute_cosines(vectors), reading.compute_cosines(vectors * torch.tensor([[2.0], [9], [0.1]]))
    )


def test_attention_to_slots_is_that_of_each_texts_end():
    slots = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 1, 0, 0]]).bool()
    end = torch.tensor([3, 4])
    layer = torch.zeros(2, 2, 5, 5)  # (C, H, T, T)
    layer[0, :, 3] = torch.tensor([[0.1, 0.6, 0.3, 0, 0], [0.1, 0.4, 0.5, 0, 0]])
    layer[1, :, 4] = torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2])
    shares = reading.measure_attention_to_slots([layer, 2 * layer], slots, end)
    torch.testing.assert_close(shares, torch.tensor([[0.35, 0.3], [0.7, 0.6]]))
