# %% [markdown]
# Wrong answers to the exercises of lesson 02, each in a cell: it takes the stub's place, and the check must then name the mistake.
# exercise: the id of the exercise's cell. en, zh: a part of what the check says. tests/test_exercises.py runs them.
# A `class Learnable(Learnable)` takes `__init__` from the stub, so `super()` would be the stub: the parent's forward is called by name.

# %% exercise="slots-exercise" en="other way round" zh="反了"
def find_slots(ids, placeholder):
    return ids != placeholder

# %% exercise="slots-exercise" en="Larger ids" zh="大的编号"
def find_slots(ids, placeholder):
    return ids >= placeholder

# %% exercise="slots-exercise" en="as numbers" zh="给的是数"
def find_slots(ids, placeholder):
    return (ids == placeholder).float()

# %% exercise="slots-exercise" en="numbers of places" zh="位置的编号"
def find_slots(ids, placeholder):
    return (ids == placeholder).nonzero()

# %% exercise="slots-exercise" en="taken for all of them" zh="用在了所有文字上"
def find_slots(ids, placeholder):
    return (ids[:1] == placeholder).expand_as(ids)

# %% exercise="slots-exercise" en="wherever in the text" zh="不管它在文字的哪里"
def find_slots(ids, placeholder):
    return ids == 1

# %% exercise="slots-exercise" en="is there a return" zh="少了 return"
def find_slots(ids, placeholder):
    mask = ids == placeholder

# %% exercise="overwrite-exercise" en="that is inserting" zh="这是插入"
def overwrite(words, slots, context):
    return torch.cat([words[:, :1], context.expand(len(words), -1, -1), words[:, 1:]], 1)

# %% exercise="overwrite-exercise" en="slots lie elsewhere" zh="槽位在别处"
def overwrite(words, slots, context):
    out = words.clone()
    out[:, 1:3] = context
    return out

# %% exercise="overwrite-exercise" en="no gradient could flow" zh="梯度传不回去"
def overwrite(words, slots, context):
    return words.masked_scatter(slots[..., None], context.detach().expand(len(words), -1, -1))

# %% exercise="overwrite-exercise" en="You added the context" zh="加到了占位词元的向量上"
def overwrite(words, slots, context):
    added = torch.zeros_like(words).masked_scatter(slots[..., None], context.expand(len(words), -1, -1))
    return words + added

# %% exercise="overwrite-exercise" en="Every slot got the first vector" zh="放的都是第一个向量"
def overwrite(words, slots, context):
    return torch.where(slots[..., None], context[0], words)

# %% exercise="overwrite-exercise" en="reverse order" zh="顺序反了"
def overwrite(words, slots, context):
    return words.masked_scatter(slots[..., None], context.flip(0).expand(len(words), -1, -1))

# %% exercise="overwrite-exercise" en="itself was changed" zh="本身也被改了"
def overwrite(words, slots, context):
    return words.masked_scatter_(slots[..., None], context.expand(len(words), -1, -1))

# %% exercise="overwrite-exercise" en="nothing was overwritten" zh="什么也没有覆盖"
def overwrite(words, slots, context):
    return words.clone()

# %% exercise="overwrite-exercise" en="each row needs its own copy" zh="每行各有一份"
def overwrite(words, slots, context):
    return words.masked_scatter(slots[..., None], context)

# %% exercise="overwrite-exercise" en="needs its own copy" zh="每行各有一份"
def overwrite(words, slots, context):
    new = words.clone()
    new[slots] = context
    return new

# %% exercise="forward-exercise" en="positions are missing" zh="少了位置嵌入"
class Learnable(Learnable):
    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        return context.overwrite(self.token_embedding(input_ids), input_ids == self.placeholder, self.context)

# %% exercise="forward-exercise" en="what the parent class does" zh="父类的做法"
class Learnable(Learnable):
    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        return CLIPTextEmbeddings.forward(self, input_ids=input_ids)

# %% exercise="forward-exercise" en="after the positions" zh="加完位置之后"
class Learnable(Learnable):
    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        x = CLIPTextEmbeddings.forward(self, input_ids=input_ids)
        return context.overwrite(x, input_ids == self.placeholder, self.context)

# %% exercise="forward-exercise" en="nothing else should" zh="别处就不要再加了"
class Learnable(Learnable):
    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        x = context.overwrite(self.token_embedding(input_ids), input_ids == self.placeholder, self.context)
        x = CLIPTextEmbeddings.forward(self, inputs_embeds=x)
        return CLIPTextEmbeddings.forward(self, inputs_embeds=x)

# %% exercise="forward-exercise" en="words got their positions twice" zh="词的位置嵌入加了两次"
class Learnable(Learnable):
    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        x = CLIPTextEmbeddings.forward(self, input_ids=input_ids)
        x = context.overwrite(x, input_ids == self.placeholder, self.context)
        return CLIPTextEmbeddings.forward(self, inputs_embeds=x)

# %% exercise="forward-exercise" en="no gradient reaches" zh="梯度到不了"
class Learnable(Learnable):
    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        x = context.overwrite(self.token_embedding(input_ids), input_ids == self.placeholder, self.context.data)
        return CLIPTextEmbeddings.forward(self, inputs_embeds=x)

# %% exercise="forward-exercise" en="is there a return" zh="少了 return"
class Learnable(Learnable):
    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        CLIPTextEmbeddings.forward(self, input_ids=input_ids)

# %% exercise="length-exercise" en="number of words" zh="单词的个数"
vectors_needed = 5

# %% exercise="length-exercise" en="start and the end" zh="文本起始符"
vectors_needed = 9

# %% exercise="length-exercise" en="number of characters" zh="字符的个数"
vectors_needed = len(prompt)

# %% exercise="length-exercise" en="Let the tokenizer count" zh="让分词器来数"
vectors_needed = 4

# %% exercise="length-exercise" en="this is of type str" zh="你给的是 str"
vectors_needed = "7"

# %% exercise="freeze-exercise" en="still asks for a gradient" zh="还在要梯度"
def freeze(model):
    model.eval()

# %% exercise="freeze-exercise" en="in training mode" zh="还在训练模式"
def freeze(model):
    model.requires_grad_(False)

# %% exercise="freeze-exercise" en="pins a note" zh="便条"
def freeze(model):
    model.requires_grad = False

# %% exercise="freeze-exercise" en="are still free" zh="没有冻结"
def freeze(model):
    model.eval()
    model.text_model.requires_grad_(False)

# %% exercise="freeze-exercise" en="still asks for a gradient" zh="还在要梯度"
def freeze(model):
    for p in model.parameters():
        p.grad = None

# %% exercise="step-exercise" en="pile up" zh="越积越多"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()

# %% exercise="step-exercise" en="Nothing has moved" zh="什么也没动"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images), labels)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()

# %% exercise="step-exercise" en="has to make its step" zh="走一步"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images), labels)
    optimizer.zero_grad()
    loss.backward()
    return loss.item()

# %% exercise="step-exercise" en="makes the softmax itself" zh="自己会做 softmax"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images).softmax(-1), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

# %% exercise="step-exercise" en="uphill" zh="往上坡走"
def training_step(prompted, optimizer, images, labels):
    loss = -F.cross_entropy(prompted(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

# %% exercise="step-exercise" en="give the loss back" zh="把损失返回"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% exercise="step-exercise" en="not the loss of this step" zh="不是这一步的损失"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return 1.0

# %% exercise="step-exercise" en="logits first" zh="第一个参数是 logits"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(labels, prompted(images))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

# %% exercise="step-exercise" en="make it a plain number" zh="变成普通的数"
def training_step(prompted, optimizer, images, labels):
    loss = F.cross_entropy(prompted(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss

# %% exercise="step-exercise" en="not by this gradient" zh="不是按这个梯度"
def training_step(prompted, optimizer, images, labels):
    loss = F.mse_loss(prompted(images), F.one_hot(labels).float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

# %% exercise="choose-exercise" en="chose by the test" zh="按测试图片挑的"
def best_step(evaluations, test):
    return evaluations[test.index(max(test))].step

# %% exercise="choose-exercise" en="by heart" zh="背得最熟"
def best_step(evaluations, test):
    return min(evaluations, key=lambda evaluation: evaluation.loss).step

# %% exercise="choose-exercise" en="simply the last" zh="最后一步"
def best_step(evaluations, test):
    return evaluations[-1].step

# %% exercise="choose-exercise" en="goes by the loss" zh="看的是损失"
def best_step(evaluations, test):
    return max(evaluations, key=lambda evaluation: evaluation.validation_score).step

# %% exercise="choose-exercise" en="number of the step" zh="步数"
def best_step(evaluations, test):
    return min(evaluations, key=lambda evaluation: evaluation.validation_loss)

# %% exercise="choose-exercise" en="place in the list" zh="列表里的位置"
def best_step(evaluations, test):
    return 2

# %% exercise="choose-exercise" en="small is good" zh="越小越好"
def best_step(evaluations, test):
    return max(evaluations[:-1], key=lambda evaluation: evaluation.validation_loss).step

# %% exercise="choose-exercise" en="smallest validation loss" zh="验证集损失最小"
def best_step(evaluations, test):
    return 10

# %% exercise="trim-exercise" en="One too short" zh="短了一个"
def trim(ids, end):
    return ids[:, : end.max()]

# %% exercise="trim-exercise" en="cut too early" zh="截得太早"
def trim(ids, end):
    return ids[:, : end.min() + 1]

# %% exercise="trim-exercise" en="first text ends" zh="第一段文字的结尾"
def trim(ids, end):
    return ids[:, : end[0] + 1]

# %% exercise="trim-exercise" en="Nothing was cut" zh="什么也没截掉"
def trim(ids, end):
    return ids

# %% exercise="trim-exercise" en="other positions" zh="位置不对"
def trim(ids, end):
    return ids[:, -(end.max() + 1) :]

# %% exercise="trim-exercise" en="is there a return" zh="少了 return"
def trim(ids, end):
    ids[:, : end.max() + 1]

# %% exercise="share-exercise" en="every column" zh="所有相同的列"
def shared(ids):
    return int((ids == ids[0]).all(0).sum())

# %% exercise="share-exercise" en="start of text" zh="文本起始符"
def shared(ids):
    return 2

# %% exercise="share-exercise" en="class names differ" zh="各不相同"
def shared(ids):
    return ids.shape[1]

# %% exercise="share-exercise" en="names in front" zh="类别名在前面"
def shared(ids):
    return 3

# %% exercise="share-exercise" en="compared two texts only" zh="只比了两段文字"
def shared(ids):
    return int((ids[0] == ids[1]).int().cumprod(0).sum())

# %% exercise="share-exercise" en="from the left" zh="从左往右"
def shared(ids):
    return 0

# %% exercise="pays-exercise" en="take time as well" zh="也要花时间"
def break_even(prepare, ours, theirs):
    return prepare / theirs

# %% exercise="pays-exercise" en="divided by our step" zh="除以的是我们一步"
def break_even(prepare, ours, theirs):
    return prepare / ours

# %% exercise="pays-exercise" en="how much faster" zh="快了几倍"
def break_even(prepare, ours, theirs):
    return theirs / ours

# %% exercise="pays-exercise" en="wrong way round" zh="减反了"
def break_even(prepare, ours, theirs):
    return prepare / (ours - theirs)

# %% exercise="pays-exercise" en="When are they equal" zh="什么时候相等"
def break_even(prepare, ours, theirs):
    return prepare
