# %% [markdown]
# Wrong answers to the exercises of lesson 05, each in a cell: it takes the stub's place, and the check must then name the mistake.
# exercise: the id of the exercise's cell. en, zh: a part of what the check says. tests/test_exercises.py runs them.

# %% exercise="loss-exercise" en="scored against itself" zh="对照的是它自己"
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)
    before = logits.shape[1] - ids.shape[1]
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    return F.cross_entropy(logits[:, before:].flatten(0, 1), labels.flatten())

# %% exercise="loss-exercise" en="after the next" zh="下下个词元"
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)
    before = logits.shape[1] - ids.shape[1]
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    return F.cross_entropy(logits[:, before - 2 : -2].flatten(0, 1), labels.flatten())

# %% exercise="loss-exercise" en="before it, which it has already read" zh="它前面的词元"
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)[:, -ids.shape[1] :]
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), labels[:, :-1].flatten())

# %% exercise="loss-exercise" en="first token of each caption is not learned" zh="第一个词元没有学"
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)[:, -ids.shape[1] :]
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())

# %% exercise="loss-exercise" en="padding is scored" zh="填充也计入了损失"
caption_loss = museum.score_padding

# %% exercise="loss-exercise" en="never learn to stop" zh="学不会停下来"
caption_loss = museum.score_without_end

# %% exercise="loss-exercise" en="not the library's number" zh="和库的数不一样"
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)
    before = logits.shape[1] - ids.shape[1]
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction="sum")

# %% exercise="loss-exercise" en="No gradient can flow back" zh="梯度没法从这个数传回去"
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)
    before = logits.shape[1] - ids.shape[1]
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    return F.cross_entropy(logits[:, before - 1 : -1].detach().flatten(0, 1), labels.flatten())

# %% exercise="loss-exercise" en="One number is wanted" zh="要的是一个数"
def caption_loss(model, features, ids, lengths):
    logits = model(features, ids)
    before = logits.shape[1] - ids.shape[1]
    labels = ids.masked_fill(experiments.find_padding(ids, lengths), -100)
    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction="none")

# %% exercise="loss-exercise" en="sees no logits" zh="看不到 logits"
def caption_loss(model, features, ids, lengths):
    return model(features, ids, labels=ids)

# %% exercise="loss-exercise" en="is there a return" zh="少了 return"
def caption_loss(model, features, ids, lengths):
    x = model(features, ids)

# %% exercise="encode-exercise" en="position embeddings are in there twice" zh="位置嵌入加了两次"
encode = museum.encode_positions_twice

# %% exercise="encode-exercise" en="not in there at all" zh="一次也没加"
def encode(clip, processor, names, context):
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))
    words = clip.text_model.embeddings.token_embedding(ids)
    words = overwrite(words, slots, context)
    return museum.read_off_end(clip, run_text_layers(clip, words), ids)

# %% exercise="encode-exercise" en="position embeddings twice, and the context once" zh="上下文向量的只加了一次"
def encode(clip, processor, names, context):
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))
    words = clip.text_model.embeddings.token_embedding(ids)
    places = clip.text_model.embeddings.position_embedding.weight[: ids.shape[1]]
    words = overwrite(words + places, slots, context)
    return museum.read_off_end(clip, run_text_layers(clip, words + places), ids)

# %% exercise="encode-exercise" en="the context has none" zh="上下文向量没有"
def encode(clip, processor, names, context):
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))
    words = clip.text_model.embeddings.token_embedding(ids)
    places = clip.text_model.embeddings.position_embedding.weight[: ids.shape[1]]
    words = overwrite(words + places, slots, context)
    return museum.read_off_end(clip, run_text_layers(clip, words), ids)

# %% exercise="encode-exercise" en="features of the placeholders" zh="占位词元的特征"
def encode(clip, processor, names, context):
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))
    words = clip.text_model.embeddings.token_embedding(ids)
    places = clip.text_model.embeddings.position_embedding.weight[: ids.shape[1]]
    words = overwrite(words, slots, words[0, 1:5])
    return museum.read_off_end(clip, run_text_layers(clip, words + places), ids)

# %% exercise="encode-exercise" en="no gradient reaches the context" zh="梯度到不了上下文向量"
def encode(clip, processor, names, context):
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))
    words = clip.text_model.embeddings.token_embedding(ids)
    places = clip.text_model.embeddings.position_embedding.weight[: ids.shape[1]]
    words = overwrite(words, slots, context.detach())
    return museum.read_off_end(clip, run_text_layers(clip, words + places), ids)

# %% exercise="encode-exercise" en="not yet normalised" zh="先不要归一化"
def encode(clip, processor, names, context):
    return F.normalize(museum.encode_right(clip, processor, names, context), dim=-1)

# %% exercise="encode-exercise" en="at the start of the text" zh="文本开头取了结果"
encode = museum.encode_at_start

# %% exercise="encode-exercise" en="at the last place" zh="最后一个位置"
def encode(clip, processor, names, context):
    ids, slots = experiments.tokenize_with_slots(processor, names, len(context))
    words = clip.text_model.embeddings.token_embedding(ids)
    places = clip.text_model.embeddings.position_embedding.weight[: ids.shape[1]]
    words = overwrite(words, slots, context)
    return clip.text_projection(run_text_layers(clip, words + places)[:, -1])

# %% exercise="encode-exercise" en="identity test still fails" zh="还是对不上"
encode = museum.encode_without_mask

# %% exercise="encode-exercise" en="should have the shape" zh="形状应该是"
def encode(clip, processor, names, context):
    return museum.encode_right(clip, processor, names, context)[0]

# %% exercise="learners-exercise" en="all parameters" zh="全部参数"
def find_learners(model):
    return [n for n, p in model.named_parameters()]

# %% exercise="learners-exercise" en="never received one" zh="从来没收到过"
def find_learners(model):
    return [n for n, p in model.named_parameters() if p.requires_grad]

# %% exercise="learners-exercise" en="other way round" zh="反了"
def find_learners(model):
    return [n for n, p in model.named_parameters() if p.grad is None]

# %% exercise="learners-exercise" en="gradient of zeros" zh="梯度全是零"
def find_learners(model):
    return [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]

# %% exercise="learners-exercise" en="parameters() has been overridden" zh="parameters() 被改写过"
def find_learners(model):
    return [p for p in model.parameters() if p.grad is not None]

# %% exercise="learners-exercise" en="That is a number" zh="这是个数"
def find_learners(model):
    return len(list(model.parameters()))

# %% exercise="learners-exercise" en="You believed parameters()" zh="你相信了 parameters()"
def find_learners(model):
    return ["prompt"]

# %% exercise="learners-exercise" en="is there a return" zh="少了 return"
def find_learners(model):
    names = []

# %% exercise="reads-back-exercise" en="never called" zh="根本没有调用"
def reads_back(read, clip, processor, ids):
    return True

# %% exercise="reads-back-exercise" en="another model's table passes" zh="查错了表的 read 也通过了"
def reads_back(read, clip, processor, ids):
    found = read(clip.text_model.embeddings.token_embedding.weight[ids], clip, processor)
    return len(found) == len(ids)

# %% exercise="reads-back-exercise" en="only the first row was read right" zh="只有第一行读对了"
def reads_back(read, clip, processor, ids):
    known = processor.tokenizer.convert_ids_to_tokens(ids)
    found = read(clip.text_model.embeddings.token_embedding.weight[ids], clip, processor)
    return found[0][0] == known[0]

# %% exercise="reads-back-exercise" en="among the nearest, but not the nearest" zh="但不是最近的"
def reads_back(read, clip, processor, ids):
    known = processor.tokenizer.convert_ids_to_tokens(ids)
    found = read(clip.text_model.embeddings.token_embedding.weight[ids], clip, processor)
    return all(one in nearest for one, nearest in zip(known, found))

# %% exercise="reads-back-exercise" en="right table fails your test" zh="也过不了你的检验"
def reads_back(read, clip, processor, ids):
    known = processor.tokenizer.convert_ids_to_tokens(ids)
    found = read(clip.text_model.embeddings.token_embedding.weight[ids], clip, processor)
    return found == known

# %% exercise="reads-back-exercise" en="this is of type list" zh="你给的是 list"
def reads_back(read, clip, processor, ids):
    found = read(clip.text_model.embeddings.token_embedding.weight[ids], clip, processor)
    return found

# %% exercise="reads-back-exercise" en="is there a return" zh="少了 return"
def reads_back(read, clip, processor, ids):
    rows = ids

# %% exercise="report-exercise" en="best that was ever seen" zh="出现过的最好成绩"
report = museum.report_best_on_test

# %% exercise="report-exercise" en="chosen by the test pictures" zh="按测试图片挑的"
def report(data):
    kept = min(museum.train_probe(data), key=lambda w: museum.measure_probe_loss(data.test, w))
    return measure_accuracy(data.test, kept)

# %% exercise="report-exercise" en="by which you chose" zh="你正是按它挑的"
def report(data):
    kept = min(museum.train_probe(data), key=lambda w: museum.measure_probe_loss(data.validation, w))
    return measure_accuracy(data.validation, kept)

# %% exercise="report-exercise" en="by which you chose" zh="你正是按它挑的"
def report(data):
    return max(measure_accuracy(data.validation, w) for w in museum.train_probe(data))

# %% exercise="report-exercise" en="simply the last epoch" zh="只是最后一轮"
def report(data):
    return measure_accuracy(data.test, list(museum.train_probe(data))[-1])

# %% exercise="report-exercise" en="first epoch" zh="第一轮"
def report(data):
    kept = max(museum.train_probe(data), key=lambda w: museum.measure_probe_loss(data.validation, w))
    return measure_accuracy(data.test, kept)

# %% exercise="report-exercise" en="smallest validation loss" zh="验证集损失最小"
def report(data):
    return measure_accuracy(data.train, list(museum.train_probe(data))[7])

# %% exercise="report-exercise" en="These are the weights" zh="这是权重"
def report(data):
    return min(museum.train_probe(data), key=lambda w: museum.measure_probe_loss(data.validation, w))

# %% exercise="report-exercise" en="is there a return" zh="少了 return"
def report(data):
    x = 1

# %% exercise="next-token-exercise" en="the likeliest is taken" zh="取的就是最可能的那个"
next_token = museum.choose_likeliest

# %% exercise="next-token-exercise" en="others were" zh="却抽到了别的"
def next_token(logits, top_p, temperature, generator):
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[0]

# %% exercise="next-token-exercise" en="still belongs" zh="也要留下"
def next_token(logits, top_p, temperature, generator):
    logits = logits / temperature
    shares, order = logits.softmax(-1).sort(descending=True)
    logits = logits.index_fill(0, order[shares.cumsum(-1) > top_p], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0]

# %% exercise="next-token-exercise" en="always the same token" zh="总是同一个词元"
def next_token(logits, top_p, temperature, generator):
    logits = logits / temperature
    shares, order = logits.softmax(-1).sort(descending=True)
    logits = logits.index_fill(0, order[shares.cumsum(-1) - shares >= top_p], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=torch.Generator().manual_seed(0))[0]

# %% exercise="next-token-exercise" en="equal probabilities" zh="机会一样大"
def next_token(logits, top_p, temperature, generator):
    logits = logits / temperature
    shares, order = logits.softmax(-1).sort(descending=True)
    logits = logits.index_fill(0, order[shares.cumsum(-1) - shares >= top_p], float("-inf"))
    return torch.multinomial((logits > -9e9).float(), 1, generator=generator)[0]

# %% exercise="next-token-exercise" en="draw alike" zh="抽出来差不多"
def next_token(logits, top_p, temperature, generator):
    shares, order = logits.softmax(-1).sort(descending=True)
    logits = logits.index_fill(0, order[shares.cumsum(-1) - shares >= top_p], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0]

# %% exercise="next-token-exercise" en="do not multiply" zh="不是乘"
def next_token(logits, top_p, temperature, generator):
    logits = logits * temperature
    shares, order = logits.softmax(-1).sort(descending=True)
    logits = logits.index_fill(0, order[shares.cumsum(-1) - shares >= top_p], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0]

# %% exercise="next-token-exercise" en="hand the generator" zh="把 generator 交给"
def next_token(logits, top_p, temperature, generator):
    logits = logits / temperature
    shares, order = logits.softmax(-1).sort(descending=True)
    logits = logits.index_fill(0, order[shares.cumsum(-1) - shares >= top_p], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1)[0]

# %% exercise="next-token-exercise" en="One id is wanted" zh="要返回的是一个编号"
def next_token(logits, top_p, temperature, generator):
    logits = logits / temperature
    shares, order = logits.softmax(-1).sort(descending=True)
    logits = logits.index_fill(0, order[shares.cumsum(-1) - shares >= top_p], float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0].item() + 0.5

# %% exercise="next-token-exercise" en="is there a return" zh="少了 return"
def next_token(logits, top_p, temperature, generator):
    x = logits
