"""Wrong and right answers to 01.build_trainer."""

# %% wrong best_is_not_early
# says: after *all* epochs
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],


# %% wrong evaluates_on_train
# says: not on what it trains on
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        eval_dataset=validation_set,
#+        eval_dataset=train_set,


# %% wrong evaluates_on_train (swapped)
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        train_dataset=train_set,
#-        eval_dataset=validation_set,
#+        train_dataset=validation_set,
#+        eval_dataset=train_set,


# %% wrong wrong_train_set
# says: training set
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        train_dataset=train_set,
#+        train_dataset=validation_set,


# %% wrong raises_ValueError (generic: no evaluation, but the best wanted)
# says: build_trainer
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        eval_strategy="epoch",

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% wrong no_evaluation
# says: nothing is evaluated
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        eval_strategy="epoch",

#-        warmup_steps=math.ceil(0.1 * total),
#-        load_best_model_at_end=True,
#+        warmup_steps=0.1,


# %% wrong raises_ValueError (generic: no validation set)
# says: eval_dataset
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        eval_dataset=validation_set,


# %% wrong not_a_trainer (trained, output returned)
# says: untrained
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-    return Trainer(
#+    trainer = Trainer(

#-        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
#-    )
#+        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
#+    )
#+    return trainer.train()


# %% wrong not_a_trainer (nothing returned)
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-    return Trainer(
#+    trainer = Trainer(


# %% wrong already_trained
# says: trained already
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-    return Trainer(
#+    trainer = Trainer(

#-        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
#-    )
#+        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
#+    )
#+    trainer.train()
#+    return trainer


# %% wrong tokenizer_lost
# says: processing_class
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        processing_class=tokenizer,


# %% wrong best_not_restored
# says: must be restored
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#-        load_best_model_at_end=True,
#+        warmup_steps=0.1,


# %% wrong best_not_restored (highest loss)
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        metric_for_best_model="eval_loss",
#+        metric_for_best_model="eval_loss",
#+        greater_is_better=True,


# %% wrong best_not_restored (accuracy)
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        metric_for_best_model="eval_loss",
#+        metric_for_best_model="accuracy",


# %% wrong not_saved
# says: Save once per epoch
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        save_strategy="epoch",
#+        save_strategy="best",

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% wrong no_warmup
# says: no warmup
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),


# %% wrong ten_steps
# says: 10 steps
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=10,


# %% wrong default_patience
# says: its default
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
#+        callbacks=[EarlyStoppingCallback()],


# %% wrong different (generic: patience 3)
# says: patience
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
#+        callbacks=[EarlyStoppingCallback(early_stopping_patience=3)],


# %% wrong different (generic: default learning rate)
# says: learning_rate
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        learning_rate=3e-4,

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% wrong different (generic: seed)
# says: 'seed'
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        seed=0,


# %% wrong different (generic: epochs)
# says: 'epochs'
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        num_train_epochs=10,

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% wrong different (generic: weight decay)
# says: 'weight_decay'
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        weight_decay=0.01,

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% wrong reports
# says: tqdm off
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        disable_tqdm=True,


# %% wrong output_dir_ignored
# says: output_dir
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        output_dir=output_dir,
#+        output_dir=tempfile.gettempdir() + "/checkpoints",

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% wrong raises_TypeError (generic: evaluation_strategy)
# says: evaluation_strategy
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        eval_strategy="epoch",
#+        evaluation_strategy="epoch",

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% wrong raises_TypeError (generic: tokenizer)
# says: tokenizer
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,

#-        processing_class=tokenizer,
#+        tokenizer=tokenizer,


# %% wrong raises_ValueError (generic: save by steps)
# says: build_trainer
# edits: warmup counted in steps
#-    total = 10 * math.ceil(len(train_set) / 32)

#-        output_dir=output_dir,
#+        output_dir=output_dir,
#+        save_strategy="steps",

#-        save_strategy="epoch",

#-        warmup_steps=math.ceil(0.1 * total),
#+        warmup_steps=0.1,


# %% right add_callback
def build_trainer(model, tokenizer, train_set, validation_set, output_dir):
    from transformers import IntervalStrategy

    arguments = TrainingArguments(
        str(output_dir),
        eval_strategy=IntervalStrategy.EPOCH,
        save_strategy=IntervalStrategy.EPOCH,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=False,
        num_train_epochs=10,
        learning_rate=0.0003,
        weight_decay=0.01,
        warmup_steps=0.1,
        per_device_train_batch_size=32,
        seed=0,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, None, train_set, validation_set, tokenizer)
    trainer.add_callback(EarlyStoppingCallback(2))
    return trainer


# %% right options in a dict
def build_trainer(model, tokenizer, train_set, validation_set, output_dir):
    each_epoch = {f"{what}_strategy": "epoch" for what in ("eval", "save", "logging")}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "save_total_limit": 2}
    quiet = {"report_to": "none", "disable_tqdm": True}
    steps = {"num_train_epochs": 10, "per_device_train_batch_size": 32, "warmup_steps": 0.1}
    args = TrainingArguments(
        output_dir=output_dir, learning_rate=3e-4, weight_decay=0.01, seed=0, **each_epoch, **best, **quiet, **steps
    )
    stopper = EarlyStoppingCallback(early_stopping_patience=2, early_stopping_threshold=0.0)
    return Trainer(
        model=model, args=args, train_dataset=train_set, eval_dataset=validation_set, processing_class=tokenizer,
        callbacks=[stopper],
    )  # fmt: skip


# %% right warmup counted in steps
def build_trainer(model, tokenizer, train_set, validation_set, output_dir):
    total = 10 * math.ceil(len(train_set) / 32)
    args = TrainingArguments(
        output_dir=output_dir,
        eval_strategy="epoch",
        save_strategy="epoch",
        num_train_epochs=10,
        learning_rate=3e-4,
        weight_decay=0.01,
        per_device_train_batch_size=32,
        warmup_steps=math.ceil(0.1 * total),
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        report_to="none",
        disable_tqdm=True,
        seed=0,
    )
    return Trainer(
        model=model,
        args=args,
        train_dataset=train_set,
        eval_dataset=validation_set,
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
    )
