"""A method on your own T5, trained by the Trainer of transformers.

Runs offline on a tiny T5. A batch carries the number of each row's task beside the texts.
"""

import tempfile

import torch
from transformers import T5Config, T5ForConditionalGeneration, Trainer, TrainingArguments

import vlhyper

torch.manual_seed(0)
config = T5Config(
    vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_heads=4, num_layers=2, decoder_start_token_id=0, dropout_rate=0.0
)
model = vlhyper.attach(T5ForConditionalGeneration(config), "lora", tasks=["copy", "reverse"], rank=4, alpha=16)

words = torch.randint(2, 100, (64, 6))
rows = [
    {"input_ids": row, "labels": row.flip(0) if number % 2 else row, "task": torch.tensor(number % 2)}
    for number, row in enumerate(words)
]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        max_steps=20,
        per_device_train_batch_size=16,
        learning_rate=0.01,
        report_to=[],
        disable_tqdm=True,
        logging_steps=5,
        use_cpu=True,
    )
    trainer = Trainer(model, arguments, train_dataset=rows)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(f"loss {float(losses[0]):.2f} -> {float(losses[-1]):.2f}")
    model.save_pretrained(f"{folder}/copy_and_reverse")
