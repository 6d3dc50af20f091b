"""What holds of every causal language model, whatever its family does to words, logits and ends of text."""

import json

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from helpers.captioner import VLMWithSoftPrompt
from helpers.captioner_training import pad_captions
from helpers.checkpoint import WrongModel
from helpers.data import get_end_of_text, tokenize_captions
from helpers.language_model import (
    compute_logits,
    decode,
    embed_ids,
    prepare_language_model,
    read_token_table,
    read_vectors,
)
from helpers.pretrained import POCKET_GPT2, fingerprint, identify_model, load_clip, load_language_model

V, D, PAD, END = 60, 32, 0, 2
LLAMA = {
    "hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 64,
}  # fmt: skip
GEMMA = LLAMA | {"head_dim": 8, "query_pre_attn_scalar": 5}
BERT = {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "is_decoder": True}
GPT = {"n_embd": D, "n_layer": 2, "n_head": 4, "n_positions": 64}
CAPS = {"final_logit_softcapping": 0.5, "attn_logit_softcapping": 0.5}
BART = {"d_model": D, "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 48, "scale_embedding": True}
GRANITE = {"embedding_multiplier": 7.0, "logits_scaling": 5.0, "residual_multiplier": 0.3, "attention_multiplier": 0.7}
# every scale that a family's configuration has, set to something that matters
FAMILIES = {
    "GPT2": GPT | {"scale_attn_by_inverse_layer_idx": True, "scale_attn_weights": False},
    "GPTJ": GPT | {"rotary_dim": 4},
    "GPTBigCode": GPT,
    "CodeGen": GPT | {"rotary_dim": 4},
    "Bloom": {"hidden_size": D, "n_layer": 2, "n_head": 4, "apply_residual_connection_post_layernorm": True},
    "Falcon": {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4, "alibi": True},
    "GPTNeo": {"hidden_size": D, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 3},
    "GPTNeoX": {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "rotary_pct": 0.5},
    "OPT": {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 16},
    "XGLM": {"d_model": D, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48, "scale_embedding": True},
    "BioGpt": BERT | {"scale_embedding": True},
    "Llama": LLAMA | {"rope_theta": 100.0},
    "Mistral": LLAMA | {"sliding_window": 3},
    "Qwen2": LLAMA,
    "Phi": LLAMA | {"partial_rotary_factor": 0.5},
    "StableLm": LLAMA,
    "Cohere": LLAMA | {"logit_scale": 40.0},
    "Granite": LLAMA | GRANITE,
    "Gemma": GEMMA,
    "Gemma2": GEMMA | CAPS,
    "Gemma3Text": GEMMA | CAPS,
    "Mamba": {"hidden_size": D, "num_hidden_layers": 2, "state_size": 8},
    "Bart": BART,
    "MBart": BART,
    "Bert": BERT,
}  # fmt: skip
SCALED = {"Cohere", "Granite", "Gemma2", "Gemma3Text"}
CLASSES = {
    "Bert": "BertLMHeadModel",
    "GPT2": "GPT2LMHeadModel",
    "CTRL": "CTRLLMHeadModel",
    "Gemma3Text": "Gemma3ForCausalLM",
}


def make_model(family, **others):
    values = {"vocab_size": V, "pad_token_id": PAD, "bos_token_id": 1, "eos_token_id": END} | FAMILIES[family] | others
    config = getattr(transformers, f"{family}Config")(**values)
    torch.manual_seed(0)
    model = getattr(transformers, CLASSES.get(family, f"{family}ForCausalLM"))(config)
    with torch.no_grad():
        for parameter in model.parameters():  # larger than new ones: the model has opinions
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def make_tokenizer(*words, **marks):
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[END]", *words])}
    whole = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=whole, pad_token="[PAD]", unk_token="[UNK]", **marks or {"eos_token": "[END]"}
    )


@pytest.fixture(scope="module")
def clip():
    torch.set_num_threads(1)
    return load_clip("pocket")


def draw_ids(batch=2, length=7):
    return torch.randint(3, V, (batch, length), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_says_by_us_what_it_says_by_itself(family, clip):
    language, ids = make_model(family), draw_ids()
    own = language(input_ids=ids).logits  # (B, T, V)
    separable = prepare_language_model(language)
    assert separable is False or family not in SCALED
    vectors = embed_ids(language, ids)
    ours = compute_logits(language, read_vectors(language, vectors.clone(), separable), separable)
    assert (ours - own).abs().max() < 1e-5 * own.abs().max()
    torch.testing.assert_close(read_token_table(language)[ids], vectors)
    # behind padding on the left as alone
    mask = torch.ones(2, 10).long()
    mask[0, :3] = 0
    padded = torch.cat([vectors[:1].new_ones(1, 3, vectors.shape[-1]), vectors[:1]], dim=1)
    both = torch.cat([padded, embed_ids(language, draw_ids(1, 10))])
    left = compute_logits(language, read_vectors(language, both, separable, mask), separable)
    assert (left[0, 3:] - own[0]).abs().max() < 2e-5 * own.abs().max()


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_a_captioner_is_that_of_the_models_own_logits(family, clip):
    language = make_model(family)
    model = VLMWithSoftPrompt(clip, (language, make_tokenizer()), 3, generator=torch.Generator().manual_seed(0)).eval()
    features, ids = torch.randn(2, 4, 128, generator=torch.Generator().manual_seed(2)), draw_ids()
    vectors = torch.cat([model.prefix(features), read_token_table(language)[ids]], dim=1)
    own = language(inputs_embeds=vectors).logits[:, 3 + 4 - 1 : -1]
    expected = torch.nn.functional.cross_entropy(own.flatten(0, 1), ids.flatten())
    assert model(features, ids, labels=ids).item() == pytest.approx(expected.item(), rel=1e-5)
    assert model.score(features, ids, ids)[0] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["Bert", "Roberta", "Electra", "Camembert", "RoFormer", "Ernie", "RemBert"])
def test_a_model_that_sees_the_future_is_refused_in_a_sentence(family, dtype, clip, monkeypatch):
    monkeypatch.setitem(FAMILIES, family, BERT | {"embedding_size": D} if family in ("RoFormer", "Electra") else BERT)
    language = make_model(family, is_decoder=False).to(dtype)
    with pytest.raises(ValueError, match=f"^{family}.* can see the words that come after.*not causal"):
        VLMWithSoftPrompt(clip, (language, make_tokenizer()))


@pytest.mark.parametrize("family", ["CTRL", "Roberta", "Camembert", "XLMRoberta", "Data2VecText"])
def test_a_model_that_writes_at_other_positions_than_it_reads_or_not_at_all_is_refused(family, clip, monkeypatch):
    monkeypatch.setitem(FAMILIES, family, GPT | {"dff": 48} if family == "CTRL" else BERT)
    with pytest.raises(ValueError, match=f"^{family}.* cannot write behind vectors"):
        VLMWithSoftPrompt(clip, (make_model(family), make_tokenizer()))


@pytest.mark.parametrize("family", sorted(SCALED))
def test_in_16_bits_a_scale_is_seen_as_well(family):
    for dtype in (torch.bfloat16, torch.float16):
        assert prepare_language_model(make_model(family).to(dtype)) is False
    assert prepare_language_model(make_model("Llama").bfloat16()) is True


def test_a_model_that_reads_words_otherwise_as_vectors_is_refused(clip):
    class Scaled(transformers.GPT2LMHeadModel):
        def forward(self, input_ids=None, inputs_embeds=None, **others):
            if input_ids is not None:
                inputs_embeds = self.transformer.wte(input_ids) * 3
            return super().forward(inputs_embeds=inputs_embeds, **others)

    class Deaf(transformers.GPT2LMHeadModel):
        def forward(self, input_ids):
            return super().forward(input_ids)

    plain = make_model("GPT2")
    for kind in (Scaled, Deaf):
        language = kind(plain.config).eval()
        with pytest.raises(ValueError, match="gives other results when words come as vectors"):
            VLMWithSoftPrompt(clip, (language, make_tokenizer()))


# --- one source for each fact --------------------------------------------------------------------


def test_a_soft_prompt_begins_as_the_vectors_that_enter_the_model(clip):
    words = make_tokenizer("cat", "dog")
    for family in ("Gemma3Text", "XGLM", "Bart", "GPT2"):
        language = make_model(family)
        model = VLMWithSoftPrompt(clip, (language, words), 2, init="cat dog")
        torch.testing.assert_close(model.soft_prompt.prompt_embeddings.data, embed_ids(language, torch.tensor([3, 4])))


def test_an_id_without_a_row_is_told_and_no_index_error(clip):
    language = make_model("GPT2")
    tokenizer = make_tokenizer(*(f"word{number}" for number in range(V)))
    model = VLMWithSoftPrompt(clip, (language, tokenizer), 3)
    beyond = tokenize_captions(tokenizer, ["word1 word59"])[0][None]
    for call in (
        lambda: model(torch.randn(1, 2, 128), beyond),
        lambda: model.generate(torch.randn(1, 2, 128), "word59"),
    ):
        with pytest.raises(ValueError, match="id 62, but the model's table ends at 59"):
            call()


@pytest.mark.parametrize("theirs", [None, 7, [7, 8], END])
@pytest.mark.parametrize("marks", [{"eos_token": "[END]"}, {"sep_token": "[END]"}])
def test_the_end_of_text_is_the_tokenizers_in_training_padding_and_writing(theirs, marks, clip):
    tokenizer, language = make_tokenizer("cat", "dog", "key", "fox", **marks), make_model("GPT2", eos_token_id=theirs)
    language.generation_config.eos_token_id = theirs
    assert get_end_of_text(tokenizer) == END
    rows = tokenize_captions(tokenizer, ["cat dog", "key"])
    assert [row.tolist() for row in rows] == [[3, 4, END], [5, END]]
    assert pad_captions(tokenizer, rows)[0].tolist() == [[3, 4, END], [5, END, END]]
    with torch.no_grad():  # a language model that says cat, dog, end, key, end, whatever stands before
        language.transformer.wpe.weight.zero_()
    model = VLMWithSoftPrompt(clip, (language, tokenizer), 3)
    for following, told in (([3, 4, END, 5, END], "cat dog"), ([7, 5, 6, END, 3], "key fox")):
        written = iter(following)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                language.lm_head, "forward", lambda read: torch.eye(V)[[next(written)]].expand(*read.shape[:2], V)
            )
            assert model.generate(torch.randn(1, 2, 128), max_new_tokens=5) == [told]


def test_greedy_means_greedy_whatever_settings_a_model_brings(clip):
    language, tokenizer = load_language_model("pocket")
    settings = {"repetition_penalty": 9.0, "min_new_tokens": 12, "do_sample": True, "no_repeat_ngram_size": 1}
    plain = VLMWithSoftPrompt(clip, (language, tokenizer), generator=torch.Generator().manual_seed(0))
    seen = torch.randn(3, 4, 128, generator=torch.Generator().manual_seed(0))
    told = plain.generate(seen, max_new_tokens=10)
    language.generation_config = transformers.GenerationConfig(**settings)
    again = VLMWithSoftPrompt(clip, (language, tokenizer), generator=torch.Generator().manual_seed(0))
    assert again.generate(seen, max_new_tokens=10) == told


# --- ids to text ---------------------------------------------------------------------------------


def make_sentencepiece():
    """Words begin with ▁, which decoding makes a blank of, and nothing at the beginning, as Llama's tokenizers do."""
    pieces = ["[PAD]", "[UNK]", "[END]", "▁a", "▁photo", "▁of", "▁cat", "s", "▁", "一", "只", "猫", "，", "▁一"]
    whole = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=1))
    whole.pre_tokenizer, whole.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=whole, pad_token="[PAD]", unk_token="[UNK]", eos_token="[END]")


def make_bert():
    whole = Tokenizer(
        models.WordPiece(
            {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[END]", "一", "只", "猫", "，", "cat", "##s", "a"])},
            unk_token="[UNK]",
        )
    )
    whole.normalizer, whole.pre_tokenizer, whole.decoder = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
        decoders.WordPiece(),
    )
    return PreTrainedTokenizerFast(tokenizer_object=whole, pad_token="[PAD]", unk_token="[UNK]", sep_token="[END]")


def make_bytes():
    return load_language_model(POCKET_GPT2)[1]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (make_sentencepiece, "a photo of cats"), (make_sentencepiece, "一只猫，一只猫"), (make_sentencepiece, "a cat 一只猫"),
        (make_bert, "一只猫，一只猫"), (make_bert, "a cats 一只"), (make_bytes, "a photo of a cat."), (make_bytes, "一只猫。 一只"),
    ],
)  # fmt: skip
def test_a_text_begun_and_gone_on_with_reads_as_if_it_was_whole(make, text, clip):
    tokenizer = make()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert decode(tokenizer, torch.tensor([*ids, get_end_of_text(tokenizer)])) == text
    language = make_model("GPT2", vocab_size=len(tokenizer))
    model = VLMWithSoftPrompt(clip, (language, tokenizer), 3)
    for begun in range(len(ids)):
        prompt = decode(tokenizer, torch.tensor(ids[:begun], dtype=torch.long))
        if tokenizer(prompt, add_special_tokens=False)["input_ids"] != ids[:begun]:
            continue  # half a character, which is no text
        written = torch.tensor([[*ids[begun:], get_end_of_text(tokenizer)]])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(language, "generate", lambda **_: written)
            assert model.generate(torch.randn(1, 2, 128), prompt) == [text]


# --- which model it is ---------------------------------------------------------------------------


def test_a_model_is_told_by_its_weights_and_not_by_their_names():
    language = make_model("GPTNeoX")
    before = fingerprint(language)
    language.renamed_head = language.embed_out if hasattr(language, "embed_out") else language.lm_head
    del language._modules["embed_out" if hasattr(language, "embed_out") else "lm_head"]
    assert fingerprint(language) == before
    with torch.no_grad():
        next(language.parameters())[-1, -1] += 1e-3
    assert fingerprint(language) != before


def test_the_order_of_weights_of_one_shape_counts():
    language, names = make_model("GPT2"), ("h.0.ln_1.weight", "h.1.ln_2.weight")
    before, (one, other) = fingerprint(language), map(language.transformer.get_parameter, names)
    with torch.no_grad():
        one.copy_(torch.stack([one, other])[1]), other.copy_(torch.ones(D))
        swapped = fingerprint(language)
        kept = one.clone()
        one.copy_(other), other.copy_(kept)
    assert len({before, swapped, fingerprint(language)}) == 3


@pytest.mark.parametrize(
    ("family", "setting"),
    [
        ("GPT2", {"activation_function": "relu"}), ("GPT2", {"n_head": 2}), ("GPT2", {"layer_norm_epsilon": 1e-3}),
        ("GPT2", {"scale_attn_by_inverse_layer_idx": False}), ("Llama", {"rope_theta": 500.0}), ("Cohere", {"logit_scale": 1.0}),
        ("Gemma2", {"final_logit_softcapping": None}), ("Granite", {"logits_scaling": 1.0}), ("Mistral", {"sliding_window": None}),
    ],
)  # fmt: skip
def test_equal_weights_with_another_configuration_are_another_model(family, setting, clip, tmp_path):
    ours, other = make_model(family), make_model(family, **setting)
    other.load_state_dict(ours.state_dict())
    VLMWithSoftPrompt(clip, (ours, make_tokenizer())).save(tmp_path / "learned.safetensors")
    with pytest.raises(WrongModel, match=next(iter(setting))):
        VLMWithSoftPrompt(clip, (other, make_tokenizer())).load(tmp_path / "learned.safetensors")


def test_what_another_version_of_the_library_names_otherwise_is_no_other_model(clip, tmp_path):
    language = make_model("Llama")
    model = VLMWithSoftPrompt(clip, (language, make_tokenizer()))
    settings = json.loads(model.models["language"]["config"])
    assert settings["rope_theta"] == "100"
    older = {name: value for name, value in settings.items() if name != "rope_theta"} | {"rotary_emb_base": "100"}
    model.models["language"]["config"] = json.dumps(older)
    model.save(tmp_path / "learned.safetensors")
    VLMWithSoftPrompt(clip, (language, make_tokenizer())).load(tmp_path / "learned.safetensors")


def test_saved_and_loaded_it_is_the_same_model(tmp_path):
    for family in ("GPT2", "Gemma3Text", "Llama"):
        language = make_model(family)
        language.save_pretrained(tmp_path / family)
        again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / family)
        assert identify_model(again) | {"model": ""} == identify_model(language) | {"model": ""}
