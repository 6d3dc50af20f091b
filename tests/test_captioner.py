"""What holds of the captioner: on the pocket models, on a tiny GPT-2 and on a tiny Llama, with random weights."""

import inspect

import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from helpers import by_hand, captioner, captioner_training, training
from helpers.captioner import IGNORED, SoftPrompt, VLMWithSoftPrompt
from helpers.captioner_training import SharedFeatures, batch_captions, train_captioner, whiten
from helpers.pretrained import load_clip, load_language_model, prepare_pixels
from helpers.training import TrainConfig

WIDTH, VISION_WIDTH, PROMPT = 24, 16, 3
CAPTIONS = ("a photo of a cat.", "a sketch of a small red dog on the beach.", "a key.")


@pytest.fixture(scope="module")
def tokenizer():
    torch.set_num_threads(1)
    return load_language_model("pocket")[1]


@pytest.fixture(scope="module")
def processor():
    return load_clip("pocket")[1]


def small_clip():
    tower = {"hidden_size": VISION_WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**tower, "image_size": 32, "patch_size": 16}
    torch.manual_seed(0)
    return CLIPModel(CLIPConfig(text_config={**tower, "vocab_size": 40}, vision_config=vision, projection_dim=8))


def small_gpt2(tokenizer):
    torch.manual_seed(1)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=WIDTH, n_layer=2, n_head=2, bos_token_id=end, eos_token_id=end
    )
    return shaken(GPT2LMHeadModel(config))


def small_llama(tokenizer):
    torch.manual_seed(2)
    end = tokenizer.eos_token_id
    sizes = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return shaken(
        LlamaForCausalLM(
            LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=1, bos_token_id=end, eos_token_id=end, **sizes)
        )
    )


def shaken(model):
    """Larger weights than a new model has: it has opinions, and the largest logit is far from the next."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


@pytest.fixture(params=[small_gpt2, small_llama], ids=["gpt2", "llama"])
def model(request, tokenizer, processor):
    return vlm(request.param(tokenizer), tokenizer, processor)


def vlm(language, tokenizer, processor, **choices):
    choices = {"prompt_length": PROMPT, "generator": torch.Generator().manual_seed(0)} | choices
    return VLMWithSoftPrompt((small_clip(), processor), (language, tokenizer), **choices).eval()


def features(batch=3, patches=4, width=VISION_WIDTH, seed=0):
    return torch.randn(batch, patches, width, generator=torch.Generator().manual_seed(seed))


def distance(ours, theirs):
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


# --- the seed's promise --------------------------------------------------------------------------------------------------------


def test_names_and_defaults_are_those_that_the_project_grew_from():
    defaults = {name: p.default for name, p in inspect.signature(VLMWithSoftPrompt).parameters.items()}
    assert defaults["vision_model_name"] == "openai/clip-vit-base-patch32"
    assert (defaults["language_model_name"], defaults["prompt_length"]) == ("gpt2", 10)
    prompt = SoftPrompt(generator=torch.Generator().manual_seed(0))
    assert prompt.prompt_embeddings.shape == (10, 768) and 0.019 < prompt.prompt_embeddings.std() < 0.021
    assert prompt(4).shape == (4, 10, 768) and prompt() is prompt.prompt_embeddings
    assert (prompt.prompt_length, prompt.hidden_size) == (10, 768)


def test_without_labels_there_are_logits_at_all_positions(model, tokenizer):
    ids, _ = batch_captions(tokenizer, CAPTIONS)
    logits = model(features(), ids)
    assert logits.shape == (3, PROMPT + 4 + ids.shape[1], len(tokenizer))


def test_pictures_pixels_and_features_are_the_same_to_it(model, tokenizer):
    pictures = [Image.effect_noise((32, 32), 90).convert("RGB") for _ in range(2)]
    model.processor = load_clip("pocket")[1]
    model.processor.image_processor.size = {"shortest_edge": 32}
    model.processor.image_processor.crop_size = {"height": 32, "width": 32}
    values = prepare_pixels(model.vision_model, model.processor, pictures)
    ids, labels = batch_captions(tokenizer, CAPTIONS[:2])
    seen = model.encode(pictures)
    assert seen.shape == (2, 4, VISION_WIDTH)
    losses = [model(images, ids, labels=labels) for images in (pictures, values, seen)]
    assert losses[0] == losses[1] == losses[2]


def test_patches_are_those_of_the_chosen_layer_and_pooled_is_one_vector(tokenizer, processor):
    language, values = small_gpt2(tokenizer), torch.randn(2, 3, 32, 32)
    patches, last = (vlm(language, tokenizer, processor, vision_layer=layer) for layer in (-2, -1))
    pooled = vlm(language, tokenizer, processor, vision_features="pooled")
    seen = patches.vision_model(pixel_values=values, output_hidden_states=True)
    assert torch.equal(patches.encode(values), seen.hidden_states[-2][:, 1:])
    assert torch.equal(last.encode(values), seen.hidden_states[-1][:, 1:])
    assert torch.equal(pooled.encode(values)[:, 0], seen.pooler_output)
    with pytest.raises(ValueError, match="patches.*pooled"):
        vlm(language, tokenizer, processor, vision_features="words")


# --- the loss -------------------------------------------------------------------------------------------------------------------


def loss_by_hand(model, tokenizer, rows, captions):
    """The mean over all tokens of minus the log of the share that each gets from what stands before it, caption by caption."""
    losses = []
    for row, caption in zip(rows, captions, strict=True):
        tokens = [*tokenizer(caption, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        before = model.prefix(row[None])[0]
        for place, token in enumerate(tokens):
            words = model.language_model.get_input_embeddings()(torch.tensor(tokens[:place], dtype=torch.long))
            logits = model.language_model(inputs_embeds=torch.cat([before, words])[None]).logits[0, -1]
            losses.append(-logits.log_softmax(-1)[token])
    return torch.stack(losses).mean()


def test_the_loss_is_that_of_each_token_from_what_stands_before_it_and_of_nothing_else(model, tokenizer):
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    assert torch.isclose(model(features(), ids, labels=labels), loss_by_hand(model, tokenizer, features(), CAPTIONS))


def test_captions_end_and_padding_is_not_scored(tokenizer):
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    for row, caption in enumerate(CAPTIONS):
        tokens = tokenizer(caption, add_special_tokens=False)["input_ids"]
        assert (
            labels[row, : len(tokens) + 1].tolist()
            == ids[row, : len(tokens) + 1].tolist()
            == [*tokens, tokenizer.eos_token_id]
        )
        assert (labels[row, len(tokens) + 1 :] == IGNORED).all()


def test_what_stands_in_the_padding_changes_nothing(model, tokenizer):
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    other = torch.where(labels == IGNORED, 5, ids)
    assert not torch.equal(ids, other)
    assert model(features(), ids, labels=labels) == model(features(), other, labels=labels)


def test_with_nothing_to_score_there_is_a_sentence(model, tokenizer):
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    with pytest.raises(ValueError, match="nothing to learn from"):
        model(features(), ids, labels=torch.full_like(labels, IGNORED))


def test_only_prompt_and_projection_get_a_gradient_and_frozen_parts_stay_in_eval_mode(model, tokenizer):
    model.train()
    assert not model.vision_model.training and not model.language_model.training and model.training
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    model(features(), ids, labels=labels).backward()
    learning = {"soft_prompt.prompt_embeddings", "vision_projection.weight", "vision_projection.bias"}
    assert {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()} == learning
    assert {name for name, p in model.named_parameters() if p.requires_grad} == learning


def test_a_batch_is_its_rows_one_by_one(model, tokenizer):
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    together = model(features(), ids)
    sums = 0.0
    for row in range(3):
        alone = model(features()[row : row + 1], ids[row : row + 1])
        assert distance(alone, together[row : row + 1]) < 1e-5
        count = (labels[row] != IGNORED).sum()
        sums += count * model(features()[row : row + 1], ids[row : row + 1], labels=labels[row : row + 1])
    assert torch.isclose(sums / (labels != IGNORED).sum(), model(features(), ids, labels=labels))


def test_padding_on_the_left_and_on_the_right_give_the_same(model, tokenizer):
    rows = [tokenizer(caption, add_special_tokens=False)["input_ids"] for caption in CAPTIONS]
    longest = max(map(len, rows))
    right = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    left = torch.tensor([[*[0] * (longest - len(row)), *row] for row in rows])
    mask = torch.tensor([[*[0] * (longest - len(row)), *[1] * len(row)] for row in rows])
    from_right = model(features(), right, attention_mask=mask.flip(1))
    from_left, unmasked = model(features(), left, attention_mask=mask), model(features(), right)
    for row, tokens in enumerate(rows):
        n = len(tokens)
        end = from_right.shape[1] - longest
        assert distance(from_left[row, -n:], from_right[row, end : end + n]) < 1e-5
        assert distance(unmasked[row, end : end + n], from_right[row, end : end + n]) < 1e-5


# --- generation -----------------------------------------------------------------------------------------------------------------


def greedy_by_hand(model, tokenizer, row, prompt, most):
    """The likeliest token, again and again, everything computed anew each time."""
    tokens = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    for _ in range(most):
        words = model.language_model.get_input_embeddings()(torch.tensor(tokens, dtype=torch.long))
        vectors = torch.cat([model.prefix(row[None])[0], words])[None]
        token = int(model.language_model(inputs_embeds=vectors).logits[0, -1].argmax())
        if token == tokenizer.eos_token_id:
            break
        tokens.append(token)
    return tokens


@torch.no_grad()
@pytest.mark.parametrize("prompt", ["", "a photo of"])
def test_our_own_loop_says_what_generate_says(model, tokenizer, prompt):
    told = model.generate(features(), prompt, max_new_tokens=12)
    begun = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    for row, text in zip(features(), told, strict=True):
        tokens = greedy_by_hand(model, tokenizer, row, prompt, 12)
        assert text == (prompt + tokenizer.decode(tokens[begun:], skip_special_tokens=True)).strip()
        words = model.language_model.get_input_embeddings()(torch.tensor(tokens[:begun], dtype=torch.long))
        before = torch.cat([model.prefix(row[None]), words[None]], dim=1)
        assert by_hand.decode_greedily(model.language_model, before, tokenizer.eos_token_id, 12) == tokens[begun:]


def test_drawing_from_next_to_nothing_is_greedy_and_from_more_it_is_not(model):
    greedy = model.generate(features(), max_new_tokens=8)
    for narrow in ({"temperature": 1e-4}, {"top_p": 1e-6}):
        assert model.generate(features(), max_new_tokens=8, do_sample=True, **narrow) == greedy
    torch.manual_seed(0)
    hot = model.generate(features(), max_new_tokens=8, do_sample=True, temperature=50.0)
    assert hot != greedy


@torch.no_grad()
def test_beams_find_what_is_at_least_as_likely(model, tokenizer, monkeypatch):
    ids, generate = {}, model.language_model.generate

    def noted(**given):
        given["generation_config"].min_new_tokens = 4
        ids[given["generation_config"].num_beams] = tokens = generate(**given)
        return tokens

    monkeypatch.setattr(model.language_model, "generate", noted)
    for beams in (1, 10):
        model.generate(features(), max_new_tokens=4, num_beams=beams)
    share = {}
    for beams, tokens in ids.items():
        logits = model(features(), tokens)[:, PROMPT + 4 - 1 : -1].log_softmax(-1)  # (B, 4, V)
        share[beams] = logits.gather(-1, tokens[..., None]).sum((1, 2))
    assert (share[10] >= share[1] - 1e-4).all()


def test_a_temperature_without_drawing_is_refused(model):
    for idle in ({"temperature": 0.5}, {"top_p": 0.9}):
        with pytest.raises(ValueError, match="do_sample=True"):
            model.generate(features(), **idle)


# --- beginnings -----------------------------------------------------------------------------------------------------------------


def test_a_prompt_begins_at_random_as_words_or_as_rows_of_the_vocabulary(tokenizer, processor):
    language = small_gpt2(tokenizer)
    table = language.get_input_embeddings().weight
    ids = tokenizer("describe the picture", add_special_tokens=False)["input_ids"]
    words = vlm(language, tokenizer, processor, init="describe the picture", prompt_length=2 + len(ids))
    assert torch.equal(words.soft_prompt.prompt_embeddings, table[[*ids, *ids[:2]]])
    drawn = vlm(language, tokenizer, processor, init="vocabulary").soft_prompt.prompt_embeddings
    assert all((row == table).all(1).any() for row in drawn)
    random = vlm(language, tokenizer, processor, prompt_length=200).soft_prompt.prompt_embeddings
    assert random.std().item() == pytest.approx(table.std().item(), rel=0.05)


def test_words_without_a_table_or_without_tokens_are_refused(tokenizer, processor):
    with pytest.raises(ValueError, match=r"a table \(50257, 768\), and there is no table"):
        SoftPrompt(init="describe")
    with pytest.raises(ValueError, match="there is a table"):
        SoftPrompt(2, 8, 10, "vocabulary", table=torch.zeros(10, 9))
    with pytest.raises(ValueError, match="no token to begin with"):
        vlm(small_gpt2(tokenizer), tokenizer, processor, init="")


def test_shuffled_no_picture_keeps_its_own_where_that_can_be_helped(model):
    one, two, three = features(3).split(1)
    for seen in (features(5), torch.cat([one, one, two, two, three, three])):
        shuffled = dict(captioner_training.ablate(model, seen, torch.zeros(4, WIDTH)))["shuffled pictures"]
        assert not any(torch.equal(then, now) for then, now in zip(seen, shuffled))
        assert all(any(torch.equal(then, now) for then in seen) for now in shuffled)
    for seen in (one, torch.cat([one, one])):
        assert "shuffled pictures" not in dict(captioner_training.ablate(model, seen, torch.zeros(4, WIDTH)))


# --- keeping --------------------------------------------------------------------------------------------------------------------


def test_saved_and_loaded_it_says_the_same(model, tokenizer, processor, tmp_path):
    with torch.no_grad():
        model.vision_projection.bias.normal_()
    model.save(tmp_path / "whole.safetensors")
    other = vlm(model.language_model, tokenizer, processor, prompt_length=7, generator=None)
    assert other.load(tmp_path / "whole.safetensors") is other
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    assert other(features(), ids, labels=labels) == model(features(), ids, labels=labels)
    assert (tmp_path / "whole.safetensors").stat().st_size < 30_000


def test_a_frozen_projection_is_saved_too(model, tokenizer, processor, tmp_path):
    model.vision_projection.requires_grad_(False)
    model.save(tmp_path / "whole.safetensors")
    other = vlm(model.language_model, tokenizer, processor, generator=torch.Generator().manual_seed(5))
    other.load(tmp_path / "whole.safetensors")
    assert torch.equal(other.vision_projection.weight, model.vision_projection.weight)


def test_a_prompt_file_goes_with_its_projection_and_no_other(model, tokenizer, processor, tmp_path):
    model.save(tmp_path / "whole.safetensors")
    model.save_prompt(tmp_path / "prompt.safetensors")
    other = vlm(model.language_model, tokenizer, processor, generator=torch.Generator().manual_seed(5))
    with pytest.raises(ValueError, match=r"beside the projection \w{16}, and this one is \w{16}"):
        other.load_prompt(tmp_path / "prompt.safetensors")
    other.load(tmp_path / "whole.safetensors")
    with torch.no_grad():
        other.soft_prompt.prompt_embeddings.zero_()
    other.load_prompt(tmp_path / "prompt.safetensors")
    assert torch.equal(other.soft_prompt.prompt_embeddings, model.soft_prompt.prompt_embeddings)


def test_files_of_other_models_widths_and_features_are_refused_and_both_are_named(tokenizer, processor, tmp_path):
    language = small_gpt2(tokenizer)
    ours = vlm(language, tokenizer, processor)
    ours.save(tmp_path / "ours.safetensors")
    ours.save_prompt(tmp_path / "prompt.safetensors")
    with pytest.raises(
        ValueError, match=r"learned on unnamed \(width 24.*\), and this language model is pocket-gpt2 \(width 192"
    ):
        VLMWithSoftPrompt((small_clip(), processor), load_language_model("pocket")).load(tmp_path / "ours.safetensors")
    with pytest.raises(ValueError, match=r"learned on unnamed .* and this vision model is pocket-clip"):
        VLMWithSoftPrompt(load_clip("pocket"), (language, tokenizer)).load(tmp_path / "ours.safetensors")
    with pytest.raises(ValueError, match="patches of layer -2, and this model takes pooled"):
        vlm(language, tokenizer, processor, vision_features="pooled").load(tmp_path / "ours.safetensors")
    with pytest.raises(ValueError, match="one of save_prompt"):
        ours.load(tmp_path / "prompt.safetensors")
    with pytest.raises(FileNotFoundError):
        ours.load(tmp_path / "absent.safetensors")


def seed_file(file, model, length=PROMPT):
    """A checkpoint as the script saved it that the course grew from."""
    prompt = {"prompt_embeddings": torch.randn(length, WIDTH), "prompt_token_ids": torch.arange(length)}
    projection = {name: torch.randn_like(value) for name, value in model.vision_projection.state_dict().items()}
    config = {
        "prompt_length": length,
        "vision_model_name": "openai/clip-vit-base-patch32",
        "language_model_name": "gpt2",
    }
    whole = {"soft_prompt_state_dict": prompt, "vision_projection_state_dict": projection, "model_config": config}
    torch.save(whole | {"epoch": 3, "loss": 0.5}, file)
    return prompt["prompt_embeddings"], projection


@pytest.mark.parametrize("length", [PROMPT, 7])
def test_a_file_of_the_seeds_script_is_loaded(model, tmp_path, length):
    vectors, projection = seed_file(tmp_path / "seed.pth", model, length)
    values = torch.randn(2, 3, 32, 32)
    last = model.vision_model(pixel_values=values, output_hidden_states=True).hidden_states[-1]
    with pytest.warns(UserWarning, match="learned from cls_patches of layer -1"):
        model.load(tmp_path / "seed.pth")
    assert captioner.read_vision_features(tmp_path / "seed.pth") == (model.vision_features, model.vision_layer)
    assert torch.equal(model.encode(values), last)
    assert torch.equal(model.soft_prompt.prompt_embeddings, vectors)
    assert all(torch.equal(value, projection[name]) for name, value in model.vision_projection.state_dict().items())


def test_the_seeds_own_two_lines_load_its_prompt(model, tmp_path):
    vectors, _ = seed_file(tmp_path / "soft_prompt_vlm_checkpoint.pth", model)
    checkpoint = torch.load(tmp_path / "soft_prompt_vlm_checkpoint.pth")
    model.soft_prompt.load_state_dict(checkpoint["soft_prompt_state_dict"])
    assert torch.equal(model.soft_prompt.prompt_embeddings, vectors)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        model.soft_prompt.load_state_dict(checkpoint["soft_prompt_state_dict"] | {"other": vectors})


def test_a_torch_file_of_another_kind_or_width_is_refused_and_nothing_is_taken_over(model, tmp_path):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = {
        "soft_prompt_state_dict": {"prompt_embeddings": torch.zeros(2, WIDTH + 1)},
        "vision_projection_state_dict": {},
    }
    for content, told in (
        ({"weights": torch.zeros(2)}, "no soft_prompt_state_dict"),
        (torch.zeros(2), "a Tensor and no tensors by name"),
        (whole, rf"shape \(2, {WIDTH + 1}\), and these models need \(M, {WIDTH}\)"),
    ):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(ValueError, match=told):
            model.load(tmp_path / "other.pth")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# --- learning -------------------------------------------------------------------------------------------------------------------


def test_in_even_coordinates_the_map_is_the_same_and_afterwards_too(model):
    plain = features(20) * torch.linspace(0.01, 3, VISION_WIDTH) + 2
    before = model.vision_projection(plain)
    with whiten(model, plain) as even:
        spread, then = (torch.linalg.eigvalsh(torch.cov(seen.flatten(0, 1).T)) for seen in (even(plain), plain))
        assert distance(model.vision_projection(even(plain)), before) < 1e-4
        assert spread.max() < 1.01 and spread.max() / spread.median() < then.max() / then.median() / 2
    assert distance(model.vision_projection(plain), before) < 1e-4


def test_features_shared_by_captions_give_the_numbers_of_repeated_ones(model, tokenizer):
    """Places: some pictures with many captions, one with one, one with none; in fp64, so that rounding is small."""
    once, pictures = features(6).double(), torch.tensor([2, 0, 2, 2, 4, 0, 5, 1, 2, 5, 5])
    texts = [CAPTIONS[number % 3] + " and so on" * (number % 2) for number in range(len(pictures))]
    shared, results, model = SharedFeatures(once, pictures), [], model.double()
    begin = training.copy_parameters(dict(model.named_parameters()))
    for seen in (shared, once[pictures]):
        training.restore_parameters(dict(model.named_parameters()), begin)
        captioner_training.initialise_projection(model, seen, texts)
        begun = model.vision_projection.weight.detach().clone()
        with whiten(model, seen) as even:
            white = even(once)
        config = TrainConfig(steps=5, learning_rate=0.01, batch_size=4, eval_every=5)
        *_, last = train_captioner(model, (seen, texts), (seen, texts), config)
        results.append((begun, white, model.vision_projection.weight.detach().clone(), torch.tensor(last.mean_loss)))
    for ours, theirs in zip(*results):
        assert distance(ours, theirs) < 1e-9
    with whiten(model, once) as even:
        assert distance(even(once), white) > 1e-3, "it matters how often a picture counts"


def test_learning_lowers_the_loss_and_the_model_takes_plain_features_afterwards(model, tokenizer):
    seen, texts = features(12), [CAPTIONS[number % 3] for number in range(12)]
    for number in range(12):
        seen[number] += number % 3
    looks = list(
        train_captioner(
            model,
            (seen, texts),
            (seen[:3], texts[:3]),
            TrainConfig(steps=30, learning_rate=0.05, batch_size=6, eval_every=10),
        )
    )
    assert [look.step for look in looks] == [0, 10, 20, 30]
    assert looks[-1].validation_loss < 0.9 * looks[0].validation_loss
    best = min(looks, key=lambda look: look.validation_loss)
    ids, labels = batch_captions(tokenizer, texts[:3])
    assert model(seen[:3], ids, labels=labels).item() == pytest.approx(best.validation_loss, rel=1e-3)


def test_at_each_look_the_model_may_be_used_and_that_changes_nothing(model, tokenizer):
    """It takes plain features then, though it learns in other coordinates."""
    seen, texts = features(12), [CAPTIONS[number % 3] for number in range(12)]
    ids, labels = batch_captions(tokenizer, texts[:3])
    plan, begin = (
        TrainConfig(steps=12, learning_rate=0.05, batch_size=6, eval_every=4),
        {k: v.clone() for k, v in model.named_parameters()},
    )
    ends = []
    for looked in (True, False):
        training.restore_parameters(dict(model.named_parameters()), begin)
        for look in train_captioner(model, (seen, texts), (seen[:3], texts[:3]), plan):
            if looked:
                assert model(seen[:3], ids, labels=labels).item() == pytest.approx(look.validation_loss, rel=1e-3)
        ends.append(model.vision_projection.weight.clone())
    assert torch.equal(*ends)


def test_other_vectors_stand_in_for_the_prompt_only_within(model):
    own, others = model.soft_prompt.prompt_embeddings, torch.randn(5, WIDTH)
    with model.swap_prompt(others):
        assert torch.equal(model.prefix(features())[0, :5], others)
    assert model.soft_prompt.prompt_embeddings is own
    with model.swap_prompt(own[:0]):
        assert model.prefix(features()).shape == (3, 4, WIDTH)


def test_a_projection_begins_as_a_translation_into_the_words_of_captions(model, tokenizer):
    """Two kinds of picture, told apart by one direction: their patches begin nearer to the words of their own captions."""
    table = model.language_model.get_input_embeddings().weight
    seen, texts = features(40, seed=3), ["cat cat cat", "key key key"] * 20
    seen[::2, :, 0] += 3
    captioner_training.initialise_projection(model, seen, texts)
    words = table[[tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("cat", "key")]]
    cats, keys = (model.vision_projection(seen[first::2]).mean((0, 1)) for first in (0, 1))
    assert F.cosine_similarity(cats - keys, words[0] - words[1], dim=0) > 0.95
    assert model.vision_projection(seen).sub(words.mean(0)).std().item() == pytest.approx(
        0.6 * table.std().item(), rel=0.2
    )


def test_with_a_frozen_projection_the_prompt_alone_learns(model):
    model.vision_projection.requires_grad_(False)
    before = model.vision_projection.weight.clone(), model.soft_prompt.prompt_embeddings.clone()
    for _ in train_captioner(
        model, (features(), CAPTIONS), (features(), CAPTIONS), TrainConfig(steps=4, learning_rate=0.05, eval_every=2)
    ):
        pass
    assert distance(model.vision_projection.weight, before[0]) < 1e-4
    assert not torch.equal(model.soft_prompt.prompt_embeddings, before[1])


def test_a_learned_share_of_right_tokens_is_that_of_the_logits(model, tokenizer):
    look = next(train_captioner(model, (features(), CAPTIONS), (features(), CAPTIONS), TrainConfig(steps=1)))
    ids, labels = batch_captions(tokenizer, CAPTIONS)
    logits = model(features(), ids)[:, PROMPT + 4 - 1 : -1]
    assert look.validation_score == pytest.approx(
        (logits.argmax(-1) == labels)[labels != IGNORED].float().mean().item()
    )
    assert look.validation_loss == pytest.approx(
        F.cross_entropy(logits[labels != IGNORED], labels[labels != IGNORED]).item(), rel=1e-4
    )


def test_a_prompt_that_learned_beside_a_frozen_projection_loads_beside_it(model, tokenizer, processor, tmp_path):
    """To the bit: what learns in other coordinates may not leave rounding in what was frozen."""
    model.save(tmp_path / "whole.safetensors")
    model.vision_projection.requires_grad_(False)
    for _ in train_captioner(
        model, (features(), CAPTIONS), (features(), CAPTIONS), TrainConfig(steps=4, learning_rate=0.05, eval_every=2)
    ):
        pass
    model.save_prompt(tmp_path / "prompt.safetensors")
    other = vlm(model.language_model, tokenizer, processor).load(tmp_path / "whole.safetensors")
    other.load_prompt(tmp_path / "prompt.safetensors")
    assert torch.equal(other.soft_prompt.prompt_embeddings, model.soft_prompt.prompt_embeddings)
