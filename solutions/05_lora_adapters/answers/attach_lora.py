"""Wrong and right answers to 05.attach_lora."""

# %% wrong targets_not_found
# says: names of the model's linear layers
def attach_lora(model, r=8, lora_alpha=16):
    config = LoraConfig(r=r, lora_alpha=lora_alpha, task_type=TaskType.SEQ_CLS, target_modules=["q_proj", "v_proj"])
    return get_peft_model(model, config)


# %% wrong targets_not_found (BERT's for all)
def attach_lora(model, r=8, lora_alpha=16):
    config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=["query", "value"], modules_to_save=["classifier"])
    return get_peft_model(model, config)


# %% wrong known_refused (old names of the ViT)
# says: On a ViT
#-        (["q_proj", "v_proj"], None),  # peft has no task type for images
#+        (["attention.query", "attention.value"], None),


# %% wrong head_frozen
# says: serve a random head
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#-                                modules_to_save=["classifier"])
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets)


# %% wrong head_frozen (of the ViT)
# says: On a ViT
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#-                                modules_to_save=["classifier"])
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type)


# %% wrong head_frozen (switched on before)
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#-                                modules_to_save=["classifier"])
#+            model.classifier.requires_grad_(True)
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets)


# %% wrong call_changed
# says: which images are not
#-        (["q_proj", "v_proj"], None),  # peft has no task type for images
#+        (["q_proj", "v_proj"], TaskType.SEQ_CLS),


# %% wrong rank_ignored
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#+            config = LoraConfig(lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,


# %% wrong alpha_ignored
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#+            config = LoraConfig(r=r, target_modules=targets, task_type=task_type,


# %% wrong alpha_ignored (root of the rank)
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, use_rslora=True, target_modules=targets, task_type=task_type,


# %% wrong query_only
#-        (["query", "value"], TaskType.SEQ_CLS),
#+        (["query"], TaskType.SEQ_CLS),


# %% wrong key_too
#-        (["query", "value"], TaskType.SEQ_CLS),
#+        (["query", "key", "value"], TaskType.SEQ_CLS),


# %% wrong attention_all
#-        (["q_lin", "v_lin"], TaskType.SEQ_CLS),
#+        (["q_lin", "k_lin", "v_lin", "out_lin"], TaskType.SEQ_CLS),


# %% wrong mlp_too
#-        (["q_lin", "v_lin"], TaskType.SEQ_CLS),
#+        (["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"], TaskType.SEQ_CLS),


# %% wrong all_linear
def attach_lora(model, r=8, lora_alpha=16):
    config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules="all-linear", task_type=TaskType.SEQ_CLS)
    return get_peft_model(model, config)


# %% wrong lora_frozen
#-            return get_peft_model(model, config)
#+            tuned = get_peft_model(model, config)
#+            for name, p in tuned.named_parameters():
#+                p.requires_grad = "classifier" in name
#+            return tuned


# %% wrong base_trains
#-            return get_peft_model(model, config)
#+            tuned = get_peft_model(model, config)
#+            tuned.requires_grad_(True)
#+            return tuned


# %% wrong different (biases train)
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, bias="lora_only", target_modules=targets, task_type=task_type,


# %% wrong pre_classifier_frozen
# says: two layers
#-            return get_peft_model(model, config)
#+            tuned = get_peft_model(model, config)
#+            for name, p in tuned.named_parameters():
#+                if "pre_classifier" in name:
#+                    p.requires_grad = False
#+            return tuned


# %% wrong not_a_peft_model
#-            return get_peft_model(model, config)
#+            get_peft_model(model, config)
#+            return model


# %% wrong returns_none
#-            return get_peft_model(model, config)
#+            tuned = get_peft_model(model, config)
#+            tuned.print_trainable_parameters()
#+            return


# %% wrong different (a random start)
# says: changes nothing at first
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, init_lora_weights=False, target_modules=targets, task_type=task_type,


# %% wrong unknown_accepted (a bare encoder)
# says: A BertModel
#-        if {*targets, "classifier"} <= names:
#+        if {*targets} <= names:


# %% wrong unknown_accepted (returned as it is)
#-    raise ValueError(f"no attention layers with a known name in {type(model).__name__}")
#+    return model


# %% wrong known_refused (by class)
# says: inside another module
def attach_lora(model, r=8, lora_alpha=16):
    known = {
        BertForSequenceClassification: ["query", "value"],
        DistilBertForSequenceClassification: ["q_lin", "v_lin"],
        ViTForImageClassification: ["q_proj", "v_proj"],
    }
    if type(model) not in known:
        raise ValueError(f"{type(model).__name__} is not known")
    config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=known[type(model)], modules_to_save=["classifier"])
    return get_peft_model(model, config)


# %% wrong defaults
#-def attach_lora(model: nn.Module, r: int = 8, lora_alpha: float = 16) -> PeftModel:
#+def attach_lora(model: nn.Module, r: int = 8, lora_alpha: float = 8) -> PeftModel:


# %% wrong wrong_places (the first layers only)
# says: four places
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#+            only = "value|query" if "query" in targets and r == 8 else "|".join(targets)
#+            targets = rf".*\.({only.split('|')[0] if r == 8 else only})"
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,


# %% wrong frozen_before_error
#-    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
#+    model.requires_grad_(False)
#+    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)}


# %% wrong head_not_saved
# says: meets a random head
def attach_lora(model, r=8, lora_alpha=16):
    inner = getattr(model, "model", model)
    pairs = {"bert": ["query", "value"], "distilbert": ["q_lin", "v_lin"], "vit": ["q_proj", "v_proj"]}
    for body, targets in pairs.items():
        if hasattr(inner, body) and hasattr(inner, "classifier"):
            tuned = get_peft_model(model, LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets))
            for name, p in tuned.named_parameters():
                if "classifier" in name:
                    p.requires_grad = True
            return tuned
    raise ValueError(f"{type(model)} is not known")


# %% wrong save_not_a_list
# says: each letter
#-                                modules_to_save=["classifier"])
#+                                modules_to_save="classifier")


# %% wrong save_not_a_list (images)
#-                                modules_to_save=["classifier"])
#+                                modules_to_save="classifier" if task_type is None else ["classifier"])


# %% wrong original_trains
# says: trains twice
#-            return get_peft_model(model, config)
#+            tuned = get_peft_model(model, config)
#+            for name, p in tuned.named_parameters():
#+                if "classifier" in name:
#+                    p.requires_grad = True
#+            return tuned


# %% wrong head_too
# says: it needs no update
#-            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
#-                                modules_to_save=["classifier"])
#+            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=[*targets, "classifier"], task_type=task_type)


# %% wrong query_only (the last layer)
# says: of every layer
#-                                modules_to_save=["classifier"])
#+                                modules_to_save=["classifier"], layers_to_transform=[1])


# %% wrong call_changed (features instead of classes)
# says: such as SEQ_CLS
#-        (["q_proj", "v_proj"], None),  # peft has no task type for images
#+        (["q_proj", "v_proj"], TaskType.FEATURE_EXTRACTION),


# %% wrong unknown_accepted (by config)
# says: Yours raised AttributeError
def attach_lora(model, r=8, lora_alpha=16):
    known = {"bert": ["query", "value"], "distilbert": ["q_lin", "v_lin"], "vit": ["q_proj", "v_proj"]}
    if model.config.model_type not in known:
        raise ValueError("unknown")
    targets = known[model.config.model_type]
    return get_peft_model(model, LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, modules_to_save=["classifier"]))


# %% wrong unknown_accepted (by trial)
def attach_lora(model, r=8, lora_alpha=16):
    for targets in (["query", "value"], ["q_lin", "v_lin"], ["q_proj", "v_proj"]):
        with contextlib.suppress(ValueError):
            return get_peft_model(model, LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, modules_to_save=["classifier"]))
    raise ValueError("unknown")


# %% right by attribute
def attach_lora(model, r=8, lora_alpha=16):
    kinds = {type(module) for module in model.modules()}
    if BertForSequenceClassification in kinds:
        targets = ["query", "value"]
    elif DistilBertForSequenceClassification in kinds:
        targets = ["q_lin", "v_lin"]
    elif ViTForImageClassification in kinds:
        targets = ["q_proj", "v_proj"]
    else:
        raise ValueError("unknown model")
    save = ["pre_classifier", "classifier"] if "q_lin" in targets else ["classifier"]
    return get_peft_model(model, LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, modules_to_save=save))


# %% right a regular expression for all
def attach_lora(model, r=8, lora_alpha=16):
    pattern = r".*\.(query|value|q_lin|v_lin|q_proj|v_proj)"
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    heads = [name for name in names if name.endswith("classifier")]
    if not heads or not any(re.fullmatch(pattern, name) for name in names):
        raise ValueError("no query and value, or no classifier")
    config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=pattern, modules_to_save=heads)
    return get_peft_model(model, config)


# %% right by the shape of the names, head named in full
def attach_lora(model, r=8, lora_alpha=16):
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    ends = {name.split(".")[-1] for name in linears}
    if "classifier" not in ends:
        raise ValueError("no head")
    targets = next((pair for pair in (["q_lin", "v_lin"], ["query", "value"], ["q_proj", "v_proj"]) if ends.issuperset(pair)), None)
    if targets is None:
        raise ValueError("no queries and values")
    head = [name for name in ("classifier", "pre_classifier") if name in ends]
    return get_peft_model(model, LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, modules_to_save=head))
