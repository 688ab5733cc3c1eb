"""A trained method frozen for one task: a small file of static weights, and the same answers without a hypernetwork."""

import tempfile

import torch
from transformers import T5Config, T5ForConditionalGeneration

import vlhyper

torch.manual_seed(0)
config = T5Config(
    vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_heads=4, num_layers=2, decoder_start_token_id=0, dropout_rate=0.0
)
t5 = T5ForConditionalGeneration(config).eval()
model = vlhyper.attach(t5, "hyperpelt", tasks=["copy", "reverse"], prefix_length=8, bottleneck=8)
words = torch.randint(2, 100, (2, 6))
before = model(input_ids=words, labels=words, task="copy").loss

with tempfile.TemporaryDirectory() as folder:
    vlhyper.Frozen.of(model.model, "copy").save(f"{folder}/copy.safetensors")
    frozen = vlhyper.Frozen.load(f"{folder}/copy.safetensors").on(model.detach())
after = frozen(words, torch.ones_like(words), labels=words).loss
print(f"difference of the loss: {abs(before - after).item():.0e}")
