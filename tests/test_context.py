"""What holds of the learnable context: on the pocket CLIP, on a small one like OpenAI's, with its odd EOS id, and on that in bf16."""

import copy
import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors import safe_open
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel

from helpers import context as mechanism
from helpers import fast_text
from helpers.context import (
    CLIPTextLearnableEmbeddings,
    PromptedCLIP,
    encode_hand_prompt,
    encode_plain,
    fill_prompt,
    find_placeholder,
    initialise_context,
    swap_embeddings,
    train_context,
)
from helpers.data import FewShot
from helpers.fast_text import encode_fast
from helpers.files import write_tensors
from helpers.language import LearnerError, LearnerWarning
from helpers.pretrained import classify_zero_shot, encode_images, encode_texts, fingerprint, load_clip
from helpers.training import TrainConfig
from pocket.classifiers import measure_templates
from pocket.world import OBJECTS

LEGACY_EOS = 2  # what OpenAI's configurations say; the id that really ends a text is the largest there is
POSITIONS = ["end", "middle", "front"]
BY_HAND = {"end": "a photo of a {}.", "middle": "a photo {} of a.", "front": "{} a photo of a."}
ODD = ("cat", "umbrella stand", "zeppelin", "St. Bernard's", "U.S.A.", "hey!", "x", "a wooden x", "wörd 7", "猫")


def small_clip(eos: int = LEGACY_EOS) -> CLIPModel:
    """Another width, other heads, layers and positions than the pocket CLIP, the same tokens, and random weights."""
    text = {"vocab_size": 2125, "max_position_embeddings": 32, "eos_token_id": eos, "bos_token_id": 0}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 64, "hidden_size": 48}
    vision = {"image_size": 64, "patch_size": 32, **layers}
    torch.manual_seed(0)
    clip = CLIPModel(CLIPConfig(text_config={**text, **layers}, vision_config=vision, projection_dim=16))
    with torch.no_grad():
        for parameter in clip.parameters():  # a new model's biases are zero, and its texts all alike
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return clip.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pocket():
    torch.set_num_threads(1)
    return load_clip("pocket")


@pytest.fixture(scope="module")
def small(pocket):
    return small_clip(), pocket[1]


@pytest.fixture(scope="module")
def half(pocket):
    return small_clip().bfloat16(), pocket[1]


@pytest.fixture(params=["pocket", "small"])
def model(request):
    """A CLIP in fp32, and its processor."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["pocket", "small", "half"])
def any_model(request):
    """A CLIP in fp32 or bf16, and its processor."""
    return request.getfixturevalue(request.param)


def random(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def picture(seed=0, mode="RGB"):
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def hand_ids(clip, processor, texts):
    """(C, T), padded to all the positions that the model has."""
    room = clip.config.text_config.max_position_embeddings
    return processor.tokenizer(texts, padding="max_length", max_length=room, return_tensors="pt")["input_ids"]


@torch.no_grad()
def library(clip, processor, texts):
    """Features (C, D) by nothing but the library."""
    output = clip.get_text_features(input_ids=hand_ids(clip, processor, texts))
    return getattr(output, "pooler_output", output)


def distance(ours, theirs):
    """The largest difference, as a share of the largest number."""
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def names(count):
    """So many different names of one to six letters or words, of one to ten tokens or so."""
    rng = np.random.default_rng(0)
    made: dict[str, None] = {}
    while len(made) < count:
        letters = "".join(rng.choice(list("abcdefghij"), rng.integers(1, 6)))
        made[" ".join([letters, *rng.choice(OBJECTS, rng.integers(0, 3))])] = None
    return tuple(made)


def random_prompted(model, class_names, position="end", class_specific=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return PromptedCLIP(*model, class_names, 4, "random", position, class_specific, generator=generator)


def both_ways(prompted, chunk_size=None):
    """Features and the context's gradient, from the plain and from the fast path."""
    found = []
    for fast in (False, True):
        prompted.context.grad = None
        clip, embeddings, ids = prompted.clip, prompted.embeddings, prompted.ids
        if fast:
            features = encode_fast(clip, embeddings, ids, prompted.end, prompted.shared, chunk_size)
        else:
            features = encode_plain(clip, embeddings, ids)
        (F.normalize(features, dim=-1) * random(features.shape, 1)).sum().backward()
        found.append((features.detach(), prompted.context.grad.clone()))
    return found


# --- words in the slots are the hard prompt ------------------------------------------------------------------------------


@pytest.mark.parametrize("class_specific", [False, True], ids=["shared", "class-specific"])
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("class_names", [("zeppelin",), ODD], ids=["one", "many"])
def test_context_from_words_gives_the_hard_prompt_exactly(any_model, class_names, position, class_specific):
    prompted = PromptedCLIP(*any_model, class_names, position=position, class_specific=class_specific)
    expected = library(*any_model, [BY_HAND[position].format(name) for name in class_names])
    ours = encode_plain(prompted.clip, prompted.embeddings, prompted.ids)
    assert ours.dtype == expected.dtype and (ours - expected).abs().max() == 0.0
    assert torch.equal(prompted.text_features(fast=False), F.normalize(expected, dim=-1))


def test_context_from_words_gives_the_logits_of_clip_itself(model):
    clip, processor = model
    pixels = random((2, 3, 64, 64))
    theirs = clip(input_ids=hand_ids(*model, ["a photo of a cat.", "a photo of a key."]), pixel_values=pixels)
    prompted = PromptedCLIP(*model, ["cat", "key"])
    for texts in (prompted.text_features(fast=False), prompted.text_features(), prompted.class_features()):
        assert distance(clip.logit_scale.exp() * theirs.image_embeds @ texts.T, theirs.logits_per_image) < 1e-5


def test_words_of_two_tokens_are_as_long_as_their_tokens(pocket):
    tokens = pocket[1].tokenizer("a zeppelin of", add_special_tokens=False)["input_ids"]
    prompted = PromptedCLIP(*pocket, ["cat", "key"], len(tokens), "a zeppelin of")
    expected = library(*pocket, ["a zeppelin of cat.", "a zeppelin of key."])
    assert len(tokens) > 3
    assert torch.equal(encode_plain(prompted.clip, prompted.embeddings, prompted.ids), expected)


def test_each_class_gets_the_vectors_that_are_its_own(model):
    clip, _ = model
    own = random((len(ODD), 4, clip.config.text_config.hidden_size))
    together = PromptedCLIP(*model, ODD, init=own, class_specific=True).text_features()
    for number in range(len(ODD)):
        alone = PromptedCLIP(*model, ODD, init=own[number]).text_features()
        assert distance(together[number], alone[number]) < 1e-5
        assert distance(together[number], alone[number - 1]) > 1e-2


def test_a_prompt_is_filled_as_the_position_says():
    words = "a photo of a".split()
    for position, text in BY_HAND.items():
        assert fill_prompt(words, "cat", position) == text.format("cat")
    assert fill_prompt(["a"], "cat", "middle") == "cat a."
    assert fill_prompt([], "cat", "end") == "cat."


def coop(tokenizer, words, name, position):
    """Ids of a text as CoOp's trainers/coop.py lays them out: the name is moved when it has met its full stop."""
    start, *rest, end = tokenizer(" ".join([*words, name.replace("_", " ")]) + ".")["input_ids"]
    slots, rest = rest[: len(words)], rest[len(words) :]
    half, length = len(words) // 2, len(tokenizer(name.replace("_", " "), add_special_tokens=False)["input_ids"])
    if position == "end":
        return [start, *slots, *rest, end]
    if position == "middle":
        return [start, *slots[:half], *rest[:length], *slots[half:], *rest[length:], end]
    return [start, *rest[:length], *slots, *rest[length:], end]


PUNCTUATED = ("U.S.", "wow!", "kite (bird of prey)", "what?!", "Dr.", "a, b,", "C++", "100 %", "“quoted”", "…")


@pytest.mark.parametrize("position", POSITIONS)
def test_class_names_have_the_tokens_that_coop_gives_them_unless_they_end_in_punctuation_elsewhere(pocket, position):
    tokenizer, words = pocket[1].tokenizer, ["x"] * 4
    for name in (*OBJECTS, *names(50), "red_cup", "a_b_c", "U.S. flag", "rock'n'roll", "T-shirt", "MiG-29"):
        ours = tokenizer(fill_prompt(words, name, position))["input_ids"]
        assert ours == coop(tokenizer, words, name, position), name
    both = [(tokenizer(fill_prompt(words, each, position))["input_ids"], coop(tokenizer, words, each, position)) for each in PUNCTUATED]  # fmt: skip
    assert all(ours == theirs for ours, theirs in both) == (position == "end")


def test_a_text_that_is_too_long_is_refused_and_not_cut(pocket):
    long = ["a photo of " + "very " * 100 + name for name in ("big cat", "small dog")]
    with pytest.raises(LearnerError, match="“a photo of very.* needs 1.. positions, and this model has 77"):
        classify_zero_shot(*pocket, picture(), long)


def test_an_underscore_is_a_blank_wherever_names_come_from(pocket):
    clip, processor = pocket
    one, other = (PromptedCLIP(*pocket, [f"red{blank}cup", f"{blank}key"]) for blank in "_ ")
    assert one.class_names == other.class_names == ("red cup", "key") and torch.equal(one.ids, other.ids)
    assert torch.equal(encode_hand_prompt(one), encode_hand_prompt(other))
    assert fill_prompt(["a"], "red_cup", "end") == "a red cup."
    assert set(one.predict(picture())) == {"red cup", "key"}
    shares = [classify_zero_shot(clip, processor, picture(), [f"a red{blank}cup", "a key"]) for blank in "_ "]
    assert torch.equal(*shares)


ALIKE = [
    ("cat", "cat"),
    ("red_cup", "red cup"),
    ("Cat", "cat"),
    ("  cat ", "cat"),
    ("red\u00a0cup", "red  cup"),
    ("caf\u00e9", "cafe\u0301"),
    ("_cat_", "CAT"),
    ("猫", "猫"),
    ("cat", "cat\u200b"),
    ("\ufeffcat", "cat"),
    ("ca\u00adt", "cat"),
]
BLANK = ["", " ", "\t\n", "_", "__ _", "\u3000", "\u200b", "\u00a0_", "\u2800", "\u3164", "\ufe0f"]
ENTRANCES = {
    "PromptedCLIP": lambda model, given: PromptedCLIP(*model, given),
    "zero-shot": lambda model, given: classify_zero_shot(*model, picture(), given),
    "hand prompts": lambda model, given: measure_templates(*model, given, (random((2, 128)), torch.arange(2))),
}


@pytest.mark.filterwarnings("ignore:.*bytes or unknown")
@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("wrong", [*ALIKE, *((blank, "key") for blank in BLANK)])
def test_class_names_that_are_blank_or_the_same_to_the_tokenizer_are_refused_and_named(pocket, entrance, wrong):
    with pytest.raises(LearnerError) as told:
        ENTRANCES[entrance](pocket, ["dog", *wrong, "boat"])
    message = str(told.value)
    assert f"“{wrong[0]}”" in message and (f"“{wrong[1]}”" in message) == (wrong in ALIKE) and "dog" not in message
    ENTRANCES[entrance](pocket, ["cat", "cats", "red cup", "cup red", "猫", "a cat", "cat!", "C", "C#"])


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("name", ["cat<|endoftext|>", "<|endoftext|>", "a <|startoftext|> b"])
def test_a_special_token_within_a_class_name_is_refused(pocket, entrance, name):
    with pytest.raises(
        LearnerError, match=r"contains <\|(end|start)oftext\|>, which this tokenizer reads as a command"
    ):
        ENTRANCES[entrance](pocket, ["dog", name])


def test_class_names_of_which_the_tokenizer_makes_bytes_are_told(pocket):
    with pytest.warns(LearnerWarning, match="“猫” becomes 3 tokens, 3 of them single bytes or unknown") as caught:
        PromptedCLIP(*pocket, ["cat", "猫", "狗", "kot"])
    assert len(caught) == 1


def test_the_placeholder_is_one_token_below_the_end_that_no_name_holds(pocket):
    tokenizer = pocket[1].tokenizer
    assert find_placeholder(tokenizer, ["cat"])[0] == "x"
    for taken in (["x"], ["cat", "a wooden x"], ["X-ray x"], ODD):
        word, number = find_placeholder(tokenizer, taken)
        assert tokenizer(f"{word} {word} cat {word}.")["input_ids"].count(number) == 3
        assert number < tokenizer.eos_token_id
        assert all(number not in tokenizer(name)["input_ids"] for name in taken)


def test_a_context_may_fill_all_the_places_between_start_and_end(model):
    clip, processor = model
    room = clip.config.text_config.max_position_embeddings
    most = room - len(processor.tokenizer("cat.")["input_ids"])
    for position in POSITIONS:
        prompted = PromptedCLIP(*model, ["cat", "key"], most, "random", position)
        assert (
            prompted.end.tolist() == [room - 1] * 2
            and (prompted.ids == prompted.embeddings.placeholder).sum() == 2 * most
        )
        (plain, _), (fast, _) = both_ways(prompted)
        assert distance(fast, plain) < 1e-5
    with pytest.raises(ValueError, match="cat.*shorten"):
        PromptedCLIP(*model, ["cat"], most + 1, "random")


# --- what the embeddings do, and leave alone ---------------------------------------------------------------------------------


def test_vectors_stand_in_the_slots_and_positions_are_added_once(any_model):
    clip, _ = any_model
    for class_specific in (False, True):
        prompted = random_prompted(any_model, ODD, class_specific=class_specific)
        trained, ids, dtype = clip.text_model.embeddings, prompted.ids, clip.dtype
        expected = trained.token_embedding.weight[ids].clone()
        for row, places in enumerate(ids == prompted.embeddings.placeholder):
            expected[row, places] = (prompted.context[row] if class_specific else prompted.context).detach().to(dtype)
        expected = expected + trained.position_embedding.weight[: ids.shape[1]]
        assert torch.equal(prompted.embeddings(input_ids=ids), expected)


def test_vectors_that_came_in_as_such_meet_no_slots(pocket):
    prompted = random_prompted(pocket, ["cat"])
    vectors = random((1, 5, 128))
    assert torch.equal(
        prompted.embeddings(inputs_embeds=vectors), pocket[0].text_model.embeddings(inputs_embeds=vectors)
    )


def test_the_two_tables_are_the_trained_ones_and_no_copies(any_model):
    prompted, trained = random_prompted(any_model, ODD), any_model[0].text_model.embeddings
    assert prompted.embeddings.token_embedding is trained.token_embedding
    assert prompted.embeddings.position_embedding is trained.position_embedding
    assert len(list(prompted.parameters())) == len(list(any_model[0].parameters())) + 1


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("class_specific", [False, True], ids=["shared", "class-specific"])
def test_only_the_context_gets_a_gradient_also_in_a_clip_that_came_in_unfrozen(fast, class_specific):
    clip, processor = load_clip("pocket")
    clip.requires_grad_(True).train()
    prompted = random_prompted((clip, processor), ["cat", "umbrella stand"], class_specific=class_specific)
    before = {name: value.clone() for name, value in clip.state_dict().items()}
    optimizer = torch.optim.AdamW(prompted.parameters(), lr=0.1, weight_decay=0.1)
    start = prompted.context.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        prompted.text_features(fast)[0, 0].backward()
        assert {name for name, p in prompted.named_parameters() if p.grad is not None} == {"embeddings.context"}
        optimizer.step()
    assert [name for name, p in prompted.named_parameters() if p.requires_grad] == ["embeddings.context"]
    assert not torch.equal(prompted.context, start)
    after = clip.state_dict()  # with the row of the start of text, and all positions
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_every_vector_of_the_context_gets_a_gradient(model):
    for class_specific in (False, True):
        for _, gradient in both_ways(random_prompted(model, ODD, "end", class_specific)):
            assert gradient.shape[-2] == 4 and (gradient.abs().amax(-1) > 0).all()


def test_clip_is_the_same_after_use(any_model):
    clip, processor = any_model
    original, before = clip.text_model.embeddings, copy.deepcopy(clip.state_dict())
    scores = classify_zero_shot(clip, processor, picture(), ["a photo of a cat.", "a photo of a key."])
    prompted = random_prompted(any_model, ODD)
    both_ways(prompted)
    prompted.predict(picture())
    assert clip.text_model.embeddings is original
    assert list(clip.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in clip.state_dict().items())
    assert torch.equal(
        scores, classify_zero_shot(clip, processor, picture(), ["a photo of a cat.", "a photo of a key."])
    )


def test_clip_is_the_same_after_an_error_within(pocket):
    clip, _ = pocket
    prompted, original = random_prompted(pocket, ["cat"]), clip.text_model.embeddings
    with pytest.raises(KeyboardInterrupt), swap_embeddings(clip, prompted.embeddings):
        assert clip.text_model.embeddings is prompted.embeddings
        raise KeyboardInterrupt
    assert clip.text_model.embeddings is original
    with pytest.raises(ValueError, match="slots"):
        encode_plain(clip, prompted.embeddings, torch.full((1, 5), 7))
    assert clip.text_model.embeddings is original


def test_clip_stays_in_eval_mode_while_the_context_learns(pocket):
    prompted = random_prompted(pocket, ["cat"]).train()
    assert prompted.training and not any(module.training for module in prompted.clip.modules())


def test_two_contexts_on_one_clip_know_nothing_of_each_other(pocket):
    one = random_prompted(pocket, ["cat", "key"])
    expected = one.text_features().detach()
    other = random_prompted(pocket, ["cat", "key"], seed=1)
    other.text_features().sum().backward()
    assert one.context.grad is None and one.context.requires_grad
    assert torch.equal(one.text_features(), expected) and not torch.equal(other.text_features(), expected)


# --- the same numbers with less work ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", POSITIONS)
def test_padded_to_the_last_position_is_trimmed_to_the_last_end(model, position):
    prompted = random_prompted(model, ODD, position)
    clip, embeddings, ids = prompted.clip, prompted.embeddings, prompted.ids
    last = int(prompted.end.max()) + 1
    assert ids.shape[1] == clip.config.text_config.max_position_embeddings > last
    assert distance(encode_plain(clip, embeddings, ids[:, :last]), encode_plain(clip, embeddings, ids)) < 1e-5


def test_tokens_after_the_end_change_nothing(model):
    prompted = random_prompted(model, ODD)
    clip, embeddings, end = prompted.clip, prompted.embeddings, prompted.end
    after = torch.arange(prompted.ids.shape[1]) > end[:, None]
    other = torch.where(
        after, torch.randint(3, 90, after.shape, generator=torch.Generator().manual_seed(0)), prompted.ids
    )
    assert not (other[after] == embeddings.placeholder).any() and not torch.equal(other, prompted.ids)
    assert torch.equal(encode_plain(clip, embeddings, other), encode_plain(clip, embeddings, prompted.ids))
    ours = [encode_fast(clip, embeddings, ids, end, prompted.shared) for ids in (other, prompted.ids)]
    assert torch.equal(*ours)


@pytest.mark.parametrize("count, chunk_size", [(1, None), (2, 1), (24, None), (24, 7)])
@pytest.mark.parametrize("class_specific", [False, True], ids=["shared", "class-specific"])
@pytest.mark.parametrize("position", POSITIONS)
def test_the_fast_path_gives_features_and_gradient_of_the_plain_one(model, position, class_specific, count, chunk_size):
    prompted = random_prompted(model, names(count), position, class_specific)
    (plain, plain_gradient), (fast, fast_gradient) = both_ways(prompted, chunk_size)
    assert distance(fast, plain) < 1e-5
    assert distance(F.normalize(fast, dim=-1), F.normalize(plain, dim=-1)) < 1e-5
    assert distance(fast_gradient, plain_gradient) < 1e-5
    with torch.no_grad():
        again = encode_fast(prompted.clip, prompted.embeddings, prompted.ids, prompted.end, prompted.shared, chunk_size)
    assert distance(again, plain) < 1e-5 and not again.requires_grad


@pytest.mark.parametrize("class_specific", [False, True], ids=["shared", "class-specific"])
@pytest.mark.parametrize("position", ["end", *(pytest.param(each, marks=pytest.mark.slow) for each in POSITIONS[1:])])
def test_a_thousand_classes_are_told_apart_as_on_the_plain_path(small, position, class_specific):
    prompted = random_prompted(small, names(1000), position, class_specific)
    (plain, plain_gradient), (fast, fast_gradient) = both_ways(prompted, chunk_size=300)
    images = F.normalize(random((50, 16), 2), dim=-1)
    ours, theirs = (images @ F.normalize(features, dim=-1).T for features in (fast, plain))
    assert distance(ours, theirs) < 1e-5 and distance(fast_gradient, plain_gradient) < 1e-5


def test_more_texts_than_memory_allows_go_through_in_turn(pocket, monkeypatch):
    prompted, calls = random_prompted(pocket, names(24)), Counter()
    (_, _), (whole, gradient) = both_ways(prompted)
    whole_tower = fast_text.run_side_by_side

    def counting(clip, common, own, end):
        calls[len(own)] += 1
        return whole_tower(clip, common, own, end)

    monkeypatch.setattr(fast_text, "run_side_by_side", counting)
    monkeypatch.setattr(fast_text, "KEPT_FOR_BACKWARD", 2**20)
    with torch.no_grad():
        prompted.text_features()
    assert len(calls) <= 2 and sum(size * times for size, times in calls.items()) == 24 > 2 * max(calls)
    (_, _), (parts, parts_gradient) = both_ways(prompted)
    assert distance(parts, whole) < 1e-6 and distance(parts_gradient, gradient) < 1e-5


def test_what_is_shared_is_the_beginning_that_all_texts_have_in_common(pocket):
    assert random_prompted(pocket, ["cat", "key"], "end").shared == 5  # start of text, and four vectors
    assert random_prompted(pocket, ["cat", "key"], "middle").shared == 3
    assert random_prompted(pocket, ["cat", "key"], "front").shared == 1
    assert random_prompted(pocket, ["red cat", "red key"], "end").shared == 6
    assert random_prompted(pocket, ["red cat", "red key"], "front").shared == 2
    assert random_prompted(pocket, ["red cat", "red key"], "end", True).shared == 1
    assert random_prompted(pocket, ["red cat", "red key"], "front", True).shared == 2
    alone = random_prompted(pocket, ["cat"], "end")
    assert alone.shared == alone.end == 7  # all but the end, where it is pooled


def test_in_bf16_the_context_is_kept_in_fp32_and_both_paths_round_alike(half):
    prompted, exact = random_prompted(half, ODD), random_prompted((small_clip(), half[1]), ODD)
    with torch.no_grad():
        exact.clip.load_state_dict(half[0].state_dict())
        exact.context.copy_(prompted.context.bfloat16())
    assert prompted.context.dtype == torch.float32
    (truth, truth_gradient), _ = both_ways(exact)
    for features, gradient in both_ways(prompted):
        assert features.dtype == torch.bfloat16 and gradient.dtype == torch.float32
        assert distance(features.float(), truth) < 0.03
        assert distance(gradient, truth_gradient) < 0.06
    assert prompted.class_features().dtype == torch.bfloat16


# --- saved and loaded -----------------------------------------------------------------------------------------------------------


def same_predictions(one, other):
    width = one.clip.config.projection_dim
    images = F.normalize(random((20, width)), dim=-1).to(one.clip.dtype)
    with torch.no_grad():
        return torch.equal(one(images), other(images))


@pytest.mark.parametrize("class_specific", [False, True], ids=["shared", "class-specific"])
@pytest.mark.parametrize("position", POSITIONS)
def test_a_loaded_context_is_the_saved_one(any_model, tmp_path, position, class_specific):
    saved = random_prompted(any_model, ODD[:3], position, class_specific)
    saved.save(tmp_path / "context.safetensors")
    loaded = PromptedCLIP.load(str(tmp_path / "context.safetensors"), *any_model)
    assert torch.equal(loaded.context, saved.context) and loaded.context.dtype == torch.float32
    assert loaded.context.requires_grad and not loaded.clip.text_model.embeddings.token_embedding.weight.requires_grad
    assert (loaded.class_names, loaded.position) == (saved.class_names, saved.position)
    assert same_predictions(loaded, saved)
    assert [file.name for file in tmp_path.iterdir()] == ["context.safetensors"]
    assert (tmp_path / "context.safetensors").stat().st_size < 8000


def test_a_saved_context_says_what_it_belongs_to(pocket, tmp_path):
    random_prompted(pocket, ["cat", "猫"], "middle").save(tmp_path / "context.safetensors")
    with safe_open(tmp_path / "context.safetensors", framework="pt") as archive:
        notes, shape = archive.metadata(), archive.get_tensor("context").shape
        assert list(archive.keys()) == ["context"]
    assert tuple(shape) == (4, 128)
    assert (notes["model"], notes["fingerprint"], notes["width"]) == ("pocket-clip", fingerprint(pocket[0]), "128")
    assert (json.loads(notes["class_names"]), notes["position"]) == (["cat", "猫"], "middle")
    assert json.loads(notes["versions"]) == {"torch": torch.__version__, "transformers": transformers.__version__}


def test_a_context_of_another_model_is_refused_and_both_are_named(pocket, small, tmp_path):
    random_prompted(pocket, ["cat"]).save(tmp_path / "context")
    altered = copy.deepcopy(pocket[0])
    with torch.no_grad():
        altered.text_model.encoder.layers[1].mlp.fc1.weight.mul_(1.01)
    here = f"pocket-clip \\(width 128, fingerprint {fingerprint(pocket[0])}\\)"
    for clip, width in ((small[0], 48), (altered, 128)):
        with pytest.raises(ValueError, match=f"{here}.*width {width}, fingerprint {fingerprint(clip)}"):
            PromptedCLIP.load(tmp_path / "context", clip, pocket[1])


def test_a_shared_context_works_for_other_classes_and_that_of_single_classes_does_not(pocket, tmp_path):
    shared, own = random_prompted(pocket, ["cat", "key"]), random_prompted(pocket, ["cat", "key"], class_specific=True)
    shared.save(tmp_path / "shared")
    own.save(tmp_path / "own")
    others = ["umbrella stand", "ball", "cat"]
    loaded = PromptedCLIP.load(tmp_path / "shared", *pocket, class_names=others)
    assert loaded.class_names == tuple(others)
    assert same_predictions(loaded, PromptedCLIP(*pocket, others, init=shared.context))
    for others in (["cat", "ball"], ["key", "cat"], ["cat"]):
        with pytest.raises(ValueError, match="own holds vectors for each of cat, key"):
            PromptedCLIP.load(tmp_path / "own", *pocket, class_names=others)
    assert same_predictions(PromptedCLIP.load(tmp_path / "own", *pocket, class_names=["cat", "key"]), own)


class Bomb:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_file_that_is_no_saved_context_is_refused_and_never_run(pocket, tmp_path):
    file = tmp_path / "context.safetensors"
    random_prompted(pocket, ["cat"]).save(file)
    whole = file.read_bytes()
    torch.save(Bomb(tmp_path / "mark"), tmp_path / "torch")
    contents = [whole[: len(whole) // 2], whole[:-1], whole[:4], b"", b"not tensors at all", b'{"context": [1, 2]}']
    for content in [*contents, pickle.dumps(Bomb(tmp_path / "mark")), (tmp_path / "torch").read_bytes()]:
        file.write_bytes(content)
        with pytest.raises(ValueError, match="context.safetensors"):
            PromptedCLIP.load(file, *pocket)
    assert not (tmp_path / "mark").exists()
    with pytest.raises(FileNotFoundError, match="no such file.*nowhere"):
        PromptedCLIP.load(tmp_path / "nowhere", *pocket)


def test_tensors_that_are_no_context_are_refused(pocket, tmp_path):
    write_tensors(tmp_path / "weights", {"context": torch.zeros(4, 128)}, {"made by": "something else"})
    with pytest.raises(ValueError, match="weights holds no learned context"):
        PromptedCLIP.load(tmp_path / "weights", *pocket)


# --- mistakes, and what is said of them --------------------------------------------------------------------------------------------


def test_a_row_with_too_few_or_too_many_slots_is_named(pocket):
    prompted = random_prompted(pocket, ["cat", "key"])
    ids, placeholder = prompted.ids.clone(), prompted.embeddings.placeholder
    ids[1, 1] = 7
    with pytest.raises(ValueError, match="Text 1 has 3 slots, and there are 4 vectors"):
        prompted.embeddings(input_ids=ids)
    ids[1, 1], ids[1, 5] = placeholder, placeholder
    with pytest.raises(ValueError, match="Text 1 has 5 slots, and there are 4 vectors"):
        prompted.embeddings(input_ids=ids)


def test_contexts_for_other_than_so_many_texts_are_refused(pocket):
    prompted = random_prompted(pocket, ["cat", "key"], class_specific=True)
    with pytest.raises(ValueError, match="there are 1 texts and contexts for 2"):
        prompted.embeddings(input_ids=prompted.ids[:1])


def test_more_positions_than_the_model_has_are_refused(pocket):
    prompted = random_prompted(pocket, ["cat"])
    with pytest.raises(ValueError, match="78 positions long and this model has 77"):
        prompted.embeddings(input_ids=F.pad(prompted.ids, (0, 1)))


def test_a_text_that_does_not_fit_is_named_by_its_class(model):
    room = model[0].config.text_config.max_position_embeddings
    long = " ".join(["cat"] * (room - 6))
    PromptedCLIP(*model, ["key", long[4:]])
    with pytest.raises(
        ValueError, match=f"“{long}” with its context needs {room + 1} positions, and this model has {room}"
    ):
        PromptedCLIP(*model, ["key", long, "ball"])


@pytest.mark.parametrize("above", [0, 1])
def test_a_placeholder_not_below_the_end_of_text_is_refused(pocket, above):
    with pytest.raises(ValueError, match="placeholder has the id.*not below the end of text with 2124"):
        CLIPTextLearnableEmbeddings(pocket[0].text_model.embeddings, torch.zeros(4, 128), 2124 + above, 2124)


@pytest.mark.parametrize("shape", [(4, 64), (128,), (1, 2, 4, 128)])
def test_vectors_of_another_width_or_of_no_such_shape_are_refused(pocket, shape):
    with pytest.raises(ValueError, match=r"this model needs \(M, 128\) or \(C, M, 128\)"):
        CLIPTextLearnableEmbeddings(pocket[0].text_model.embeddings, torch.zeros(shape), 7, 2124)


def test_words_that_are_not_as_many_tokens_as_vectors_are_refused_token_by_token(pocket):
    with pytest.raises(ValueError, match=r"“a photo of” is 3 tokens \(a, photo, of\), and the context has 4 vectors"):
        PromptedCLIP(*pocket, ["cat"], 4, "a photo of")


@pytest.mark.parametrize("shape", [(3, 128), (4, 64), (2, 4, 128)])
def test_a_tensor_to_begin_with_that_does_not_fit_is_refused(pocket, shape):
    with pytest.raises(ValueError, match="init is a tensor"):
        PromptedCLIP(*pocket, ["cat", "key"], 4, torch.zeros(shape))


def test_an_unknown_position_is_refused(pocket):
    with pytest.raises(ValueError, match="position is 'behind'"):
        PromptedCLIP(*pocket, ["cat"], position="behind")


@pytest.mark.parametrize("class_names", ["cat", [], ()])
def test_class_names_are_a_list_of_at_least_one(pocket, class_names):
    with pytest.raises(ValueError, match="class_names is .*give a list"):
        PromptedCLIP(*pocket, class_names)


# --- the vectors to begin with --------------------------------------------------------------------------------------------------------


def test_random_vectors_come_from_the_generator_and_are_as_large_as_those_of_words(pocket):
    table, tokenizer = pocket[0].text_model.embeddings.token_embedding.weight, pocket[1].tokenizer
    one, same = (
        initialise_context("random", (50, 128), table, tokenizer, torch.Generator().manual_seed(seed))
        for seed in (3, 3)
    )
    assert torch.equal(one, same) and abs(one.std() / table.std() - 1) < 0.05
    assert not torch.equal(
        random_prompted(pocket, ["cat"], seed=0).context, random_prompted(pocket, ["cat"], seed=1).context
    )
    own = random_prompted(pocket, ["cat", "key"], class_specific=True).context
    assert not torch.equal(own[0], own[1])


def test_a_tensor_to_begin_with_is_copied_and_not_shared(pocket):
    start = random((4, 128))
    prompted = PromptedCLIP(*pocket, ["cat", "key"], init=start, class_specific=True)
    assert torch.equal(prompted.context, start.expand(2, -1, -1))
    with torch.no_grad():
        prompted.context[0].zero_()
    assert start.abs().min() > 0 and torch.equal(prompted.context[1], start)


def test_learning_does_not_alter_the_words_that_it_began_with(pocket):
    table = pocket[0].text_model.embeddings.token_embedding.weight
    before, prompted = table.clone(), PromptedCLIP(*pocket, ["cat"])
    with torch.no_grad():
        prompted.context.zero_()
    assert torch.equal(table, before)


# --- used ------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def computed(monkeypatch):
    """How often the texts went through the tower."""
    calls = []
    monkeypatch.setattr(mechanism, "encode_fast", lambda *given: calls.append(1) or encode_fast(*given))
    return calls


def test_class_features_are_computed_once_until_the_context_changes(pocket, tmp_path, computed):
    prompted = random_prompted(pocket, ["cat", "key"])
    images = F.normalize(random((5, 128)), dim=-1)
    prompted.save(tmp_path / "context")

    def step():
        prompted.text_features().sum().backward()
        torch.optim.AdamW([prompted.context]).step()
        computed.clear()

    def in_place():
        prompted.context.data[0] += 1

    def replaced():
        prompted.embeddings.context = torch.nn.Parameter(prompted.context.detach() * 2)

    def state_loaded():
        other = random_prompted(pocket, ["cat", "key"], seed=1)
        prompted.load_state_dict(other.state_dict())

    for change in (lambda: None, step, in_place, replaced, state_loaded):
        change()
        prompted.accuracy(images, torch.zeros(5))
        prompted.class_features()
        with torch.no_grad():
            prompted(images)
        prompted.predict(picture())
        assert len(computed) == 1
        computed.clear()
        assert (
            torch.equal(prompted.class_features(), prompted.text_features())
            and not prompted.class_features().requires_grad
        )
        computed.clear()
    assert not torch.equal(PromptedCLIP.load(tmp_path / "context", *pocket).class_features(), prompted.class_features())


def test_with_a_gradient_the_texts_are_computed_anew(pocket):
    prompted = random_prompted(pocket, ["cat", "key"])
    images = F.normalize(random((5, 128)), dim=-1)
    prompted.class_features()
    prompted(images).sum().backward()
    assert prompted.context.grad.abs().max() > 0


def test_logits_from_pictures_are_those_from_their_features(any_model):
    prompted, pictures = random_prompted(any_model, ODD), [picture(1), picture(2, "L"), picture(3, "RGBA")]
    features = encode_images(*any_model, pictures)
    with torch.no_grad():
        logits = prompted(pictures)
        assert logits.shape == (3, len(ODD)) and torch.equal(logits, prompted(features))
    expected = any_model[0].logit_scale.exp() * features @ prompted.class_features().T
    assert torch.equal(logits, expected)


def test_a_prediction_gives_all_classes_with_shares_of_one_the_likeliest_first(model):
    prompted = random_prompted(model, ODD)
    shares = prompted.predict(picture())
    assert set(shares) == set(ODD) and list(shares.values()) == sorted(shares.values(), reverse=True)
    assert abs(sum(shares.values()) - 1) < 1e-5
    with torch.no_grad():
        assert list(shares)[0] == ODD[prompted([picture()]).argmax()]


def test_accuracy_is_the_share_of_pictures_that_get_their_class(pocket):
    prompted = random_prompted(pocket, ["cat", "key", "ball"])
    texts = prompted.class_features()
    assert prompted.accuracy(texts, torch.arange(3)) == 1.0
    assert prompted.accuracy(texts[[0, 1, 2, 0]], torch.tensor([0, 1, 1, 1])) == 0.5


# --- learned ---------------------------------------------------------------------------------------------------------------------------

CLASSES = OBJECTS[:6]
SHORT = TrainConfig(steps=24, learning_rate=0.02, eval_every=4)


@pytest.fixture(scope="module")
def data(pocket):
    """Four, three and three “pictures” of each class: a sketch of it in words, with so much noise that one can overfit."""
    texts = encode_texts(*pocket, [f"a sketch of a small {name}." for name in CLASSES])

    def some(each, seed):
        labels = torch.arange(len(CLASSES)).repeat(each)
        return F.normalize(texts[labels] + 0.2 * random((len(labels), texts.shape[1]), seed), dim=-1), labels

    return FewShot(some(4, 0), some(3, 1), some(3, 2))


def learned(pocket, data, plan=SHORT, seed=0, **how):
    prompted = random_prompted(pocket, CLASSES, seed=seed)
    return prompted, list(train_context(prompted, data, plan, **how))


def validation_loss(prompted, data):
    with torch.no_grad():
        return F.cross_entropy(prompted(data.validation[0]), data.validation[1]).item()


def test_learning_lowers_the_loss_on_pictures_not_learned_from(pocket, data):
    prompted, looks = learned(pocket, data)
    assert looks[-1].loss < 0.5 * looks[0].loss
    assert min(look.validation_loss for look in looks) < 0.8 * looks[0].validation_loss
    assert prompted.accuracy(*data.test) > 3 / len(CLASSES)


@pytest.mark.parametrize("labels", ["right", "wrong"])
def test_the_context_in_the_end_is_the_one_with_the_lowest_validation_loss(pocket, data, labels):
    features, right = data.validation
    mine = FewShot(data.train, (features, right if labels == "right" else (right + 1) % len(CLASSES)), data.test)
    prompted, seen = random_prompted(pocket, CLASSES), {}
    for look in train_context(prompted, mine, SHORT):
        assert look.validation_loss == validation_loss(prompted, mine)
        seen[look.validation_loss] = prompted.context.detach().clone()
    assert min(seen) < look.validation_loss < list(seen)[0] or labels == "wrong"  # best in between: it overfits
    assert torch.equal(prompted.context, seen[min(seen)]) and not torch.equal(
        prompted.context, seen[look.validation_loss]
    )
    assert validation_loss(prompted, mine) == min(seen)


def test_the_test_pictures_are_never_looked_at(pocket, data):
    features, labels = data.test
    blind = FewShot(data.train, data.validation, (features * torch.nan, labels - 99))
    one, looks = learned(pocket, data, regularisation=1.0)
    other, others = learned(pocket, blind, regularisation=1.0)
    assert torch.equal(one.context, other.context)
    assert [look.validation_loss for look in looks] == [look.validation_loss for look in others]


@pytest.mark.parametrize("batch_size", [None, 5])
def test_the_same_seed_gives_the_same_context_to_the_bit(pocket, data, batch_size):
    plan = TrainConfig(steps=12, eval_every=4, batch_size=batch_size)
    one, same = (learned(pocket, data, plan)[0].context for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, learned(pocket, data, plan, seed=1)[0].context)
    other_order = learned(pocket, data, TrainConfig(steps=12, eval_every=4, batch_size=batch_size, seed=1))[0].context
    assert torch.equal(one, other_order) == (batch_size is None)


def test_a_pull_draws_the_features_towards_the_hand_prompt(pocket, data):
    hand = encode_texts(*pocket, [f"a photo of a {name}." for name in CLASSES])

    def distances(pull):
        prompted, _ = learned(pocket, data, regularisation=pull)
        return (prompted.class_features() - hand).square().sum(-1).mean().item()

    free, pulled, strongly = distances(0.0), distances(1.0), distances(8.0)
    assert strongly < 0.5 * pulled < 0.5 * 0.5 * free


def test_broken_off_the_best_context_so_far_is_in_place_and_nothing_has_a_gradient(pocket, data):
    for end in ("close", "interrupt", "break"):
        prompted, best = random_prompted(pocket, CLASSES), {}
        try:
            for look in train_context(prompted, data, TrainConfig(steps=16, eval_every=2)):
                if look.best:
                    best = {"loss": look.validation_loss, "context": prompted.context.detach().clone()}
                if look.step == 12 and end == "break":
                    break
                if look.step == 12 and end == "interrupt":
                    raise KeyboardInterrupt
                last = prompted.context.detach().clone()
        except KeyboardInterrupt:
            assert end == "interrupt"
        assert torch.equal(prompted.context, best["context"]) and not torch.equal(prompted.context, last)
        assert validation_loss(prompted, data) == best["loss"]
        assert prompted.context.grad is None


def test_learning_goes_on_where_it_was_broken_off(pocket, data, tmp_path):
    expected, looks = learned(pocket, data)
    broken = random_prompted(pocket, CLASSES)
    for look in train_context(broken, data, SHORT, tmp_path / "checkpoint"):
        if look.step == 12:
            break
    for prompted in (broken, random_prompted(pocket, CLASSES, seed=5)):
        again = list(train_context(prompted, data, SHORT, tmp_path / "checkpoint"))
        assert torch.equal(prompted.context, expected.context)
        assert [(look.step, look.loss) for look in again] == [(look.step, look.loss) for look in looks]


@pytest.mark.parametrize("other", ["names", "position", "pictures", "pull", "weights"])
def test_a_checkpoint_of_another_task_is_refused_and_the_context_left_alone(pocket, data, tmp_path, other):
    learned(pocket, data, checkpoint=tmp_path / "checkpoint")
    clip = pocket[0]
    if other == "weights":
        clip = copy.deepcopy(clip)
        with torch.no_grad():
            clip.text_projection.weight.copy_(clip.text_projection.weight.flip(0))
    class_names = OBJECTS[6:12] if other == "names" else CLASSES
    prompted = random_prompted((clip, pocket[1]), class_names, "front" if other == "position" else "end", seed=3)
    start = prompted.context.detach().clone()
    mine = data.permute_labels(0) if other == "pictures" else data
    with pytest.raises(
        ValueError, match="checkpoint belongs to another training: at step 24 its loss was .* here it is"
    ):
        list(
            train_context(
                prompted, mine, SHORT, tmp_path / "checkpoint", regularisation=8.0 if other == "pull" else 0.0
            )
        )
    assert torch.equal(prompted.context, start)
