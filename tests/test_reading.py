"""Reading learned vectors: what must hold for neighbours and snapping, on any table."""

import pytest
import torch

from helpers import reading
from helpers.pretrained import load_language_model

METRICS = pytest.mark.parametrize("metric", ["cosine", "euclidean"])


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
    model, tokenizer = load_language_model("pocket")
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


# --- snapping --------------------------------------------------------------------------------------------------------------------


@METRICS
def test_snapping_rows_is_the_identity(words, metric):
    rows = words.table[words.words[:40]].view(5, 8, -1)
    assert torch.equal(reading.snap(rows, words.table, metric=metric), rows)


def test_snapping_to_allowed_rows_gives_rows_of_the_whole_table(words):
    snapped = reading.snap(random(6, words.table.shape[1]), words.table, words.words)
    allowed = {tuple(row) for row in words.table[words.words].tolist()}
    assert all(tuple(row) in allowed for row in snapped.tolist())
