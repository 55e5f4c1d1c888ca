"""The regulariser in the Trainer of Hugging Face: one callback, on a tiny language model made from its configuration.

Needs `pip install 'tammes[transformers]'`; takes some seconds on a CPU, and no network.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from tammes.nn.integrations.transformers import RegularizerCallback

WORDS, LENGTH = 32, 16


def sentences(count: int) -> list[dict[str, torch.Tensor]]:
    """Return sentences in which each word is the last one plus a step, the same within a sentence."""
    first, step = torch.randint(WORDS, (count, 1)), torch.randint(1, 4, (count, 1))
    words = (first + step * torch.arange(LENGTH)) % WORDS
    return [{"input_ids": sentence, "labels": sentence} for sentence in words]


def main() -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=LENGTH, vocab_size=WORDS, bos_token_id=0, eos_token_id=0)
    )
    callback = RegularizerCallback(loss="mma", coef=0.07, exclude="lm_head", report_every=20)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=40,
            per_device_train_batch_size=32,
            learning_rate=5e-3,
            logging_steps=20,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=sentences(1000))
        callback.add_to(trainer)  # or Trainer(..., callbacks=[callback])
        trainer.train()
    for entry in trainer.state.log_history:
        if "loss" in entry:
            angle = entry["reg/min_angle_degrees/transformer.h.0.mlp.c_fc"]
            print(
                f"step {entry['step']:3}  loss {entry['loss']:.3f}  term {entry['reg/term']:.4f}  "
                f"minimal angle of the first MLP {angle:.2f}°"
            )
    print(callback.regularizer.report())


if __name__ == "__main__":
    main()
