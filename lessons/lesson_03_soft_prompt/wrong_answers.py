# %% [markdown]
# Wrong answers to the exercises of lesson 03, each in a cell: it takes the stub's place, and the check must then name the mistake.
# exercise: the id of the exercise's cell. en, zh: a part of what the check says. tests/test_exercises.py runs them.

# %% exercise="sequence-exercise" en="picture stands before the prompt" zh="图片排到了提示词前面"
def put_before(prompt, pictures, words):
    return torch.cat([pictures, prompt.expand(len(words), -1, -1), words], dim=1)

# %% exercise="sequence-exercise" en="words come too early" zh="来得太早"
def put_before(prompt, pictures, words):
    return torch.cat([words, prompt.expand(len(words), -1, -1), pictures], dim=1)

# %% exercise="sequence-exercise" en="words come too early" zh="来得太早"
def put_before(prompt, pictures, words):
    return torch.cat([prompt.expand(len(words), -1, -1), words, pictures], dim=1)

# %% exercise="sequence-exercise" en="could flow back to `prompt`" zh="传不回 prompt"
def put_before(prompt, pictures, words):
    return torch.cat([prompt.detach().expand(len(words), -1, -1), pictures, words], dim=1)

# %% exercise="sequence-exercise" en="could flow back to `prompt`" zh="传不回 prompt"
def put_before(prompt, pictures, words):
    with torch.no_grad():
        return torch.cat([prompt.expand(len(words), -1, -1), pictures, words], dim=1)

# %% exercise="sequence-exercise" en="could flow back to `pictures`" zh="传不回 pictures"
def put_before(prompt, pictures, words):
    return torch.cat([prompt.expand(len(words), -1, -1), pictures.data, words], dim=1)

# %% exercise="sequence-exercise" en="every row of the batch needs the prompt" zh="每一行都要有一份"
def put_before(prompt, pictures, words):
    return torch.cat([prompt, pictures, words], dim=1)

# %% exercise="sequence-exercise" en="joined along dimension 1 must agree" zh="沿第 1 维拼接"
def put_before(prompt, pictures, words):
    return torch.cat([prompt[None], pictures, words], dim=1)

# %% exercise="sequence-exercise" en="joined along dimension 0 must agree" zh="沿第 0 维拼接"
def put_before(prompt, pictures, words):
    return torch.cat([prompt.expand(len(words), -1, -1), pictures, words], dim=0)

# %% exercise="sequence-exercise" en="joined along dimension 2 must agree" zh="沿第 2 维拼接"
def put_before(prompt, pictures, words):
    return torch.cat([prompt.expand(len(words), -1, -1), pictures, words], dim=-1)

# %% exercise="sequence-exercise" en="Nothing is to be added" zh="加起来了"
def put_before(prompt, pictures, words):
    return torch.cat([prompt + pictures, words], dim=1)

# %% exercise="sequence-exercise" en="You added the prompt" zh="加到了已有的向量上"
def put_before(prompt, pictures, words):
    return torch.cat([prompt.mean(0) + pictures, words], dim=1)

# %% exercise="sequence-exercise" en="prompt is nowhere" zh="没有提示词"
def put_before(prompt, pictures, words):
    return torch.cat([pictures, words], dim=1)

# %% exercise="sequence-exercise" en="Only the first row" zh="只有批里的第一行"
def put_before(prompt, pictures, words):
    each = torch.zeros(len(words), *prompt.shape)
    each[0] = prompt
    return torch.cat([each, pictures, words], dim=1)

# %% exercise="sequence-exercise" en="all as they are" zh="都保持原样"
def put_before(prompt, pictures, words):
    return torch.cat([prompt.expand(len(words), -1, -1), pictures[:1].expand_as(pictures), words], dim=1)

# %% exercise="sequence-exercise" en="is there a return" zh="少了 return"
def put_before(prompt, pictures, words):
    torch.cat([prompt.expand(3, -1, -1), pictures, words], dim=1)

# %% exercise="trainable-exercise" en="soft prompt alone" zh="这只是软提示词"
numbers = model.soft_prompt.prompt_embeddings.numel()

# %% exercise="trainable-exercise" en="has a bias, too" zh="还有偏置"
numbers = model.soft_prompt.prompt_embeddings.numel() + model.vision_projection.weight.numel()

# %% exercise="trainable-exercise" en="not as what goes in" zh="宽度和输出相同"
numbers = model.soft_prompt.prompt_embeddings.numel() + model.vision_projection.weight.numel()
numbers += model.vision_projection.in_features

# %% exercise="trainable-exercise" en="projection alone" zh="这只是投影"
numbers = model.vision_projection.weight.numel()

# %% exercise="trainable-exercise" en="projection alone" zh="这只是投影"
numbers = sum(p.numel() for p in model.vision_projection.parameters())

# %% exercise="trainable-exercise" en="frozen numbers as well" zh="冻结的数也算进去"
numbers = sum(p.numel() for p in model.parameters())

# %% exercise="trainable-exercise" en="That is GPT-2" zh="这是 GPT-2"
numbers = sum(p.numel() for p in model.language_model.parameters())

# %% exercise="trainable-exercise" en="counts positions" zh="数的是位置"
numbers = model.soft_prompt.prompt_embeddings.shape[0]

# %% exercise="trainable-exercise" en="counts positions" zh="数的是位置"
config = model.vision_model.config
numbers = len(model.soft_prompt.prompt_embeddings) + (config.image_size // config.patch_size) ** 2

# %% exercise="trainable-exercise" en="computed anew for each picture" zh="现算的"
config = model.vision_model.config
numbers = len(model.soft_prompt.prompt_embeddings) + (config.image_size // config.patch_size) ** 2
numbers *= model.vision_projection.out_features

# %% exercise="trainable-exercise" en="Two things learn" zh="在学的有两样"
numbers = 12345

# %% exercise="trainable-exercise" en="this is of type str" zh="你给的是 str"
numbers = "20000"

# %% exercise="mask-exercise" en="masked out what stands before the text" zh="前面的全遮住了"
def attention_mask(lengths, before, longest):
    mask = torch.zeros(len(lengths), before + longest)
    mask[:, before:] = torch.arange(longest) < lengths[:, None]
    return mask

# %% exercise="mask-exercise" en="mask of the text alone" zh="只是文字的掩码"
def attention_mask(lengths, before, longest):
    return torch.arange(longest) < lengths[:, None]

# %% exercise="mask-exercise" en="other way round" zh="反了"
def attention_mask(lengths, before, longest):
    return (torch.arange(before + longest) >= before + lengths[:, None]).long()

# %% exercise="mask-exercise" en="One too few" zh="少了一个"
def attention_mask(lengths, before, longest):
    return (torch.arange(before + longest) < before + lengths[:, None] - 1).long()

# %% exercise="mask-exercise" en="One too many" zh="多了一个"
def attention_mask(lengths, before, longest):
    return torch.arange(before + longest) <= before + lengths[:, None]

# %% exercise="mask-exercise" en="causal mask itself" zh="自己会做"
def attention_mask(lengths, before, longest):
    return torch.ones(before + longest, before + longest).tril()

# %% exercise="mask-exercise" en="causal mask itself" zh="自己会做"
def attention_mask(lengths, before, longest):
    return torch.ones(len(lengths), longest, longest).tril()

# %% exercise="mask-exercise" en="from the first position" zh="从第一个位置"
def attention_mask(lengths, before, longest):
    return torch.arange(before + longest) < lengths[:, None]

# %% exercise="mask-exercise" en="Nothing is masked" zh="什么也没遮住"
def attention_mask(lengths, before, longest):
    return torch.ones(len(lengths), before + longest)

# %% exercise="mask-exercise" en="Only 1 and 0" zh="只要 1 和 0"
def attention_mask(lengths, before, longest):
    padding = torch.arange(before + longest) >= before + lengths[:, None]
    return torch.zeros(padding.shape).masked_fill(padding, float("-inf"))

# %% exercise="mask-exercise" en="padding stands before" zh="填充就在文字前面"
def attention_mask(lengths, before, longest):
    return (torch.arange(before + longest) < before + lengths[:, None]).flip(1)

# %% exercise="mask-exercise" en="zeros behind them" zh="后面是 0"
def attention_mask(lengths, before, longest):
    return (torch.arange(before + longest) < before + lengths[0]).expand(len(lengths), -1)

# %% exercise="mask-exercise" en="is there a return" zh="少了 return"
def attention_mask(lengths, before, longest):
    torch.arange(before + longest) < before + lengths[:, None]

# %% exercise="mask-exercise" en="do not fit together" zh="对不上"
def attention_mask(lengths, before, longest):
    return torch.arange(before + longest) < before + lengths

# %% exercise="labels-exercise" en="padding counts as well" zh="填充也算进去"
def make_labels(ids, lengths):
    return ids

# %% exercise="labels-exercise" en="padding counts" zh="填充也算进去"
def make_labels(ids, lengths):
    return ids.masked_fill(ids == 1857, -100)

# %% exercise="labels-exercise" en="none would ever learn to end" zh="学不会在哪里结束"
def make_labels(ids, lengths):
    return ids.masked_fill(ids == ids[0, -1], -100)

# %% exercise="labels-exercise" en="none would ever learn to end" zh="学不会在哪里结束"
def make_labels(ids, lengths):
    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None] - 1, -100)

# %% exercise="labels-exercise" en="have shifted the labels" zh="错开了一位"
def make_labels(ids, lengths):
    labels = ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)
    return torch.cat([labels[:, 1:], torch.full((len(ids), 1), -100)], dim=1)

# %% exercise="labels-exercise" en="0 is a token" zh="0 也是一个词元"
def make_labels(ids, lengths):
    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], 0)

# %% exercise="labels-exercise" en="You put -1 on the padding" zh="放了 -1"
def make_labels(ids, lengths):
    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -1)

# %% exercise="labels-exercise" en="`ids` itself was changed" zh="ids 本身也被改了"
def make_labels(ids, lengths):
    return ids.masked_fill_(torch.arange(ids.shape[1]) >= lengths[:, None], -100)

# %% exercise="labels-exercise" en="first token is left out" zh="漏了第一个词元"
def make_labels(ids, lengths):
    labels = ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)
    labels[:, 0] = -100
    return labels

# %% exercise="labels-exercise" en="other way round" zh="反了"
def make_labels(ids, lengths):
    return ids.masked_fill(torch.arange(ids.shape[1]) < lengths[:, None], -100)

# %% exercise="labels-exercise" en="These marks say" zh="这是标记"
def make_labels(ids, lengths):
    return torch.arange(ids.shape[1]) < lengths[:, None]

# %% exercise="labels-exercise" en="as floats" zh="浮点数"
def make_labels(ids, lengths):
    return ids.float().masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)

# %% exercise="labels-exercise" en="the caption's end among them" zh="照原样"
def make_labels(ids, lengths):
    return ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[0], -100)

# %% exercise="labels-exercise" en="is there a return" zh="少了 return"
def make_labels(ids, lengths):
    ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -100)

# %% exercise="shift-exercise" en="learns to copy" zh="照抄"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before:].flatten(0, 1), labels.flatten(), ignore_index=-100)

# %% exercise="shift-exercise" en="wrong way" zh="方向反了"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before + 1 :].flatten(0, 1), labels[:, :-1].flatten())

# %% exercise="shift-exercise" en="Shifted by two" zh="错开了两位"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before - 2 : -2].flatten(0, 1), labels.flatten())

# %% exercise="shift-exercise" en="first token is left out" zh="漏了第一个词元"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before:-1].flatten(0, 1), labels[:, 1:].flatten())

# %% exercise="shift-exercise" en="first T places" zh="最前面的 T 个位置"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, : labels.shape[1]].flatten(0, 1), labels.flatten())

# %% exercise="shift-exercise" en="as if it were token 0" zh="编号 0 的词元"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.clamp(min=0).flatten())

# %% exercise="shift-exercise" en="divided by all places" zh="所有位置的个数"
def caption_loss(logits, labels, before):
    each = F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction="none")
    return each.mean()

# %% exercise="shift-exercise" en="mean of each caption first" zh="先对每条说明文字"
def caption_loss(logits, labels, before):
    each = [F.cross_entropy(row[before - 1 : -1], wanted) for row, wanted in zip(logits, labels)]
    return torch.stack(each).mean()

# %% exercise="shift-exercise" en="That is the sum" zh="这是总和"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction="sum")

# %% exercise="shift-exercise" en="One loss for each token" zh="各有一个损失"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten(), reduction="none")

# %% exercise="shift-exercise" en="makes the softmax itself" zh="自己会做 softmax"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before - 1 : -1].softmax(-1).flatten(0, 1), labels.flatten())

# %% exercise="shift-exercise" en="sign is wrong" zh="符号反了"
def caption_loss(logits, labels, before):
    return -F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten())

# %% exercise="shift-exercise" en="flatten B and T" zh="展平成一维"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits[:, before - 1 : -1], labels)

# %% exercise="shift-exercise" en="one label for each row" zh="一行要对一个标签"
def caption_loss(logits, labels, before):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())

# %% exercise="shift-exercise" en="plain number" zh="普通的数"
def caption_loss(logits, labels, before):
    rows = logits[:, before - 1 : -1].flatten(0, 1)
    return F.cross_entropy(rows, labels.flatten()).item()

# %% exercise="shift-exercise" en="no gradient could flow back" zh="梯度传不回去"
def caption_loss(logits, labels, before):
    rows = logits[:, before - 1 : -1].flatten(0, 1)
    return F.cross_entropy(rows, labels.flatten()).detach()

# %% exercise="shift-exercise" en="is there a return" zh="少了 return"
def caption_loss(logits, labels, before):
    F.cross_entropy(logits[:, before - 1 : -1].flatten(0, 1), labels.flatten())

# %% exercise="shift-exercise" en="T places that predict the text" zh="预测文字的那 T 个位置"
def caption_loss(logits, labels, before):
    return logits[:, before - 1 : -1].mean()

# %% exercise="greedy-exercise" en="talks on past the end" zh="过了结束符还在说"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    for _ in range(longest):
        ids.append(language_model(inputs_embeds=vectors).logits[0, -1].argmax().item())
        new = language_model.get_input_embeddings()(torch.tensor([ids[-1:]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="text never ends" zh="没完没了"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while True:
        ids.append(language_model(inputs_embeds=vectors).logits[0, -1].argmax().item())
        new = language_model.get_input_embeddings()(torch.tensor([ids[-1:]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="end is still in it" zh="也留在里面"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest:
        ids.append(language_model(inputs_embeds=vectors).logits[0, -1].argmax().item())
        if ids[-1] == end:
            break
        new = language_model.get_input_embeddings()(torch.tensor([ids[-1:]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="Always the same token" zh="老是同一个词元"
def greedy(language_model, prefix, end, longest=40):
    ids = []
    while len(ids) < longest:
        id = language_model(inputs_embeds=prefix).logits[0, -1].argmax().item()
        if id == end:
            break
        ids.append(id)
    return ids

# %% exercise="greedy-exercise" en="read off the first position" zh="取的是第一个位置"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, 0].argmax().item()
        if id == end:
            break
        ids.append(id)
        new = language_model.get_input_embeddings()(torch.tensor([[id]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="gets only the newest one" zh="就只拿到最新的那一个"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmax().item()
        if id == end:
            break
        ids.append(id)
        vectors = language_model.get_input_embeddings()(torch.tensor([[id]]))
    return ids

# %% exercise="greedy-exercise" en="reads only its own text" zh="只读自己的文字"
def greedy(language_model, prefix, end, longest=40):
    ids = []
    while len(ids) < longest:
        out = language_model(torch.tensor([ids])) if ids else language_model(inputs_embeds=prefix)
        id = out.logits[0, -1].argmax().item()
        if id == end:
            break
        ids.append(id)
    return ids

# %% exercise="greedy-exercise" en="went in front" zh="放到最前面"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmax().item()
        if id == end:
            break
        ids.append(id)
        new = language_model.get_input_embeddings()(torch.tensor([[id]]))
        vectors = torch.cat([new, vectors], dim=1)
    return ids

# %% exercise="greedy-exercise" en="draw tokens at random" zh="随机抽"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].softmax(-1).multinomial(1).item()
        if id == end:
            break
        ids.append(id)
        new = language_model.get_input_embeddings()(torch.tensor([[id]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="it has 4 tokens" zh="出来了 4 个词元"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) <= longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmax().item()
        if id == end:
            break
        ids.append(id)
        new = language_model.get_input_embeddings()(torch.tensor([[id]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="it has only 2 tokens" zh="只出来了 2 个词元"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest - 1:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmax().item()
        if id == end:
            break
        ids.append(id)
        new = language_model.get_input_embeddings()(torch.tensor([[id]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="with two brackets" zh="两层方括号"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmax().item()
        if id == end:
            break
        ids.append(id)
        new = language_model.get_input_embeddings()(torch.tensor([id]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="Again and again" zh="一遍又一遍"
def greedy(language_model, prefix, end, longest=40):
    vectors, ids = prefix, []
    while len(ids) < longest:
        id = language_model(inputs_embeds=vectors).logits[0, -1].argmin().item()
        if id == end:
            break
        ids.append(id)
        new = language_model.get_input_embeddings()(torch.tensor([[id]]))
        vectors = torch.cat([vectors, new], dim=1)
    return ids

# %% exercise="greedy-exercise" en="Not a single token" zh="一个词元也没有"
def greedy(language_model, prefix, end, longest=40):
    return []

# %% exercise="greedy-exercise" en="this is of type str" zh="你给的是 str"
def greedy(language_model, prefix, end, longest=40):
    return "a red cat"

# %% exercise="greedy-exercise" en="is there a return" zh="少了 return"
def greedy(language_model, prefix, end, longest=40):
    language_model(inputs_embeds=prefix)

# %% exercise="curves-exercise" en="Not A for “rate too high”" zh="“学习率太大”不是 A"
letters = "ABC"

# %% exercise="curves-exercise" en="stays far above it" zh="远远停在上面"
letters = "ABC"

# %% exercise="curves-exercise" en="Not B for “stopped too soon”" zh="“停得太早”不是 B"
letters = "c, a, b"

# %% exercise="curves-exercise" en="Not C for “too few pictures”" zh="“图片太少”不是 C"
letters = ["B", "C", "A"]

# %% exercise="curves-exercise" en="Three different letters" zh="三个不同的字母"
letters = "BAB"

# %% exercise="curves-exercise" en="Three different letters" zh="三个不同的字母"
letters = "BA"

# %% exercise="curves-exercise" en="this is of type int" zh="你给的是 int"
letters = 3
