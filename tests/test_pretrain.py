"""Facts about how the pocket models are trained and judged; the trainings themselves run for many minutes and are not repeated here."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import GPT2TokenizerFast

from helpers.data import FewShot
from helpers.pretrained import POCKET_GPT2, encode_images, encode_texts, load_clip
from helpers.training import TrainConfig
from pocket import classifiers, evaluate, phases, pretrain_clip, pretrain_gpt2
from pocket.corpus import list_vocabulary
from pocket.evaluate import Row
from pocket.scenes import make_fresh_scene, make_pair, make_training_scenes
from pocket.world import Scene, Thing, draw, list_facts, make_random_scene

QUIET = {"log": lambda line: None}


def phases_of(module: nn.Linear, stop_at: int | None = None) -> list[phases.Phase]:
    """Two phases of regression on random data; the second may be broken off."""

    def loss(step: int, salt: int):
        if salt == 1 and step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(100 * salt + step))
        value = (module(x) - x.sum(1, keepdim=True)).square().mean()
        return value, {"loss": value.item()}

    groups = [{"params": list(module.parameters()), "lr": 1e-2}]
    return [phases.Phase(f"phase {s}", 30, groups, lambda step, s=s: loss(step, s)) for s in (0, 1)]


def fresh() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def test_a_training_that_was_broken_off_ends_as_an_unbroken_one(tmp_path, monkeypatch):
    monkeypatch.setattr(phases, "SAVE_EVERY", -1)  # save at every step
    whole, broken, resumed = fresh(), fresh(), fresh()
    history, _ = phases.train_phases(phases_of(whole), whole, tmp_path / "whole.pt", **QUIET)
    with pytest.raises(KeyboardInterrupt):
        phases.train_phases(phases_of(broken, stop_at=17), broken, tmp_path / "broken.pt", **QUIET)
    again, seconds = phases.train_phases(phases_of(resumed), resumed, tmp_path / "broken.pt", **QUIET)
    assert torch.equal(whole.weight, resumed.weight) and torch.equal(whole.bias, resumed.bias)
    assert again == history and seconds > 0


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    module = fresh()
    phase = phases.Phase(
        "p", 5, [{"params": list(module.parameters()), "lr": 1.0}], lambda step: (torch.tensor(float("nan")), {})
    )
    with pytest.raises(FloatingPointError, match="p, step 0: the loss is nan; try a lower rate"):
        phases.train_phases([phase], module, tmp_path / "never-written.pt", **QUIET)


def test_the_rate_rises_then_falls_and_never_reaches_zero():
    rates = [phases.compute_rate(step, 1000) for step in range(1000)]
    assert rates[0] == 0.01 and max(rates) == 1 and np.argmax(rates) in (99, 100)
    assert 0 < rates[-1] < 0.03


def test_a_pair_is_two_scenes_that_differ_and_comes_again_from_its_number():
    pairs = [make_pair(i, seed=0) for i in range(100)]
    assert pairs == [make_pair(i, seed=0) for i in range(100)]
    assert sum(a != b for a, b in pairs) > 75


def test_patch_answers_ask_for_a_colour_only_where_it_shows():
    scenes = [Scene((Thing("cat", "red", "large"),), "beach", style) for style in ("photo", "blueprint")]
    owners = np.array([[0, -1], [0, -1]])
    answers = pretrain_clip.list_patch_answers(scenes, owners)
    unknown = pretrain_clip.UNKNOWN
    assert answers["colour"].tolist() == [[0, unknown], [unknown, unknown]]
    assert answers["object"].tolist() == [[0, 24], [0, 24]]
    assert answers["size"].tolist() == [[2, unknown], [2, unknown]]


def test_the_contrastive_loss_is_clips_own_but_for_pairs_that_are_also_true():
    images, texts = (F.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(s)), dim=-1) for s in (1, 2))
    scale, none = torch.tensor(1.5), torch.zeros(5, 5, dtype=torch.bool)
    logits, target = scale.exp() * images @ texts.T, torch.arange(5)
    clips_own = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    assert torch.allclose(pretrain_clip.compute_contrastive_loss(images, texts, scale, none)[0], clips_own)
    also_true = none.clone()
    also_true[0, 1] = True
    assert pretrain_clip.compute_contrastive_loss(images, texts, scale, also_true)[0] < clips_own


def test_facts_become_labels():
    rng = np.random.default_rng(0)
    scenes = [make_random_scene(rng) for _ in range(20)]
    assert pretrain_clip.make_fact_matrix(scenes).sum(1).tolist() == [len(list_facts(scene)) for scene in scenes]


@pytest.fixture(scope="module")
def tokenizer():
    return GPT2TokenizerFast.from_pretrained(POCKET_GPT2)


def test_only_the_text_of_a_sample_is_scored_and_it_ends(tokenizer):
    rng = np.random.default_rng(0)
    samples = [pretrain_gpt2.draw_sample(rng, list_vocabulary()) for _ in range(60)]
    batch = pretrain_gpt2.collate(samples, tokenizer)
    for row, s in enumerate(samples):
        scored = tokenizer.decode(batch.next_ids[row][batch.scored[row]])
        assert scored.strip() == s.text + tokenizer.eos_token
    assert any(s.notes and s.on_grid for s in samples) and any(not s.notes for s in samples)


def test_a_blend_is_the_weighted_mean_of_its_words(tokenizer):
    note = (("cat", 0.25), ("red", 0.75))
    batch = pretrain_gpt2.collate([pretrain_gpt2.Sample("", [note], "a red cat.")], tokenizer)
    table = torch.randn(len(tokenizer), 4)
    cat, red = (tokenizer.convert_tokens_to_ids("Ġ" + word) for word in ("cat", "red"))
    vectors = pretrain_gpt2.blend(table, batch, torch.Generator())
    assert torch.allclose(vectors[0, 0], 0.25 * table[cat] + 0.75 * table[red])
    assert torch.allclose(vectors[0, 1], table[tokenizer.convert_tokens_to_ids("Ġa")])


def test_a_row_knows_whether_it_is_good_enough():
    assert Row("a", 93.0, 93).good and not Row("a", 92.9, 93).good
    assert Row("b", 2, 2, at_most=True).good and not Row("b", 3, 2, at_most=True).good
    assert str(Row("a", 1, 93)).startswith("SHORT")


def test_evaluation_passes_over_scenes_that_training_drew():
    rng = np.random.default_rng(0)
    assert any(make_random_scene(rng, things=1) in make_training_scenes() for _ in range(20))
    scene = make_fresh_scene(np.random.default_rng(0), things=1)
    assert scene not in make_training_scenes()
    assert make_fresh_scene(np.random.default_rng(0), besides={scene}, things=1) != scene


class TinyEncoder(evaluate.SceneEncoder):
    """Draws few pictures, in this process."""

    def encode_examples(self, task, each, seed):
        jobs = [(task, label, index, seed) for label in range(len(task.class_names)) for index in range(each)]
        pictures = [evaluate._draw_example(job) for job in jobs]
        return encode_images(self.clip, self.processor, pictures), torch.tensor([job[1] for job in jobs])


def test_every_row_of_the_prompted_clip_can_be_measured(monkeypatch):
    """On so few pictures and steps the values say nothing; that they are there is what is asked."""
    task = replace(evaluate.RED, class_names=evaluate.RED.class_names[:3])
    small = {"HEADROOM": (task,), "SECRETS": (task,), "FAILURE": task, "SHOTS": 2, "CHECKS": 1, "TESTS": 2, "POOL": 3}
    for name, value in {**small, "CONFIG": TrainConfig(steps=1)}.items():
        monkeypatch.setattr(evaluate, name, value)
    rows = evaluate.measure_prompts(TinyEncoder(*load_clip("pocket"), pool=None))
    assert len(rows) == 5 and all(np.isfinite(row.value) for row in rows)
    assert [row.unit for row in rows] == ["points", "points", "points", "of 10", "of 10"]


def test_learning_a_context_leaves_the_model_as_it_was():
    clip, processor = load_clip("pocket")
    before = {name: p.clone() for name, p in clip.named_parameters()}
    texts = encode_texts(clip, processor, ["a cat.", "a key."])
    data = (texts, torch.tensor([0, 1]))
    few, config = FewShot(data, data, data), TrainConfig(steps=3)
    prompted = classifiers.train_new_context(clip, processor, ("cat", "key"), few, config, length=4, seed=0)
    assert prompted.context.shape == (4, clip.config.text_config.hidden_size)
    assert all(torch.equal(before[name], p) for name, p in clip.named_parameters())
    assert torch.equal(texts, encode_texts(clip, processor, ["a cat.", "a key."]))


def test_the_report_of_a_training_can_be_read_back(tmp_path):
    phases.write_report(tmp_path, {"seed": 0}, 90.0, [{"phase": "p", "step": 0, "loss": 1.0}])
    report = json.loads((tmp_path / "training.json").read_text())
    assert report["minutes"] == 1.5 and report["history"][0]["loss"] == 1.0
    phases.write_trained_rows(tmp_path, torch.tensor([True, False, True]))
    assert json.loads((tmp_path / "trained_rows.json").read_text()) == {"trained": [0, 2]}


def test_drawing_for_training_and_for_eyes_is_the_same_function():
    scenes = make_pair(3, seed=0)
    pictures, owners = pretrain_clip.draw_pair((3, 0))
    assert np.array_equal(pictures[1], np.asarray(draw(scenes[1], 7, 64))) and owners.shape == (2, 64)
