"""What lesson 04 says of stored numbers."""

from collections.abc import Iterator
from functools import cache
from statistics import mean

import torch

from claims import Claim
from helpers import reading
from helpers.pretrained import load_clip, load_language_model
from lessons.lesson_04_reading import instruments
from lessons.lesson_04_reading.explorers import influence, neighbours, planted, prompts
from pocket.captioning import PROMPTS
from pocket.studies import captioner_study
from pocket.studies import reading_study as study

CITED: dict[str, str] = {}
RED, SKETCH, BLURRED = study.FOLLOWED
AT_RANDOM, AS_WORDS = study.INITS


def claims() -> Iterator[Claim]:
    """Each phrase about a number that is stored, and not printed by a compared cell of the lesson."""
    yield from nearest_words()
    yield from null_and_map()
    yield from back_to_words()
    yield from most_missed()
    yield from planted_words()
    yield from tested()
    yield from levers()
    yield from stored_prompts()
    yield from conclusion()


# --- what is read here -----------------------------------------------------------------------------------------------------------


@cache
def vocabulary() -> reading.Vocabulary:
    clip, processor = load_clip("pocket")
    return reading.read_vocabulary(clip, processor.tokenizer)


def nearest(vectors: torch.Tensor, k: int = 1) -> torch.Tensor:
    """The places (…, k) of the k nearest words."""
    return reading.find_nearest_tokens(vectors, vocabulary().table, k, rows=vocabulary().words).ids


def named(ids: torch.Tensor) -> list[str]:
    return [vocabulary().names[id] for id in ids.flatten().tolist()]


def places(contexts: torch.Tensor, *words: str) -> torch.Tensor:
    return study.find_best_rank(contexts, words, vocabulary())


@cache
def table_of_nulls() -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, planted.tabulate_p_values().rows))


# --- claims by section -----------------------------------------------------------------------------------------------------------


def nearest_words() -> Iterator[Claim]:
    stored = study.load_study()
    trainings = sum(len(part) for part in (stored.learned, stored.on_words, stored.each_class, stored.permutations))
    assert 200 < trainings < 1000
    yield Claim("first-look", "in several hundred trainings started by one command", "用一条命令训练了好几百次")
    assert stored.contexts(BLURRED).shape[:2] == (5, 4)
    yield Claim("first-look", "Each context has four vectors", "每组上下文向量都有四个")
    yield Claim("first-words", "in five contexts", "五组上下文向量")

    path, first = places(stored.contexts(RED, field="path"), "red"), stored.config.eval_every  # (S, E)
    assert (path[:, 0] > 1).all() and (path[:, 1:] == 1).all()
    yield Claim(
        "explore-seen",
        f"from step {first} on, *red* is the nearest word of some vector; *scarlet* and *crimson* follow",
        f"从第 {first} 步起，总有某个向量的最近词是 red，scarlet、crimson 紧随其后",
    )
    threes = [named(ids) for ids in nearest(stored.contexts(RED)[0], 3)]
    assert {"red", "scarlet", "crimson"} in [set(three) for three in threes]
    yield Claim("explore", f"at the riddle's step {first}", f"谜题的第 {first} 步")

    words = ", ".join(dict.fromkeys(named(nearest(stored.contexts(SKETCH)[0]))))
    begun, kept = (places(stored.contexts(SKETCH, field=field)[0], "sketch").item() for field in ("begun", "context"))
    count = len(vocabulary().words)
    assert kept > neighbours.MOST_WORDS * study.LENGTH  # the explorer shows so many
    yield Claim("explore-seen", f"{words} …", words.replace(", ", "、") + "……")
    yield Claim(
        "explore-seen",
        f"*sketch* stands far down, on place {kept} of {count}, where this instrument does not show it",
        f"sketch 远在 {count} 个词里的第 {kept} 位，词数开到最多也看不见",
    )
    yield Claim("explore-seen", f"it stood on place {begun} at step 0", f"它在第 0 步排第 {begun}")
    yield Claim("p-values", f"*sketch* stands on place {kept}", f"sketch 排在第 {kept} 位")


def null_and_map() -> Iterator[Claim]:
    stored, table = study.load_study(), vocabulary().table[vocabulary().words]

    def median(permuted: bool) -> float:
        contexts = torch.stack([stored.contexts(task, AT_RANDOM, permuted) for task in study.TASKS])
        return reading.measure_distances(contexts, table).amin(-1).median().item()

    assert median(permuted=True) < median(permuted=False)
    yield Claim(
        "permuted-words",
        "vectors from permuted labels, begun at random, come nearer still",
        "同样从随机数开始，用打乱的标签学出来的向量离词还要更近",
    )
    shuffled = stored.contexts(RED, permuted=True)
    assert set(named(nearest(shuffled))) == {"bird", "sparrow", "goldfish", "small"}
    yield Claim(
        "near-seen",
        "Birds (*bird*, *sparrow*), *goldfish* and *small*, and not once *red*",
        "读出来的是 bird、sparrow、goldfish、small，red 一次也没有",
    )
    shown = instruments.project(shuffled, table, 1)
    assert (shown.vectors < shown.words.min()).all() or (shown.vectors > shown.words.max()).all()
    yield Claim(
        "paths-seen",
        "they all ran far along the first direction, to the same side",
        "全都沿着第一个方向，朝同一边跑出很远",
    )


def back_to_words() -> Iterator[Claim]:
    stored = study.load_study()
    for secret in ("red", "blue", "large"):
        hand, learned, snapped = stored.accuracies(study.make_secret_task(secret).name)
        assert learned - 0.02 < snapped and learned > hand + 0.05
    yield Claim(
        "search-seen",
        "**Red, blue, large**: their nearest words do nearly as well",
        "**红、蓝、大**：最近的词几乎和向量一样好",
    )
    assert min(*stored.accuracies(SKETCH), *stored.helpful_words(SKETCH).random_words) > 0.95
    yield Claim("search-seen", "everything does well, even four words drawn at random", "什么都行，随便抽四个词也行")

    left = study.make_secret_task("left").name
    by_hand, *others = stored.accuracies(left)
    others += [mean(searched(left)), mean(stored.helpful_words(left).random_words)]
    assert max(others) < by_hand
    yield Claim("search-seen", "nothing does better on average than “a photo of a”", "平均起来谁也不比“a photo of a”强")
    hand, learned, snapped = stored.accuracies(BLURRED)
    assert round(100 * (learned - hand)) == 10 and snapped < hand + 0.005
    yield Claim(
        "search-seen",
        "the vectors gain ten points, their nearest words nothing",
        "向量提高了十个百分点，最近的词一点也没提高",
    )
    found = [(accuracy - hand) / (learned - hand) for accuracy in searched(BLURRED)]
    assert 0 < mean(found) < 0.1 and sum(share > 0.1 for share in found) == 1 and 0.45 < max(found) < 0.55
    yield Claim(
        "search-seen",
        "little more on average, and once, with a lucky seed, half of the gain",
        "平均下来也多不了多少；只有一次，碰上运气好的种子，才得到提高幅度的一半",
    )


def searched(task: str) -> list[float]:
    return [run.accuracy for run in study.load_study().on_words if run.task == task]


@cache
def worth() -> dict[tuple[str, int], tuple]:
    """Of each context of the riddle and of the blurred photos that began at random: its record, and its attention (L, M)."""
    scorer, known = influence.make_scorer(*load_clip("pocket")), {}
    for task, seed in [(RED, 0), *((BLURRED, seed) for seed in study.SEEDS)]:
        learned = scorer.prompted(task).with_context(study.load_study().contexts(task)[seed])
        known[task, seed] = scorer.fixed(task, AT_RANDOM, seed), influence.measure_attention(learned)[0]
    return known


def most_missed() -> Iterator[Claim]:
    riddle, attention = worth()[RED, 0]
    assert riddle.learned - min(riddle.without) < 0.03
    yield Claim("influence-seen", "no vector is missed by more than a few points", "少哪个向量都只差几个百分点")
    assert attention[2].argmax() == 0 and riddle.learned - riddle.without[0] < 0.01
    yield Claim(
        "influence-seen",
        "in the riddle's layer 3 the end of the text attends most to vector 1, and hardly misses it",
        "谜题的第 3 层里，文本结束符给向量 1 的注意力（attention）最多，可少了它几乎没有关系",
    )
    assert max(riddle.reordered) - min(riddle.reordered) < 0.02
    yield Claim("influence-seen", "This CLIP hardly asks for order at all", "这个 CLIP 本来就不大在乎顺序")

    blurred = [worth()[BLURRED, seed][0] for seed in study.SEEDS]
    carried = [(one.learned - min(one.without)) / (one.learned - one.hand) for one in blurred]
    assert sum(share > 0.5 for share in carried) == 3 and len(carried) == 5
    yield Claim(
        "influence-seen",
        "one vector carries most of the gain with three seeds of five",
        "五个种子里有三个，是一个向量扛着大半的提高",
    )
    lost = [one.learned - min(one.orders) for one in blurred]
    assert max(lost[0], 0) == 0 and round(100 * lost[1]) == 4
    yield Claim(
        "influence-seen",
        "another order costs nothing with one seed and up to four points with the next",
        "换个顺序，有的种子一点不降，有的最多降四个百分点",
    )


def planted_words() -> Iterator[Claim]:
    stored, words = study.load_study(), vocabulary()

    def count(kind: str, init: str = AT_RANDOM, field: str = "context") -> tuple[int, int, int]:
        return stored.count_named(kind, words, planted.WITHIN, field, [init])

    assert len(study.KINDS["style"]) == len(study.KINDS["secret"]) == 8 and len(stored.seeds) == 5
    yield Claim("planted", "Eight *styles*", "八种**风格**")
    yield Claim("planted", "Eight *secrets*", "八个**秘密**")
    luck = 1 - (1 - planted.WITHIN / len(words.words)) ** study.LENGTH
    assert round(1 / luck) == 9
    yield Claim(
        "planted",
        f"out of {len(words.words)}. By luck alone that happens to about one context in nine",
        f"一共 {len(words.words)} 个词",
    )
    yield Claim("planted", "four vectors with five places each", "光凭运气，大约九组里会有一组：四个向量，每个五个位置")

    assert (
        places(stored.contexts(study.make_style_task("photo").name, AS_WORDS), "photo") == 1
    ).all()  # what the quiz says
    yield Claim("planted-explore", "In the row of the photos", "仿照片（photo）那一行")

    assert all(count("secret", init)[0] == 40 == count("secret", init)[2] for init in study.INITS)
    yield Claim("planted-seen", "Secrets are read every time", "秘密次次都读得出来")
    for kind in ("style", "mixture"):
        tasks = [task.name for task in study.KINDS[kind]]
        chance = mean(planted.measure_luck(task, AT_RANDOM, planted.WITHIN) for task in tasks)
        hits, _, contexts = count(kind)
        assert abs(hits - chance * contexts) < 2 * (contexts * chance * (1 - chance)) ** 0.5
    yield Claim(
        "planted-seen",
        "styles and mixtures with random initialisation, about as often as luck would have it",
        "随机初始化的风格和混合，都和碰运气差不多",
    )
    kept = [run for run in stored.learned if (run.step, run.permuted, run.init) == (0, False, AT_RANDOM)]
    never = sum(study.KIND[run.task] == "style" for run in kept)
    assert never == 13 and count("style")[2] == 40
    yield Claim("planted-seen", "Thirteen of those 40 style contexts", f"这 40 组风格的上下文向量里，有 {never} 组")
    for kind, init in ((kind, init) for kind in ("style", "mixture") for init in study.INITS):
        assert count(kind, init)[0] <= count(kind, init, "last")[0]
    assert count("style")[0] < count("style", field="last")[0] < count("secret", field="last")[0]
    hits, _, contexts = count("mixture", AS_WORDS, "last")
    assert hits / contexts < count("secret", AS_WORDS, "last")[0] / 40
    yield Claim(
        "planted-seen",
        f"of the mixtures from “a photo of a” even {hits} of {contexts}, still fewer than secrets",
        f"从“a photo of a”开始的混合甚至有 {contexts} 组里的 {hits} 组，可还是不如秘密",
    )
    null = {
        (word, init): (places(stored.contexts(study.make_secret_task(word).name, init, permuted=True), word) <= 5).sum()
        for word in ("small", "pink")
        for init in study.INITS
    }
    assert (
        null["small", AT_RANDOM] == null["small", AS_WORDS] == null["pink", AS_WORDS] == 4
        and not null["pink", AT_RANDOM]
    )
    yield Claim(
        "planted-seen",
        "*small* nearly always and, from “a photo of a”, mostly *pink* as well",
        "几乎总会说出 small；从“a photo of a”开始的，多半还会说出 pink",
    )


def tested() -> Iterator[Claim]:
    stored = study.load_study()
    assert (places(stored.contexts(RED)[0], "red") == 1).all()
    yield Claim(
        "p-values", "the first context of the riddle, where *red* is the nearest word of all", "red 是离得最近的词"
    )
    (others,) = {len(stored.permuted_contexts(task)) for task in study.TESTED}
    yield Claim("p-values", f"For each there are {others} others", f"两边各有另外 {others} 组")

    rows = {row[1]: row[2:] for row in table_of_nulls()}
    ps = {word: [float(p.strip("≤ ")) for p in row[2:]] for word, row in rows.items()}  # permuted, random, other tasks
    strong, (fifth, one_more) = (
        {word for word, three in ps.items() if max(three) < 0.05},
        rows["sketch"][0].rsplit(", ", 1),
    )
    listed = f"{fifth} and {one_more}", f"{fifth} 和 {one_more}"
    assert ps["sketch"][0] <= 0.001 and ps["sketch"][1] > 0.05
    yield Claim(
        "two-nulls",
        f"the word stands on places {listed[0]}, where random vectors put it as well",
        f"这个词排在第 {fifth.replace(', ', '、')}、{one_more} 位，随机向量也能把它排到这里",
    )
    steps = {run.permuted: [] for run in stored.learned}
    for run in stored.learned:
        if run.task == SKETCH and run.init == AT_RANDOM:
            steps[run.permuted].append(run.step)
    assert set(steps[True]) == {stored.config.steps} and steps[False].count(0) == 1
    yield Claim(
        "two-nulls",
        f"they trained all {stored.config.steps} steps, and one of these five none",
        f"它们都走完了 {stored.config.steps} 步，这五组里却有一组一步没走",
    )
    towards = named(nearest(torch.stack([stored.contexts(task, permuted=True) for task in study.TASKS])))
    assert {"bird", "small"} <= {word for word in set(towards) if towards.count(word) > 0.05 * len(towards)}
    yield Claim("two-nulls", "ran off towards *bird* and *small*", "全都跑到 bird 和 small 那边去了")
    secrets = set(study.SECRETS)
    assert len(ps) == 16 and len(strong) == 5 and strong < secrets
    yield Claim("all-sixteen", "Sixteen questions are asked here", "这里一共问了十六个问题")
    yield Claim(
        "two-nulls",
        "No style stands against all three, and five secrets do",
        "三种对照都胜过的，风格一个也没有，秘密有五个",
    )
    assert secrets - strong == {"small", "left", "right"}
    assert ps["small"][0] > 0.05 > max(ps["small"][1:])
    yield Claim("two-nulls", "*Small* fails against permuted labels", "small 输给了打乱的标签")
    assert all(max(ps[word][:2]) < 0.05 < ps[word][2] for word in ("left", "right"))
    yield Claim(
        "two-nulls",
        "*Left* and *right* beat permuted labels and random vectors, but not the other secrets",
        "left 和 right 胜过打乱的标签和随机向量，却胜不过别的秘密",
    )
    hand, _, _ = stored.accuracies(RED)
    assert stored.class_contexts(RED).accuracy <= hand
    yield Claim(
        "each-class-seen",
        f"they do no better than “a photo of a”, which section 6 gave {hand:.1%}".replace("%", " %"),
        f"它们并不比“a photo of a”强（第 6 节的表里是 {hand:.1%}）",
    )


def levers() -> Iterator[Claim]:
    stored = study.load_study()
    helpful = {task: stored.helpful_words(task) for task in study.TASKS}
    table = vocabulary().table[vocabulary().words]

    def closest(task: str, k: int) -> list[str]:
        apart = reading.measure_distances(stored.contexts(task).flatten(0, 1), table).amin(0)
        return named(vocabulary().words[apart.argsort(stable=True)[:k]])

    assert set(list(helpful[RED].losses)[:3]) == set(closest(RED, 3)) == {"red", "scarlet", "crimson"}
    yield Claim(
        "levers-seen",
        "red, scarlet and crimson are the most helpful words, and the nearest",
        "red、scarlet、crimson 是最有用的词，也是最近的词",
    )
    sides = [study.make_secret_task(side).name for side in ("left", "right")]
    for task in sides:
        left, right = (helpful[task].losses[side] for side in ("left", "right"))
        assert abs(left - right) < 0.05 * (helpful[task].without - left) and closest(task, 1) == ["left"]
    yield Claim(
        "levers-seen",
        "both words help about as much, on either task, and on both *left* is the nearest",
        "left 和 right 都差不多一样有用，最近的也都是 left",
    )
    hurt = {
        word
        for word in study.SECRETS
        for one in [helpful[study.make_secret_task(word).name]]
        if max(one.losses["left"], one.losses["right"]) > one.without
    }
    assert hurt == {"large"}
    yield Claim(
        "levers-seen", "it mostly helps to say either (not for *the large one*)", "多半都有好处（“大的那个”除外）"
    )

    sketch = helpful[SKETCH]
    assert sketch.without < 0.01 and sketch.losses["sketch"] > sketch.without
    yield Claim(
        "levers-seen",
        "the loss is next to nothing without any word, and *sketch* makes it *larger*",
        "什么词也不加，损失就几乎为零；加上 sketch，损失反而**变大**",
    )
    one, two, three = closest(SKETCH, 3)
    yield Claim(
        "levers-seen", f"That *{one}*, *{two}* and *{three}* are the nearest", f"最近的是 {one}、{two} 和 {three}"
    )
    blurred, count = helpful[BLURRED], len(vocabulary().words)
    assert set(list(blurred.losses)[:2]) == set(closest(BLURRED, 2)) == {"mug", "cup"} and len(blurred.losses) == count
    yield Claim(
        "levers-seen",
        f"*mug* and *cup* are the nearest words, and the most helpful of all {count}",
        f"mug 和 cup 是最近的词，也是 {count} 个词里最有用的",
    )
    pictures = sum(blurred.called.values())
    yield Claim("cups", f"Of the {pictures} blurred training pictures", f"{pictures} 张模糊的训练图片")
    assert blurred.losses["mug"] < blurred.losses["umbrella"] < blurred.without
    yield Claim("cups-seen", "But *mug* does much more", "可 mug 的作用大得多")
    assert blurred.called["cup"] > 2 * study.SHOTS
    yield Claim("cups-seen", "for cups more than twice as often as there are any", "CLIP 叫“杯子”的次数是实际的两倍多")
    assert min(blurred.called["snail"], blurred.called["apple"]) > study.SHOTS > 3 * blurred.called["car"]
    yield Claim(
        "cups-seen",
        "too often for snails and apples as well, and seldom for cars",
        "蜗牛和苹果也叫得太多，汽车却叫得很少",
    )
    six = list(blurred.losses)[:6]
    yield Claim(
        "cups-seen",
        f"({', '.join(six).capitalize()}: the six most helpful words",
        f"（最有用的六个词 {'、'.join(six)}，",
    )


def stored_prompts() -> Iterator[Claim]:
    gpt2, tokenizer = load_language_model("pocket")
    table = reading.read_vocabulary(gpt2, tokenizer)
    rows, unmoved, vectors = table.trained.nonzero().flatten(), 0, 0
    for name in captioner_study.TASKS:
        learned = instruments.load_learned_vectors(PROMPTS / f"{name}.safetensors", gpt2)
        begun = prompts.find_first_tokens(table, tokenizer, name, len(learned))
        near = reading.find_nearest_tokens(learned, table.table, 1, rows=rows).ids[:, 0]
        unmoved, vectors = unmoved + int((near == begun).sum()), vectors + len(near)
    yield Claim(
        "prompts-seen",
        f"of {vectors} vectors {unmoved} are still nearest to the very token",
        f"{vectors} 个向量里有 {unmoved} 个，离得最近的还是它开始时的那个词元",
    )


def conclusion() -> Iterator[Claim]:
    stored = study.load_study()
    real, null = (places(stored.contexts(RED, permuted=permuted), "red") for permuted in (False, True))
    assert real.tolist() == [1] * 5 and (null > planted.WITHIN).all()
    yield Claim(
        "curcumin",
        "*red* was the nearest word in five of five contexts with random beginnings, among the five nearest in none from permuted labels",
        "从随机数开始的五组上下文向量，五组的最近词都是 red；用打乱的标签，没有一组把它排进前五",
    )
    _, learned, snapped = stored.accuracies(RED)
    yield Claim(
        "curcumin",
        f"score {snapped:.1%}, as learned {learned:.1%}".replace("%", " %"),
        f"准确率是 {snapped:.1%}，向量是 {learned:.1%}",
    )
    assert 25 < stored.seconds / 60 < 35 and stored.machine["threads"] == 1
    yield Claim("done", "on one thread in about half an hour", "单线程约半小时")
