"""Our own code gives what the library gives: on the pocket models, and on tiny ones of other sizes (a CLIP with OpenAI's odd EOS id)."""

import pytest
import torch
from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel

from helpers import by_hand
from helpers.pretrained import load_clip, load_language_model

LEGACY_EOS, END = 2, 98  # what OpenAI's configurations say, and the id that really ends a text: the largest there is
TEXTS = ["a photo of a cat.", "a small red dog and a large blue ball in the snow.", "", "a"]


def pocket():
    clip, processor = load_clip()
    return clip, processor.tokenizer(TEXTS, padding=True, return_tensors="pt")["input_ids"]


def legacy():
    text = {"vocab_size": END + 1, "max_position_embeddings": 20, "eos_token_id": LEGACY_EOS, "bos_token_id": 0}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    vision = {"hidden_size": 48, "image_size": 32, "patch_size": 8, **layers}
    config = CLIPConfig(text_config={**text, "hidden_size": 32, **layers}, vision_config=vision, projection_dim=16)
    torch.manual_seed(0)
    ids = torch.randint(3, END, (4, 9))
    for row, place in enumerate((5, 8, 1, 3)):
        ids[row, place] = END
    return CLIPModel(config).eval().requires_grad_(False), ids


@pytest.fixture(params=[pocket, legacy], ids=["pocket", "legacy EOS"], scope="module")
def model(request):
    """A CLIP, ids (4, T) and pixels (2, 3, S, S)."""
    clip, ids = request.param()
    size = clip.config.vision_config.image_size
    return clip, ids, torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def assert_close(ours, theirs):
    """To 1e-5 of the largest number."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_what_enters_the_text_tower(model):
    clip, ids, _ = model
    assert_close(by_hand.embed_tokens(clip, ids), clip.text_model.embeddings(input_ids=ids))


def test_every_layer_of_the_text_tower(model):
    clip, ids, _ = model
    theirs = clip.text_model(input_ids=ids, output_hidden_states=True).hidden_states
    x, mask = by_hand.embed_tokens(clip, ids), by_hand.make_causal_mask(ids.shape[1])
    for layer, expected in zip(clip.text_model.encoder.layers, theirs[1:], strict=True):
        x = by_hand.run_layer(layer, x, mask)
        assert_close(x, expected)


def test_the_text_tower_pools_where_the_library_does(model):
    clip, ids, _ = model
    assert_close(by_hand.run_text_tower(clip, ids), clip.text_model(input_ids=ids).pooler_output)


def test_every_layer_of_the_vision_tower_and_its_end(model):
    clip, _, pixels = model
    theirs = clip.vision_model(pixel_values=pixels, output_hidden_states=True)
    x = clip.vision_model.pre_layrnorm(by_hand.embed_patches(clip, pixels))
    assert_close(x, theirs.hidden_states[0])
    for layer, expected in zip(clip.vision_model.encoder.layers, theirs.hidden_states[1:], strict=True):
        x = by_hand.run_layer(layer, x)
        assert_close(x, expected)
    assert_close(by_hand.run_vision_tower(clip, pixels), theirs.pooler_output)


def test_logits(model):
    clip, ids, pixels = model
    ours = by_hand.compute_logits(clip, by_hand.run_vision_tower(clip, pixels), by_hand.run_text_tower(clip, ids))
    assert_close(ours, clip(input_ids=ids, pixel_values=pixels).logits_per_image)


def test_shares_of_attention_are_those_of_the_library(model):
    clip, ids, _ = model
    eager = CLIPModel(clip.config)
    eager.load_state_dict(clip.state_dict())
    eager.eval().set_attn_implementation("eager")
    theirs = eager.text_model(input_ids=ids, output_attentions=True).attentions[0]
    layer = clip.text_model.encoder.layers[0]
    shares = by_hand.attend(
        layer, layer.layer_norm1(by_hand.embed_tokens(clip, ids)), by_hand.make_causal_mask(ids.shape[1])
    )[1]
    assert_close(shares, theirs)


def test_tokens_after_the_end_of_a_text_change_nothing(model):
    clip, ids, _ = model
    end = int(by_hand.find_end_of_text(clip, ids[:1])[0])
    other = ids[:1].clone()
    other[0, end + 1 :] = 5
    assert end + 1 < ids.shape[1] and not torch.equal(other, ids[:1])
    assert torch.equal(by_hand.run_text_tower(clip, ids[:1]), by_hand.run_text_tower(clip, other))


# --- GPT-2 -------------------------------------------------------------------------------------------------------


def pocket_gpt2():
    gpt2, tokenizer = load_language_model("pocket")
    return gpt2, torch.tensor([tokenizer("once upon a time there was a cat.")["input_ids"]] * 2)


def tiny_gpt2():
    """Other sizes than the pocket's, OpenAI's activation, and an MLP that is not four times as wide."""
    sizes = {"n_embd": 24, "n_layer": 3, "n_head": 3, "n_positions": 20, "n_inner": 40, "vocab_size": 50}
    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(GPT2Config(**sizes, activation_function="gelu_new", bos_token_id=0, eos_token_id=0))
    for parameter in gpt2.parameters():  # biases begin at 0 and scales at 1, where forgetting one would not show
        torch.nn.init.normal_(parameter, std=0.3)
    return gpt2.eval().requires_grad_(False), torch.randint(0, 50, (2, 9))


@pytest.fixture(params=[pocket_gpt2, tiny_gpt2], ids=["pocket", "tiny"], scope="module")
def gpt2(request):
    """A GPT-2, and ids (2, T)."""
    return request.param()


def test_every_layer_of_gpt2(gpt2):
    gpt2, ids = gpt2
    # the last of the library's hidden states is normalised already
    theirs = gpt2(input_ids=ids, output_hidden_states=True).hidden_states
    x, mask = by_hand.embed_gpt2_tokens(gpt2, ids), by_hand.make_causal_mask(ids.shape[1])
    assert_close(x, theirs[0])
    for number, block in enumerate(gpt2.transformer.h, start=1):
        x = by_hand.run_gpt2_layer(block, x, mask)
        assert_close(x if number < len(theirs) - 1 else gpt2.transformer.ln_f(x), theirs[number])


def test_the_logits_of_gpt2_and_what_it_writes(gpt2):
    gpt2, ids = gpt2
    ours, theirs = by_hand.run_gpt2(gpt2, ids), gpt2(input_ids=ids).logits
    assert_close(ours, theirs)
    assert torch.equal(ours.argmax(-1), theirs.argmax(-1))


def test_the_shares_of_gpt2s_attention_are_those_of_the_library(gpt2):
    gpt2, ids = gpt2
    eager = GPT2LMHeadModel(gpt2.config)
    eager.load_state_dict(gpt2.state_dict())
    eager.eval().set_attn_implementation("eager")
    theirs = eager(input_ids=ids, output_attentions=True).attentions[0]
    block, mask = gpt2.transformer.h[0], by_hand.make_causal_mask(ids.shape[1])
    _, shares = by_hand.attend_gpt2(block, block.ln_1(by_hand.embed_gpt2_tokens(gpt2, ids)), mask)
    assert_close(shares, theirs)


def test_without_a_mask_every_position_sees_all(gpt2):
    gpt2, ids = gpt2
    block = gpt2.transformer.h[0]
    x = block.ln_1(by_hand.embed_gpt2_tokens(gpt2, ids))
    assert (by_hand.attend_gpt2(block, x)[1] > 0).all()
    ahead = torch.ones(ids.shape[1], ids.shape[1]).triu(1).bool()
    assert not by_hand.attend_gpt2(block, x, by_hand.make_causal_mask(ids.shape[1]))[1][..., ahead].any()
