"""Facts about SmolLM2 in the course, and a few stored numbers computed again. Skipped where the model is not."""

import pytest
import torch
from torch.nn import functional as F

from helpers import by_hand
from helpers.captioner import IGNORED, VLMWithSoftPrompt
from helpers.captioner_training import batch_captions
from helpers.data import get_end_of_text
from helpers.pretrained import identify_model
from pocket import nouns
from pocket.studies import noun_study

pytestmark = pytest.mark.slow

CAPTIONS = ["a photo of a small red cat in the forest.", "two boats.", "a"]


@pytest.fixture(scope="module", params=["pooled", "patches"])
def captioner(request, clip, smollm2):
    generator = torch.Generator().manual_seed(0)
    model = VLMWithSoftPrompt(clip, smollm2, 10, request.param, init="describe it:", generator=generator)
    features = torch.randn(len(CAPTIONS), 1 if request.param == "pooled" else 64, 128, generator=generator)
    return model, features


def test_logits_and_loss_equal_the_librarys_own_forward_on_the_same_vectors(captioner):
    (model, features), (ids, labels) = captioner, batch_captions(captioner[0].tokenizer, CAPTIONS)
    with torch.no_grad():
        words = model.language_model.get_input_embeddings()(ids)  # (B, T, D)
        before = model.prefix(features)  # (B, M + P, D)
        mask = torch.cat([torch.ones(before.shape[:2]).long(), (labels != IGNORED).long()], dim=1)
        row = torch.cat([before, words], dim=1)
        theirs = model.language_model(inputs_embeds=row, attention_mask=mask).logits
        ours, loss = model(features, ids), model(features, ids, labels=labels)
    scored = mask.bool()
    assert (ours - theirs)[scored].abs().max() <= 1e-5 * theirs.abs().max()
    start = before.shape[1]
    own = F.cross_entropy(theirs[:, start - 1 : -1].flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    assert loss.item() == pytest.approx(own.item(), rel=1e-5)


def test_generate_writes_what_our_greedy_loop_writes(captioner):
    model, features = captioner
    end = get_end_of_text(model.tokenizer)
    for one, text in zip(features, model.generate(features, max_new_tokens=12), strict=True):
        with torch.no_grad():
            ids = by_hand.decode_greedily(model.language_model, model.prefix(one[None]), end, longest=12)
        assert text == model.tokenizer.decode(ids, skip_special_tokens=True).strip()


# --- what is stored ------------------------------------------------------------------------------------------------

ONE_NOUN = 1 / 208  # accuracies may differ by two of the unseen nouns between machines


def test_what_is_stored_belongs_to_this_model(smollm2):
    assert noun_study.load_study().model["fingerprint"] == identify_model(smollm2[0])["fingerprint"]


def test_a_stored_prompt_and_an_instruction_are_right_as_often_as_is_stored(smollm2):
    study, task = noun_study.load_study(), nouns.make_category_task()
    run, best = noun_study.select_prompts(study)[0], noun_study.choose_instruction(study)
    before, after = noun_study.write_instruction(task, best)
    for stored, prefix, behind in (
        (run.accuracy, run.vectors, ":"),
        (study.instructions[best].accuracy, nouns.embed_text(smollm2, before), after),
    ):
        again = noun_study.measure_accuracy(smollm2, prefix, task, behind)
        for name in ("unseen", "calibrated_unseen", "says"):
            assert again[name] == pytest.approx(getattr(stored, name), abs=2.1 * ONE_NOUN), name
