"""What lesson 03 says of stored numbers."""

from collections import Counter
from collections.abc import Iterator
from statistics import mean

import numpy as np

from claims import Claim
from helpers.captioner import VLMWithSoftPrompt
from helpers.captioner_training import initialise_projection
from helpers.pretrained import load_clip, load_language_model
from lessons.lesson_03_soft_prompt.explorers import input_row, writing
from pocket import world
from pocket.captioning import PROMPTS, TESTS
from pocket.language import write_full_caption
from pocket.studies import captioner_study

CITED: dict[str, str] = {}
ALIKE = 0.03  # shares of so many test pictures that lie no further apart are alike, says the lesson


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    study = captioner_study.load_study()
    yield from of_the_captioner()
    yield from of_the_shift(study)
    yield from of_parts(study)
    yield from of_prompts(study)
    yield from of_tips(study)


# --- the captioner of the lesson -------------------------------------------------------------------------------------------------


def of_the_captioner():
    model = VLMWithSoftPrompt(load_clip("pocket"), load_language_model("pocket")).load(
        PROMPTS / "captioner.safetensors"
    )
    key = world.Scene((world.Thing("key", "blue", "small"),), "room", "cartoon")
    assert "fish" in model.generate([world.draw(key, 3, 64)])[0]
    yield Claim("described-seen", "the small key has become a fish", "那把小钥匙被说成了 fish")
    yield from of_patches(model)
    written = [writing.write_greedily(model, rows) for rows in writing.encode_scenes(model, writing.ONE_THING)]
    shown = writing.find_least_sure(written)
    greedy, (scene, _) = written[shown], writing.ONE_THING[shown]
    assert greedy.caption == write_full_caption(scene) and sum(greedy.compute_sureness() < 0.95) == 1
    assert greedy.compute_sureness(3.0).max() < 0.5
    yield Claim(
        "next-word-seen",
        "only where the model is in doubt, here at one word; a temperature of 3 makes it doubt every word",
        "这些设置才起作用，这里只有一个词；升到 3，它对哪个词都没把握了",
    )


def of_patches(model):
    scenes = [world.make_random_scene(np.random.default_rng(seed), things=1) for seed in range(300)]
    features = model.encode([world.draw(scene, seed, 64) for seed, scene in enumerate(scenes)])
    begun = VLMWithSoftPrompt(load_clip("pocket"), load_language_model("pocket"))
    initialise_projection(begun, features, [write_full_caption(scene) for scene in scenes])
    before = begun.vision_projection.weight, begun.vision_projection.bias
    seen = input_row.load_test_pictures(model)
    nearest, _ = input_row.find_nearest_words(model, seen, before)
    first, car = (Counter(top[0] for top in nearest[when][0]) for when in ("begun", "learned"))
    assert first["beach"] > 0.85 * first.total()
    yield Claim(
        "translation-seen", "nearly all patches of the first picture say “beach”", "第一张图的图块几乎都说“beach”"
    )
    assert {"car", "purple"} < set(car) and car["car"] > 3 * car["fish"] and car["fish"] == 2
    assert [word for word in car if word not in input_row.list_true_words(seen[0].scene)] == ["fish"]
    yield Claim(
        "translation-seen",
        "those on the car say “car” and “purple”, but for two that say “fish”",
        "汽车上的图块说的是“car”和“purple”，只有两个说成了“fish”",
    )
    (city,) = (
        Counter(top[0] for top in words)
        for words, picture in zip(nearest["learned"], seen)
        if (picture.scene.things[0].object, picture.scene.background) == ("umbrella", "city")
    )
    assert not city["umbrella"] and city["mushroom"] > 2
    yield Claim(
        "translation-seen",
        "of the umbrella in the city not one patch says “umbrella”, and some say “mushroom”",
        "城市里的那把雨伞，没有一个图块说“umbrella”，倒有几个说“mushroom”",
    )
    others = [(top[0], picture.scene) for words, picture in zip(nearest["learned"][1:], seen[1:]) for top in words]
    about = [word in {scene.things[0].colour, scene.background, *scene.style.split()} for word, scene in others]
    assert mean(about) > 0.75
    yield Claim(
        "translation-seen", "most patches name only colour, style or background", "大多数图块只说出颜色、风格或背景"
    )


# --- the study -------------------------------------------------------------------------------------------------------------------


def of_the_shift(study):
    right, wrong = study.shift
    assert right.shifted and not wrong.shifted and right.history.steps == wrong.history.steps
    own = [run.history.column("validation_loss") for run in (right, wrong)]
    assert own[1][0] > own[0][0] and own[1][-1] < own[0][-1] and wrong.object < 0.1 < right.object
    yield Claim(
        "two-losses-seen",
        "the training without the shift begins higher and ends lower than the right one",
        "开头高，最后反而比对的那次还低",
    )
    assert wrong.next_token_loss[-1] > 2 * wrong.next_token_loss[0]
    yield Claim("two-losses-seen", "nobody looks at in such a training, rose", "训练时没有人去看，其实在上升")


def mean_right(runs, name):
    return mean(run.scores.object for run in runs if name in vars(run).values())


def of_parts(study):
    yield Claim("parts", f"on {TESTS} scenes", f"用的是 {TESTS} 个场景")
    trained = mean_right(study.asked, "as trained")
    for how in ("no picture", "shuffled pictures"):
        assert mean_right(study.asked, how) < study.chance + 2 * (study.chance * (1 - study.chance) / TESTS) ** 0.5
    yield Claim("parts-seen", "the object is right about as often as by chance", "物体说对的比例就和瞎猜差不多")
    assert max(mean_right(study.asked, how) for how in ("soft prompt removed", "words instead")) < trained - 0.1
    yield Claim(
        "parts-seen",
        "cannot simply be taken out, nor exchanged for the words that it began as",
        "不能从训练好的模型里直接拿走，换成它起步时的那些词也不行",
    )
    assert 0.01 < trained - mean_right(study.trained, "without soft prompt") < 0.05
    yield Claim("parts-seen", "a captioner is a few points worse, no more", "只差几个百分点")
    pooled = mean_right(study.trained, "pooled feature")
    assert pooled > 0.9 > trained
    yield Claim("parts-seen", "in more than nine of ten pictures", "十张图里有九张多说对了物体")


def of_prompts(study):
    assert captioner_study.SEVERAL == 8
    yield Claim("blend-seen", "only one in eight has several things", "八张才有一张画着几样东西")
    steps, alone = f"{study.config.steps:,}", f"{captioner_study.PROMPT_CONFIG.steps:,}"
    yield Claim(
        "prompts-measured",
        f"“Describe” has learned for {steps} steps, together with the projection, and each of the others for {alone}",
        f"“描述”和投影一起学了 {steps} 步，其余每套提示词各自单独学了 {alone} 步",
    )
    yield Claim("prompts-measured", f"on {TESTS} scenes each", f"各在 {TESTS} 个场景上测量")
    forms = {run.prompt: (run.learned.form[run.prompt], run.by_hand.form[run.prompt]) for run in study.prompts}
    assert min(learned for learned, _ in forms.values()) > 0.95
    yield Claim("prompts-seen", "keeps to its task nearly always", "几乎总能守住自己的任务")
    assert all(in_words < learned - 0.1 for learned, in_words in forms.values()) and forms["count"][1] < 0.1
    yield Claim(
        "prompts-seen",
        "The same instruction in plain words does so less often, and for counting hardly ever",
        "同样的要求直接用词语写，就常常守不住，数数更是几乎不行",
    )
    assert all(run.learned.content > max(run.by_hand.content, run.one_answer_to_all) for run in study.prompts)
    yield Claim("prompts-seen", "what was learned is more than what we knew how to say", "比我们能用话说出来的多")
    by_number = next(run.by_number for run in study.prompts if run.prompt == "count")
    assert min(by_number["1"], by_number["2"]) > 0.9 and by_number["3"] < 0.1
    yield Claim(
        "prompts-seen",
        "means telling one thing from two; three are hardly ever seen",
        "它只会分清一件和两件；有三件的图，几乎每次都数错",
    )


def of_tips(study):
    tips = {}
    for run in study.tips:
        tips.setdefault(run.tip, {})[run.value] = run.object
    noise = (2 * 0.6 * 0.4 / TESTS) ** 0.5  # the standard error of the difference of two shares like these
    assert ALIKE < noise
    yield Claim(
        "tips",
        f"With {TESTS} test pictures, differences of two or three points mean nothing",
        f"测试图片有 {TESTS} 张，差两三个百分点说明不了什么",
    )
    rates = tips["rate"]
    assert max(rates.values()) - min(rates.values()) == max(
        max(one.values()) - min(one.values()) for one in tips.values()
    )
    yield Claim("tips-seen", "**The rate** decides most", "**学习率**影响最大")
    assert rates[1e-5] < 0.15 and rates[1e-4] < rates[1e-3] / 2
    yield Claim(
        "tips-seen",
        "at 1e-5 next to nothing is learned, and at 1e-4 less than half of what 1e-3 learns",
        "用 1e-5 几乎什么也学不到，用 1e-4 学到的还不及 1e-3 的一半",
    )
    high = [share for rate, share in rates.items() if 1e-3 <= rate <= 1e-1]
    assert len(high) == 4 and max(high) - min(high) < 2 * noise
    yield Claim("tips-seen", "From 1e-3 to 1e-1, a factor of a hundred", "从 1e-3 到 1e-1 差了一百倍，结果却相差不多")
    assert tips["pictures"][100] < tips["pictures"][1000] / 2
    yield Claim("tips-seen", "a hundred pictures are far too few", "一百张图片远远不够")
    assert abs(tips["pictures"][1000] - tips["pictures"][6000]) < ALIKE
    most = f"{study.short_config.steps * study.short_config.batch_size:,}"
    yield Claim(
        "tips-seen",
        f"A thousand do as well as six thousand here, but such a training sees no more than {most}",
        f"一千张和六千张在这里一样好，不过这样一次训练最多只看 {most} 张",
    )
    assert tips["batch"][2] < tips["batch"][8] - 0.1 and tips["batch"][8] < tips["batch"][32] - 0.1
    yield Claim("tips-seen", "larger is better", "大一些更好")
    yield Claim("tips-seen", "Two at a time is poor", "一批两张就差了")
    assert max(tips["length"].values()) - min(tips["length"].values()) < 0.05
    yield Claim("tips-seen", "**The length** moves little", "**提示词的向量个数**影响很小")
    begun = tips["begin"]
    assert begun["all at random"] < begun["projection as words"] - 0.05
    yield Claim(
        "tips-seen",
        "a projection that begins as words gets further than a random one",
        "投影从词语开始，比从随机数开始学得多",
    )
    assert abs(begun["projection as words"] - begun["both as words"]) < ALIKE
    yield Claim("tips-seen", "The prompt's own initialisation hardly matters", "软提示词自己从哪里开始，差别不大")
    features = tips["features"]
    assert features["patches"] < features["last layer"] - 0.05 and max(features, key=features.get) == "pooled"
    yield Claim("tips-seen", "did *better* than those before it", "反而比倒数第二层**更好**")
    exact = {run.value: run.exact for run in study.tips if run.tip == "features"}
    assert exact["pooled"] < min(exact["patches"], exact["last layer"])
    yield Claim(
        "tips-seen",
        "the pooled vector names most objects, though fewer of its captions are right in everything",
        "池化的向量说对的物体最多，可是整句全对的反而少一些",
    )
