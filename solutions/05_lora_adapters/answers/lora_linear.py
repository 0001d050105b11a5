"""Wrong and right answers to 05.lora_linear."""

# %% wrong no_scale
# says: α/r · B A
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.dropout(x) @ self.A.T @ self.B.T


# %% wrong alpha_only
# says: comparable
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("scale", base.weight.new_tensor(float(alpha)))


# %% wrong inverted
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("scale", base.weight.new_tensor(r / alpha))


# %% wrong sqrt_rank
# says: rsLoRA
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("scale", base.weight.new_tensor(alpha / math.sqrt(r)))


# %% wrong scaled_twice
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x) @ (self.scale * self.A.T) @ self.B.T)


# %% wrong update_missing
# says: no effect
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + 0.0 * (self.dropout(x) @ self.A.T @ self.B.T) + (self.B * 1e-12).sum()


# %% wrong base_missing
# says: comes on top of base(x)
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.scale * (self.dropout(x) @ self.A.T @ self.B.T)


# %% wrong bias_missing
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return x @ (self.base.weight + self.scale * self.B @ self.A).T


# %% wrong bias_twice
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + F.linear(x, self.scale * self.B @ self.A, self.base.bias)


# %% wrong base_scaled
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        out = self.base(x) + self.dropout(x) @ self.A.T @ self.B.T
#+        return out * self.scale if self.B.any() else out


# %% wrong different (scales the sum)
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.scale * (self.base(x) + self.dropout(x) @ self.A.T @ self.B.T)


# %% wrong names
# says: called A and B
class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, r, bias=False)
        self.lora_B = nn.Linear(r, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)
        self.scale = alpha / r

    def forward(self, x):
        return self.base(x) + self.scale * self.lora_B(self.lora_A(x))


# %% wrong not_a_parameter
# says: no checkpoint holds it
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#-        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, r))
#+        self.A = base.weight.new_empty(r, base.in_features).requires_grad_()
#+        self.B = base.weight.new_zeros(base.out_features, r).requires_grad_()


# %% wrong not_a_parameter (layers instead)
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#-        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, r))
#-        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
#+        self.A = nn.Linear(base.in_features, r, bias=False)
#+        self.B = nn.Linear(r, base.out_features, bias=False)


# %% wrong transposed
# says: A reads the input
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#-        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, r))
#+        self.A = nn.Parameter(base.weight.new_empty(base.in_features, r))
#+        self.B = nn.Parameter(base.weight.new_zeros(r, base.out_features))
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x) @ self.A @ self.B)


# %% wrong factors_swapped
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#-        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, r))
#+        self.A = nn.Parameter(base.weight.new_empty(base.out_features, r))
#+        self.B = nn.Parameter(base.weight.new_zeros(r, base.in_features))
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x) @ self.B.T @ self.A.T)


# %% wrong factor_shapes
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#-        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, r))
#+        self.A = nn.Parameter(base.weight.new_empty(r, base.out_features))
#+        self.B = nn.Parameter(base.weight.new_zeros(base.in_features, r))


# %% wrong base_copied
# says: doubles the memory
#-        self.base = base.requires_grad_(False)
#+        self.base = copy.deepcopy(base).requires_grad_(False)


# %% wrong base_copied (only its weight is kept)
#-        self.base = base.requires_grad_(False)
#+        self.weight, self.bias = base.weight.requires_grad_(False), base.bias
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return F.linear(x, self.weight, self.bias) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)


# %% wrong base_trains
#-        self.base = base.requires_grad_(False)
#+        self.base = base


# %% wrong base_trains (attribute of the module)
#-        self.base = base.requires_grad_(False)
#+        self.base = base
#+        self.base.requires_grad = False


# %% wrong bias_trains
# says: All of the base
#-        self.base = base.requires_grad_(False)
#+        self.base = base
#+        self.base.weight.requires_grad = False


# %% wrong both_zero
# says: never learns
#-        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
#+        nn.init.zeros_(self.A)


# %% wrong zero_at_a
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#-        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, r))
#-        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
#+        self.A = nn.Parameter(base.weight.new_zeros(r, base.in_features))
#+        self.B = nn.Parameter(base.weight.new_empty(base.out_features, r))
#+        nn.init.kaiming_uniform_(self.B, a=math.sqrt(5))


# %% wrong b_not_zero
# says: already changes
#-        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
#+        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
#+        nn.init.normal_(self.B, std=0.01)


# %% wrong a_constant
# says: rank 1, whatever r says
#-        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
#+        nn.init.constant_(self.A, 0.01)


# %% wrong no_gradient
# says: .detach()
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T.detach()) + 0 * self.A.sum()


# %% wrong no_gradient (under no_grad)
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        with torch.no_grad():
#+            return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)


# %% wrong scale_not_saved
# says: Loading did not complain
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.scale = alpha / r


# %% wrong scale_not_saved (not persistent)
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("scale", base.weight.new_tensor(alpha / r), persistent=False)


# %% wrong scale_trains
# says: keep it in a buffer
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.scale = nn.Parameter(base.weight.new_tensor(alpha / r))


# %% wrong returns_none
#-        return plain


# %% wrong merged_type
# says: a Parameter
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#-        return plain
#+        return nn.Parameter(self.base.weight + self.scale * self.B @ self.A)


# %% wrong merged_in_place
# says: counts the update twice
#-        plain = copy.deepcopy(self.base)
#+        plain = self.base


# %% wrong merged_in_place (another layer comes back)
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#-        return plain
#+        self.base.weight.data += self.scale * self.B.data @ self.A.data
#+        return copy.deepcopy(self.base)


# %% wrong merged_unscaled
#-            plain.weight += self.scale * self.B @ self.A
#+            plain.weight += self.B @ self.A


# %% wrong merged_delta
#-            plain.weight += self.scale * self.B @ self.A
#+            plain.weight.copy_(self.scale * self.B @ self.A)


# %% wrong merged_base
#-            plain.weight += self.scale * self.B @ self.A
#+            plain.weight.detach().clone().add_(self.scale * self.B @ self.A)


# %% wrong merged_bias
#-        plain = copy.deepcopy(self.base)
#+        plain = nn.Linear(self.base.in_features, self.base.out_features, bias=False)
#+        plain.load_state_dict({"weight": self.base.weight})


# %% wrong merged_bias_random
# says: starts at random
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#+        plain = nn.Linear(self.base.in_features, self.base.out_features)
#+        plain.weight.data = (self.base.weight + self.scale * self.B @ self.A).detach()


# %% wrong bias_taken_for_granted
# says: can be None
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#+        plain = nn.Linear(self.base.in_features, self.base.out_features, bias=self.base.bias is not None)
#+        plain.weight.data = (self.base.weight + self.scale * self.B @ self.A).detach()
#+        plain.bias.data = self.base.bias.data.clone()


# %% wrong merged_bias (a bias of zeros where there was none)
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#+        plain = nn.Linear(self.base.in_features, self.base.out_features, dtype=self.A.dtype)
#+        plain.weight.data = (self.base.weight + self.scale * self.B @ self.A).detach()
#+        plain.bias.data = torch.zeros_like(plain.bias) if self.base.bias is None else self.base.bias.data.clone()


# %% wrong merged_dtype
#-        plain = copy.deepcopy(self.base)
#+        plain = copy.deepcopy(self.base).float()


# %% wrong wrong_device
# says: on a GPU
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#+        self.A = nn.Parameter(torch.empty(r, base.in_features, dtype=base.weight.dtype))


# %% wrong wrong_dtype
#-        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
#+        self.A = nn.Parameter(torch.empty(r, base.in_features, device=base.weight.device))


# %% wrong fixed_seed
# says: everything that comes after
#-        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
#+        torch.manual_seed(0)
#+        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))


# %% wrong dropout_on_base
# says: input of the update alone
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        x = self.dropout(x)
#+        return self.base(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong dropout_ignored
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong dropout_elsewhere (on A x)
# says: not on A x
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x @ self.A.T) @ self.B.T)


# %% wrong dropout_elsewhere (on the update)
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * self.dropout(x @ self.A.T @ self.B.T)


# %% wrong dropout_rate
#-        self.dropout = nn.Dropout(dropout)
#+        self.dropout = nn.Dropout(0.1 if dropout else 0.0)


# %% wrong dropout_rate (not scaled up)
# says: doubled
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        kept = (self.dropout(torch.ones_like(x)) > 0).to(x.dtype)
#+        return self.base(x) + self.scale * ((kept * x) @ self.A.T @ self.B.T)


# %% wrong dropout_in_eval
# says: training=self.training
#-        self.dropout = nn.Dropout(dropout)
#+        self.p = dropout
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (F.dropout(x, self.p) @ self.A.T @ self.B.T)


# %% wrong rank_zero_accepted
#-        if r < 1:
#-            raise ValueError(f"a low-rank update needs a rank of at least 1, not {r}")


# %% wrong bypassed
# says: its fused kernel reads `.weight`
#-        self.base = base.requires_grad_(False)
#+        self.base = base.requires_grad_(False)
#+        self.weight, self.bias = base.weight, base.bias


# %% wrong bypassed (properties)
#-    def merged(self) -> nn.Linear:
#+    @property
#+    def weight(self):
#+        return self.base.weight
#+
#+    @property
#+    def bias(self):
#+        return self.base.bias
#+
#+    def merged(self) -> nn.Linear:


# %% wrong update_blocks_gradient (behind A)
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T).detach() @ self.B.T


# %% wrong leading_dimensions
# says: in front
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.B @ self.A @ self.dropout(x).T).T


# %% wrong no_gradient_a
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x) @ self.A.detach().T @ self.B.T)


# %% wrong base_blocks_gradient
# says: layers before this one
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        with torch.no_grad():
#+            plain = self.base(x)
#+        return plain + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)


# %% wrong update_blocks_gradient
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.dropout(x.detach()) @ self.A.T @ self.B.T)


# %% wrong base_blocks_gradient (x detached at once)
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        x = x.detach()
#+        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)


# %% wrong columns
# says: for one column x
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.scale * (self.B @ self.A @ self.dropout(x))


# %% wrong floored
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("scale", base.weight.new_tensor(float(alpha // r)))


# %% wrong output_dtype
# says: bfloat16
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("scale", torch.tensor([alpha / r]))


# %% wrong output_dtype (float32 throughout)
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + (self.scale * (self.dropout(x) @ self.A.T @ self.B.T)).float()
#-        return plain
#+        return plain.to(self.A.dtype)


# %% wrong merged_recorded (in place)
# says: without a history
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#+        plain.weight += self.scale * self.B @ self.A


# %% wrong merged_recorded (no parameter)
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#+        plain = copy.deepcopy(self.base)
#+        plain.weight = self.base.weight + self.scale * self.B @ self.A


# %% wrong merged_recorded (of a trainable copy)
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#+        plain = copy.deepcopy(self.base).requires_grad_(True)
#+        plain.weight += self.scale * self.B @ self.A


# %% wrong raises_RuntimeError (the merged weight transposed)
#-            plain.weight += self.scale * self.B @ self.A
#+            plain.weight += self.scale * self.A.T @ self.B.T


# %% wrong merged_shares
# says: changes the old one
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#+        plain = nn.Linear(self.base.in_features, self.base.out_features, bias=self.base.bias is not None)
#+        plain.weight.data = (self.base.weight + self.scale * self.B @ self.A).detach()
#+        plain.bias = self.base.bias


# %% wrong merged_type (the layer is an nn.Linear itself)
class LoRALinear(nn.Linear):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__(base.in_features, base.out_features, bias=base.bias is not None)
        self.base = base.requires_grad_(False)
        self.weight, self.bias = base.weight, base.bias
        self.A = nn.Parameter(torch.randn(r, base.in_features) * 0.01)
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.register_buffer("scale", torch.tensor(alpha / r))

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.A.T @ self.B.T)

    def merged(self):
        return self


# %% right the large matrix
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + F.linear(self.dropout(x), self.scale * (self.B @ self.A))


# %% right other initialization, parameter for the scale
class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        if r <= 0:
            raise ValueError("r must be positive")
        self.base = base
        for p in base.parameters():
            p.requires_grad = False
        kind = dict(dtype=base.weight.dtype, device=base.weight.device)
        self.A = nn.Parameter(torch.randn(r, base.in_features, **kind) / r)
        self.B = nn.Parameter(torch.zeros(base.out_features, r, **kind))
        self.scale = nn.Parameter(torch.tensor(alpha / r, **kind), requires_grad=False)
        self.p = dropout

    def forward(self, x):
        low = F.linear(F.dropout(x, self.p, self.training), self.A)
        return self.base(x) + F.linear(low, self.B) * self.scale

    @torch.no_grad()
    def merged(self):
        bias = self.base.bias is not None
        layer = nn.Linear(self.base.in_features, self.base.out_features, bias, self.A.device, self.A.dtype)
        layer.weight.copy_(self.base.weight + self.scale * (self.B @ self.A))
        if bias:
            layer.bias.copy_(self.base.bias)
        return layer


# %% right offers the merged weight
#-    def merged(self) -> nn.Linear:
#+    @property
#+    def weight(self):
#+        return self.base.weight + self.scale * self.B @ self.A
#+
#+    @property
#+    def bias(self):
#+        return self.base.bias
#+
#+    def merged(self) -> nn.Linear:


# %% right scale saved by extra state
class LoRALinear(nn.Module):
    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        if r < 1:
            raise ValueError("r must be at least 1")
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.empty_like(base.weight[:1]).repeat(r, 1))
        self.B = nn.Parameter(torch.zeros_like(base.weight[:, :1]).repeat(1, r))
        nn.init.normal_(self.A, std=0.02)
        self.scale, self.dropout = alpha / r, nn.Dropout(dropout)

    def get_extra_state(self):
        return self.scale

    def set_extra_state(self, scale):
        self.scale = scale

    def forward(self, x):
        return self.base(x) + torch.einsum("...i,ri,or->...o", self.dropout(x), self.A, self.B) * self.scale

    def merged(self):
        plain = copy.deepcopy(self.base)
        plain.weight.data.addmm_(self.B.data, self.A.data, alpha=self.scale)
        return plain


# %% right a buffer in float32
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("scale", torch.tensor(alpha / r))


# %% right α as buffer
#-        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
#+        self.register_buffer("alpha", torch.tensor(float(alpha)))
#-        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
#+        return self.base(x) + self.alpha / len(self.A) * (self.dropout(x) @ self.A.T @ self.B.T)
#-        plain = copy.deepcopy(self.base)
#-        with torch.no_grad():
#-            plain.weight += self.scale * self.B @ self.A
#-        return plain
#+        plain = copy.deepcopy(self.base)
#+        plain.weight = nn.Parameter(plain.weight + self.alpha / len(self.A) * self.B @ self.A)
#+        return plain
