"""A method on your own T5, in your own training loop.

Runs offline on a tiny T5; for a real one: T5ForConditionalGeneration.from_pretrained("google-t5/t5-base").
"""

import torch
from transformers import T5Config, T5ForConditionalGeneration

import vlhyper

torch.manual_seed(0)
config = T5Config(
    vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_heads=4, num_layers=2, decoder_start_token_id=0, dropout_rate=0.0
)
t5 = T5ForConditionalGeneration(config)

model = vlhyper.attach(t5, "hyperpelt", tasks=["copy", "reverse"], prefix_length=8, bottleneck=8)
optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=3e-3)

words = torch.randint(2, 100, (8, 6))
targets = torch.cat([words[:4], words[4:].flip(1)])
tasks = ["copy"] * 4 + ["reverse"] * 4
first = last = None
for _step in range(30):
    loss = model(input_ids=words, labels=targets, task=tasks).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    first, last = first or loss.item(), loss.item()
print(f"loss {first:.2f} -> {last:.2f}")

with model.disable():
    print(f"the plain T5: {model(input_ids=words, labels=targets).loss.item():.2f}")
print(model.generate(words[:1], task="copy", max_new_tokens=6).shape)
t5 = model.detach()
