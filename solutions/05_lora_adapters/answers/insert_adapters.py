"""Wrong and right answers to 05.insert_adapters."""

# %% wrong late_binding_and_residual
# says: The output is 708
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    for block in blocks:
        block.requires_grad_(False)
        block.adapter = adapter(d, m)
        original_forward = block.forward
        block.forward = lambda x: original_forward(x) + block.adapter(x)
    return [block.adapter for block in blocks]


# %% wrong late_binding
# says: when it is called
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    adapters = []
    for block in blocks:
        block.requires_grad_(False)
        block.adapter = adapter(d, m)
        original_forward = block.forward
        block.forward = lambda *args, **kwargs: block.adapter(original_forward(*args, **kwargs))
        adapters.append(block.adapter)
    return adapters


# %% wrong residual_of_input
# says: The output is 132
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    for block in blocks:
        block.requires_grad_(False)
        block.adapter = adapter(d, m)
        block.forward = lambda x, block=block, forward=block.forward: forward(x) + block.adapter(x)
    return [block.adapter for block in blocks]


# %% wrong residual_of_output
# says: The output is 256
#-        return block.adapter(output)
#+        return output + block.adapter(output)


# %% wrong blocks_skipped
#-        return block.adapter(output)
#+        return block.adapter(inputs[0])


# %% wrong twice
# says: runs twice
#-    for block in blocks:
#-        block.requires_grad_(False)
#-        block.adapter = adapter(d, m)
#-        block.register_forward_hook(adapted)
#+    for block in blocks:
#+        block.requires_grad_(False)
#+        block.adapter = adapter(d, m)
#+        block.register_forward_hook(lambda b, i, o: b.adapter(b.forward(o)))


# %% wrong adapter_before
# says: on what these return
#-        block.register_forward_hook(adapted)
#+        block.register_forward_pre_hook(lambda b, inputs: (b.adapter(inputs[0]), *inputs[1:]))


# %% wrong not_called
# says: nothing calls them
#-        block.register_forward_hook(adapted)
#+        block.add_module("adapter", block.adapter)


# %% wrong not_called (the hook returns nothing)
#-        return block.adapter(output)
#+        block.adapter(output)


# %% wrong adapters_late
# says: All places use the last adapter
#-        block.adapter = adapter(d, m)
#-        block.register_forward_hook(adapted)
#+        block.adapter = own = adapter(d, m)
#+        block.register_forward_hook(lambda b, inputs, output: own(output))


# %% wrong adapters_twice
#-        block.register_forward_hook(adapted)
#+        block.register_forward_hook(adapted)
#+        block.register_forward_hook(adapted)


# %% wrong adapters_reversed
#-    for block in blocks:
#-        block.requires_grad_(False)
#-        block.adapter = adapter(d, m)
#-        block.register_forward_hook(adapted)
#+    made = []
#+    for block in blocks:
#+        block.requires_grad_(False)
#+        block.adapter = adapter(d, m)
#+        made.append(block.adapter)
#+    for block in blocks:
#+        block.register_forward_hook(lambda b, i, o, own=made.pop(): own(o))


# %% wrong keys_changed
# says: Leave the blocks where they are
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    adapters = [adapter(d, m) for _ in blocks]
    for i, block in enumerate(list(blocks)):
        block.requires_grad_(False)
        blocks[i] = nn.Sequential(block, adapters[i])
    return adapters


# %% wrong no_attribute (a new list)
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    return [nn.Sequential(block.requires_grad_(False), adapter(d, m)) for block in blocks]


# %% wrong no_attribute (replaced in the list)
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    adapters = [adapter(d, m) for _ in blocks]
    for i, block in enumerate(list(blocks)):
        block.requires_grad_(False)
        block.register_forward_hook(lambda b, inputs, output, own=adapters[i]: own(output))
    return adapters


# %% wrong wrong_class
#-        block.adapter = adapter(d, m)
#+        block.adapter = nn.Sequential(adapter(d, m))


# %% wrong shared
# says: each needs its own
#-    for block in blocks:
#-        block.requires_grad_(False)
#-        block.adapter = adapter(d, m)
#+    one = adapter(d, m)
#+    for block in blocks:
#+        block.requires_grad_(False)
#+        block.adapter = one


# %% wrong sizes
#-        block.adapter = adapter(d, m)
#+        block.adapter = adapter(m, d)


# %% wrong blocks_train
#-        block.requires_grad_(False)


# %% wrong adapters_frozen
# says: with the adapters inside
#-        block.requires_grad_(False)
#-        block.adapter = adapter(d, m)
#+        block.adapter = adapter(d, m)
#+        block.requires_grad_(False)


# %% wrong returns_none
#-    return [block.adapter for block in blocks]


# %% wrong not_a_list
#-    return [block.adapter for block in blocks]
#+    return {i: block.adapter for i, block in enumerate(blocks)}


# %% wrong wrong_list (the blocks)
#-    return [block.adapter for block in blocks]
#+    return list(blocks)


# %% wrong wrong_list (the last one)
#-    return [block.adapter for block in blocks]
#+    return [block.adapter]


# %% wrong tuple_lost
# says: the rest is handed on
#-        if isinstance(output, tuple):
#-            return (block.adapter(output[0]), *output[1:])
#+        if isinstance(output, tuple):
#+            return block.adapter(output[0])


# %% wrong tuple_lost (tuples are not thought of)
# says: first entry
#-        if isinstance(output, tuple):
#-            return (block.adapter(output[0]), *output[1:])


# %% wrong keywords_lost
# says: some by keyword
#-        block.register_forward_hook(adapted)
#+        def forward(x, block=block, original=block.forward):
#+            return adapted(block, (x,), original(x))
#+
#+        block.forward = forward


# %% wrong copy_runs_original
# says: A forward hook gets the block
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    if any(hasattr(block, "adapter") for block in blocks):
        raise ValueError

    def wrap(block):
        original = block.forward

        def forward(*args, **kwargs):
            output = original(*args, **kwargs)
            if isinstance(output, tuple):
                return (block.adapter(output[0]), *output[1:])
            return block.adapter(output)

        block.requires_grad_(False)
        block.adapter = adapter(d, m)
        block.forward = forward

    for block in blocks:
        wrap(block)
    return [block.adapter for block in blocks]


# %% wrong copy_runs_original (a hook that holds the adapter)
#-        block.register_forward_hook(adapted)
#+        def hook(b, inputs, output, own=block.adapter):
#+            return (own(output[0]), *output[1:]) if isinstance(output, tuple) else own(output)
#+
#+        block.register_forward_hook(hook)


# %% wrong not_in_state_dict (a plain attribute)
#-        block.adapter = adapter(d, m)
#+        object.__setattr__(block, "adapter", adapter(d, m))


# %% wrong second_accepted
# says: stack adapters
#-    if any(hasattr(block, "adapter") for block in blocks):
#-        raise ValueError("a block has an adapter already")


# %% wrong second_accepted (skipped silently)
#-    if any(hasattr(block, "adapter") for block in blocks):
#-        raise ValueError("a block has an adapter already")
#+    blocks = [block for block in blocks if not hasattr(block, "adapter")]


# %% wrong changed_before_error
# says: Look at all blocks first
#-    if any(hasattr(block, "adapter") for block in blocks):
#-        raise ValueError("a block has an adapter already")
#+
#-        block.requires_grad_(False)
#+        if hasattr(block, "adapter"):
#+            raise ValueError("a block has an adapter already")
#+        block.requires_grad_(False)


# %% wrong no_gradient
# says: Not every adapter
#-        return block.adapter(output)
#+        return block.adapter(output.detach())


# %% wrong not_identity (all blocks of the network frozen in one chain)
#-        return block.adapter(output)
#+        return block.adapter(output) + (1e-3 if output.ndim == 3 else 0)


# %% wrong tuple_assumed
# says: Only some blocks
#-        if isinstance(output, tuple):
#-            return (block.adapter(output[0]), *output[1:])
#-        return block.adapter(output)
#+        return (block.adapter(output[0]),) + output[1:]


# %% wrong hook_arguments
# says: its inputs and its output
#-    def adapted(block, inputs, output):
#+    def adapted(block, output):


# %% wrong class_changed
# says: every network
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    if any(hasattr(block, "adapter") for block in blocks):
        raise ValueError("a block has an adapter already")
    original = type(blocks[0]).forward

    def forward(self, *args, **kwargs):
        output = original(self, *args, **kwargs)
        return (self.adapter(output[0]), *output[1:]) if isinstance(output, tuple) else self.adapter(output)

    for block in blocks:
        block.requires_grad_(False)
        block.adapter = adapter(d, m)
    type(blocks[0]).forward = forward
    return [block.adapter for block in blocks]


# %% wrong keywords_lost (the cell above, mended)
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    for block in blocks:
        block.requires_grad_(False)
        block.adapter = adapter(d, m)
        block.forward = lambda x, forward=block.forward, block=block: block.adapter(forward(x))
    return [block.adapter for block in blocks]


# %% right bound methods
def insert_adapters(blocks, d, m, adapter=None):
    from types import MethodType

    adapter = Adapter if adapter is None else adapter
    for block in blocks:
        if hasattr(block, "adapter"):
            raise ValueError("adapter present")

    def forward(self, *args, **kwargs):
        output = type(self).forward(self, *args, **kwargs)
        if isinstance(output, tuple):
            return (self.adapter(output[0]),) + output[1:]
        return self.adapter(output)

    made = []
    for block in blocks:
        for p in block.parameters():
            p.requires_grad = False
        made.append(adapter(d, m))
        block.add_module("adapter", made[-1])
        block.forward = MethodType(forward, block)
    return made


# %% right a subclass for each block
def insert_adapters(blocks, d, m, adapter=None):
    adapter = Adapter if adapter is None else adapter
    if [block for block in blocks if "adapter" in dict(block.named_children())]:
        raise ValueError("once is enough")
    for block in blocks:
        kind = type(block)

        def forward(self, *args, kind=kind, **kwargs):
            output = kind.forward(self, *args, **kwargs)
            return (self.adapter(output[0]), *output[1:]) if isinstance(output, tuple) else self.adapter(output)

        block.requires_grad_(False)
        block.adapter = adapter(d, m)
        block.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return nn.ModuleList([block.adapter for block in blocks])


# %% right a lambda as hook
#-    def adapted(block, inputs, output):
#-        if isinstance(output, tuple):
#-            return (block.adapter(output[0]), *output[1:])
#-        return block.adapter(output)
#+    adapted = lambda b, _, out: (b.adapter(out[0]), *out[1:]) if type(out) is tuple else b.adapter(out)
