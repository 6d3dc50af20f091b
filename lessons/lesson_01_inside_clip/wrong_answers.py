# %% [markdown]
# Wrong answers to the exercises of lessons 01 and 01b, each in a cell: it takes the stub's place, and the check must then name the mistake.
# exercise: the id of the exercise's cell. en, zh: a part of what the check says. tests/test_exercises.py runs them.

# %% exercise="embed-exercise" en="rows of the tokens alone" zh="各自的行"
def embed(clip, ids):
    return clip.text_model.embeddings.token_embedding(ids)

# %% exercise="embed-exercise" en="added twice" zh="加了两次"
def embed(clip, ids):
    e = clip.text_model.embeddings
    return e(input_ids=ids) + e.position_embedding.weight[: ids.shape[1]]

# %% exercise="embed-exercise" en="where are the words" zh="词到哪里去了"
def embed(clip, ids):
    e = clip.text_model.embeddings
    return e.position_embedding.weight[: ids.shape[1]].expand(len(ids), -1, -1)

# %% exercise="embed-exercise" en="not multiplied" zh="不是相乘"
def embed(clip, ids):
    e = clip.text_model.embeddings
    return e.token_embedding(ids) * e.position_embedding.weight[: ids.shape[1]]

# %% exercise="embed-exercise" en="keep the first size" zh="第一维 B"
def embed(clip, ids):
    e = clip.text_model.embeddings
    return (e.token_embedding(ids) + e.position_embedding.weight[: ids.shape[1]])[0]

# %% exercise="embed-exercise" en="is there a return" zh="少了 return"
def embed(clip, ids):
    x = clip.text_model.embeddings(input_ids=ids)

# %% exercise="embed-exercise" en="do not fit together" zh="对不上"
def embed(clip, ids):
    e = clip.text_model.embeddings
    return e.token_embedding(ids) + e.position_embedding.weight

# %% exercise="embed-exercise" en="should have the shape" zh="形状应该是"
def embed(clip, ids):
    return ids

# %% exercise="mask-exercise" en="other way round" zh="方向反了"
def causal_mask(T):
    return torch.full((T, T), float("-inf")).tril(-1)

# %% exercise="mask-exercise" en="must see itself" zh="看得见自己"
def causal_mask(T):
    return torch.full((T, T), float("-inf")).triu()

# %% exercise="mask-exercise" en="added to the scores" zh="加到得分上"
def causal_mask(T):
    return torch.ones(T, T).tril()

# %% exercise="mask-exercise" en="0 times infinity" zh="0 乘无穷大"
def causal_mask(T):
    return torch.ones(T, T).triu(1) * float("-inf")

# %% exercise="mask-exercise" en="Nothing is forbidden" zh="什么都没有禁止"
def causal_mask(T):
    return torch.zeros(T, T)

# %% exercise="mask-exercise" en="Row i says" zh="第 i 行"
def causal_mask(T):
    return torch.full((T, T), -1.0).triu(1)

# %% exercise="mask-exercise" en="should have the shape (4, 4)" zh="(4, 4)"
def causal_mask(T):
    return torch.full((T,), float("-inf"))

# %% exercise="pool-exercise" en="pooled at the start" zh="取的是开头"
def pool(hidden, ids, end):
    return hidden[:, 0]

# %% exercise="pool-exercise" en="that is padding" zh="那里是填充"
def pool(hidden, ids, end):
    return hidden[:, -1]

# %% exercise="pool-exercise" en="token before the end" zh="前一个词元"
def pool(hidden, ids, end):
    return hidden[torch.arange(len(ids)), (ids == end).int().argmax(-1) - 1]

# %% exercise="pool-exercise" en="each text has its own" zh="各不相同"
def pool(hidden, ids, end):
    return hidden[:, (ids[0] == end).int().argmax()]

# %% exercise="pool-exercise" en="mean of all positions" zh="所有位置的平均"
def pool(hidden, ids, end):
    return hidden.mean(1)

# %% exercise="pool-exercise" en="Not those vectors" zh="不是这些向量"
def pool(hidden, ids, end):
    return hidden[:, 1]

# %% exercise="pool-exercise" en="padding is the end token, too" zh="比文字还多"
def pool(hidden, ids, end):
    return hidden[ids == end]

# %% exercise="pool-exercise" en="should have the shape" zh="形状应该是"
def pool(hidden, ids, end):
    return hidden[:, ids.argmax(-1)]

# %% exercise="positions-exercise" en="576 are the patches" zh="576 是图块的个数"
positions = 576

# %% exercise="positions-exercise" en="along one edge" zh="一条边"
positions = 24

# %% exercise="positions-exercise" en="counts pixels" zh="数的是像素"
positions = 336 * 336

# %% exercise="positions-exercise" en="How many squares" zh="放得下几个"
positions = 197

# %% exercise="positions-exercise" en="this is of type str" zh="你给的是 str"
positions = "577"

# %% exercise="logits-exercise" en="Long vectors win" zh="谁长谁赢"
def logits(images, texts, log_scale):
    return log_scale.exp() * images @ texts.T

# %% exercise="logits-exercise" en="pictures and texts" zh="图片和文字都要"
def logits(images, texts, log_scale):
    return log_scale.exp() * F.normalize(images, dim=-1) @ texts.T

# %% exercise="logits-exercise" en="normalised the columns" zh="归一化的是列"
def logits(images, texts, log_scale):
    return log_scale.exp() * F.normalize(images, dim=0) @ F.normalize(texts, dim=0).T

# %% exercise="logits-exercise" en="You divided" zh="用了除法"
def logits(images, texts, log_scale):
    return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T / log_scale.exp()

# %% exercise="logits-exercise" en="scale is missing" zh="还缺缩放系数"
def logits(images, texts, log_scale):
    return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T

# %% exercise="logits-exercise" en="exponential first" zh="先取指数"
def logits(images, texts, log_scale):
    return log_scale * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T

# %% exercise="logits-exercise" en="One row for each text" zh="每段文字一行"
def logits(images, texts, log_scale):
    return log_scale.exp() * F.normalize(texts, dim=-1) @ F.normalize(images, dim=-1).T

# %% exercise="logits-exercise" en="probabilities already" zh="已经是概率"
def logits(images, texts, log_scale):
    x = log_scale.exp() * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    return x.softmax(-1)

# %% exercise="logits-exercise" en="first factor" zh="两个矩阵相乘"
def logits(images, texts, log_scale):
    return images @ texts

# %% exercise="logits-exercise" en="The shape is right" zh="数不对"
def logits(images, texts, log_scale):
    return torch.zeros(2, 3)

# %% exercise="head-exercise" en="scale is missing" zh="少了缩放"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="width of all heads together" zh="所有头合起来的宽度"
def first_head(query, key, value, heads, mask):
    D = query.shape[-1]
    W = D // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT / D**0.5 + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="width itself" zh="宽度本身"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT / W + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="multiplied where one divides" zh="该除的乘了"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT * W**0.5 + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="mask comes too late" zh="掩码加晚了"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    shares = (query @ key.mT / W**0.5).softmax(-1)
    return (shares + mask) @ value

# %% exercise="head-exercise" en="had its share already" zh="已经分走了一份"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    shares = (query @ key.mT / W**0.5).softmax(-1)
    return shares.masked_fill(mask < 0, 0) @ value

# %% exercise="head-exercise" en="mask comes too late" zh="要在 softmax 之前"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    shares = (query @ key.mT / W**0.5).softmax(-1)
    return (shares * mask) @ value

# %% exercise="head-exercise" en="wrong axis" zh="沿错了轴"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT / W**0.5 + mask).softmax(-2) @ value

# %% exercise="head-exercise" en="take the last axis" zh="要沿最后一维"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT / W**0.5 + mask).softmax(0) @ value

# %% exercise="head-exercise" en="heads are not split" zh="没有分头"
def first_head(query, key, value, heads, mask):
    D = query.shape[-1]
    return (query @ key.mT / (D // heads) ** 0.5 + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="Cut out its columns first" zh="先把这几列切出来"
def first_head(query, key, value, heads, mask):
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    return (query @ key.mT / query.shape[-1] ** 0.5 + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="There is no mask" zh="没有用掩码"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT / W**0.5).softmax(-1) @ value

# %% exercise="head-exercise" en="weights times value" zh="权重乘上 value"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key = query[..., :W], key[..., :W]
    return (query @ key.mT / W**0.5 + mask).softmax(-1)

# %% exercise="head-exercise" en="other way round: rows are queries" zh="问反了"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (key @ query.mT / W**0.5 + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="must add up to 1" zh="加起来应该是 1"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    query, key, value = query[..., :W], key[..., :W], value[..., :W]
    return (query @ key.mT / W**0.5 + mask).exp() @ value

# %% exercise="head-exercise" en="numbers are not: the first D / heads" zh="各取前 D / heads 列"
def first_head(query, key, value, heads, mask):
    query, key, value = query[..., ::heads], key[..., ::heads], value[..., ::heads]
    return (query @ key.mT / query.shape[-1] ** 0.5 + mask).softmax(-1) @ value

# %% exercise="head-exercise" en="gives nothing back" zh="少了 return"
def first_head(query, key, value, heads, mask):
    W = query.shape[-1] // heads
    taken = (query[..., :W] @ key[..., :W].mT / W**0.5 + mask).softmax(-1) @ value[..., :W]

# %% exercise="tied-exercise" en="scores of all tokens" zh="所有词元的得分"
def next_tokens(last, table):
    return (last @ table.T).softmax(-1)

# %% exercise="tied-exercise" en="compared places with each other" zh="在各个位置之间比"
def next_tokens(last, table):
    return (last @ table.T).argmax(1)

# %% exercise="tied-exercise" en="One token for each text" zh="每段文字只得到一个"
def next_tokens(last, table):
    return (last[:, -1] @ table.T).argmax(-1)

# %% exercise="tied-exercise" en="how large the best score is" zh="最高得分的大小"
def next_tokens(last, table):
    return (last @ table.T).max(-1).values

# %% exercise="tied-exercise" en="fits worst" zh="最不合"
def next_tokens(last, table):
    return (last @ table.T).argmin(-1)

# %% exercise="tied-exercise" en="That is the cosine" zh="这是余弦"
def next_tokens(last, table):
    return (F.normalize(last, dim=-1) @ F.normalize(table, dim=-1).T).argmax(-1)

# %% exercise="tied-exercise" en="lies nearest" zh="距离最近"
def next_tokens(last, table):
    return torch.cdist(last, table).argmin(-1)

# %% exercise="tied-exercise" en="A product needs the last size" zh="矩阵相乘"
def next_tokens(last, table):
    return (last @ table).argmax(-1)

# %% exercise="tied-exercise" en="the ids are not" zh="编号不对"
def next_tokens(last, table):
    return (last.flip(1) @ table.T).argmax(-1)
