"""Facts about nouns, how they are split, and what a model says of them behind a prefix."""

import pytest
import torch

from helpers.captioner import SoftPrompt
from helpers.language_model import read_token_table
from helpers.pretrained import load_language_model
from helpers.training import TrainConfig
from pocket.nouns import (
    Nouns,
    NounTask,
    answer_nouns,
    calibrate,
    embed_text,
    find_answers,
    make_category_task,
    make_letter_task,
    read_categories,
    train_prompt,
)

COLOURS = ("red", "blue")  # words that the pocket GPT-2 has, and what the tests below ask it for


@pytest.fixture(scope="module")
def language():
    return load_language_model("pocket")


def test_no_noun_is_in_two_categories_and_there_are_at_least_400():
    nouns = [noun for each in read_categories().values() for noun in each]
    assert len(nouns) == len({*nouns}) >= 400 and len(read_categories()) == 8


@pytest.mark.parametrize("make_task", [make_category_task, make_letter_task])
def test_half_of_each_category_is_never_learned_from_and_nothing_is_in_two_parts(make_task):
    task = make_task()
    parts = [{*part.words} for part in task[1:]]
    for nouns in read_categories().values():
        assert [len(part & {*nouns}) for part in parts] == [22, 4, 26]
    assert make_task().train.words == task.train.words
    assert make_task(seed=1).unseen.words != task.unseen.words


def test_labels_name_the_right_answer():
    task, names = make_category_task(), read_categories()
    for part in task[1:]:
        assert all(word in names[task.answers[label]] for word, label in zip(*part))
    letters = make_letter_task()
    assert all(word[0] == letters.answers[label] for word, label in zip(*letters.unseen))
    assert letters.train.words == task.train.words


def test_permuted_labels_are_the_same_ones_elsewhere():
    nouns = make_category_task().train
    permuted = nouns.permute_labels(3)
    assert permuted.words == nouns.words and not torch.equal(permuted.labels, nouns.labels)
    assert torch.equal(permuted.labels.bincount(), nouns.labels.bincount())


def test_with_the_kept_prefix_a_model_says_what_it_says_of_each_whole_text(language):
    model, tokenizer = language
    nouns, text = ("dog", "cup", "butterfly", "car"), "a picture of a cat and"
    answered = answer_nouns(language, embed_text(language, text), nouns, COLOURS, after=" is")
    for row, noun in enumerate(nouns):
        ids = tokenizer(f"{text} {noun} is", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, -1]
        ours = answered.scores[row]
        torch.testing.assert_close(ours, logits.log_softmax(-1)[find_answers(tokenizer, COLOURS)])
        assert answered.tokens[row] == logits.argmax()


def test_calibration_is_what_is_said_to_inputs_without_content(language):
    prefix = embed_text(language, "the")
    one = answer_nouns(language, prefix, ("",), COLOURS).scores[0]
    assert calibrate(language, prefix, COLOURS).shape == one.shape
    assert calibrate(language, prefix, COLOURS).exp().sum() < 1


def test_a_soft_prompt_makes_a_frozen_model_say_the_answers_and_nothing_else(language):
    model, tokenizer = language
    words, labels = ("large", "small", "beach", "city"), torch.tensor([0, 0, 1, 1])
    task = NounTask(COLOURS, *(Nouns(words, labels) for _ in range(3)))
    table = read_token_table(model)
    before = table.clone()
    generator = torch.Generator().manual_seed(0)
    prompt = SoftPrompt(10, table.shape[1], len(table), table=table, generator=generator)
    config = TrainConfig(steps=60, learning_rate=0.1, eval_every=30)
    evaluations = [*train_prompt(language, prompt, task, config)]
    assert evaluations[0].validation_score == 0 and evaluations[-1].validation_score > 0.5
    answered = answer_nouns(language, prompt().detach(), words, COLOURS)
    assert {*answered.tokens.tolist()} <= {*find_answers(tokenizer, COLOURS).tolist()}
    # both ways of reading have the same loss
    logits = answered.scores.gather(1, labels[:, None])
    best = min(evaluation.validation_loss for evaluation in evaluations)
    assert -logits.mean().item() == pytest.approx(best, rel=1e-3)
    assert torch.equal(read_token_table(model), before)


def test_an_answer_of_several_tokens_is_refused(language, lang):
    with pytest.raises(ValueError, match={"en": "single token", "zh": "不是一个 token"}[lang]):
        find_answers(language[1], ("red", "zzqx"))
