"""Wrong and right answers to 05.adapter."""

# %% wrong default_init
# says: Small is not zero
#-        nn.init.zeros_(self.up.weight)
#-        nn.init.zeros_(self.up.bias)


# %% wrong default_init (bias only)
#-        nn.init.zeros_(self.up.weight)


# %% wrong nearly_zero
# says: 24 adapters in a row
#-        nn.init.zeros_(self.up.weight)
#+        nn.init.normal_(self.up.weight, std=1e-3)


# %% wrong bias_not_zero
#-        nn.init.zeros_(self.up.bias)


# %% wrong down_zero
# says: nothing but one bias would ever learn
#-        nn.init.zeros_(self.up.weight)
#+        nn.init.zeros_(self.up.weight)
#+        nn.init.zeros_(self.down.weight)
#+        nn.init.zeros_(self.down.bias)


# %% wrong default_init (down zero instead of up)
#-        nn.init.zeros_(self.up.weight)
#+        nn.init.zeros_(self.down.weight)
#+        nn.init.zeros_(self.down.bias)


# %% wrong no_residual
#-        return h + self.up(F.gelu(self.down(h)))
#+        return self.up(F.gelu(self.down(h)))


# %% wrong double_residual
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + (h + self.up(F.gelu(self.down(h))))


# %% wrong no_activation
# says: two linear maps in a row
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + self.up(self.down(h))


# %% wrong relu
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + self.up(F.relu(self.down(h)))


# %% wrong gelu_tanh
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + self.up(F.gelu(self.down(h), approximate="tanh"))


# %% wrong tanh
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + self.up(torch.tanh(self.down(h)))


# %% wrong silu
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + self.up(F.silu(self.down(h)))


# %% wrong activation_last
# says: between `down` and `up`
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + F.gelu(self.up(self.down(h)))


# %% wrong activation_twice
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + F.gelu(self.up(F.gelu(self.down(h))))


# %% wrong activation_over_all
#-        return h + self.up(F.gelu(self.down(h)))
#+        return F.gelu(h + self.up(F.gelu(self.down(h)))) if self.up.weight.any() else h + self.up(F.gelu(self.down(h)))


# %% wrong different (the sum through the nonlinearity)
#-        return h + self.up(F.gelu(self.down(h)))
#+        return F.gelu(h + self.up(F.gelu(self.down(h))))


# %% wrong names
# says: called `down`
class Adapter(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d, m), nn.GELU(), nn.Linear(m, d))
        nn.init.zeros_(self.net[2].weight)
        nn.init.zeros_(self.net[2].bias)

    def forward(self, h):
        return h + self.net(h)


# %% wrong sizes
# says: 4 → 2
#-        self.down = nn.Linear(d, m)
#-        self.up = nn.Linear(m, d)
#+        self.down = nn.Linear(m, d)
#+        self.up = nn.Linear(d, m)


# %% wrong no_bias
#-        self.down = nn.Linear(d, m)
#+        self.down = nn.Linear(d, m, bias=False)


# %% wrong different (a norm inside)
# says: The number of parameters
#-        self.down = nn.Linear(d, m)
#+        self.norm = nn.LayerNorm(d)
#+        self.down = nn.Linear(d, m)


# %% wrong returns_none
#-        return h + self.up(F.gelu(self.down(h)))
#+        h = h + self.up(F.gelu(self.down(h)))


# %% wrong no_gradient
#-        return h + self.up(F.gelu(self.down(h)))
#+        out = self.up(F.gelu(self.down(h)))
#+        return h + (out if self.up.weight.any() else 0 * out)


# %% wrong different (a gate of zero)
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + 0.1 * self.up(F.gelu(self.down(h)))


# %% wrong not_exact
# says: bit by bit
#-        return h + self.up(F.gelu(self.down(h)))
#+        hidden = self.up(F.gelu(self.down(h)))
#+        return ((h / 3) + hidden / 3) * 3 + 1e-7


# %% wrong not_random
# says: at random
#-        self.up = nn.Linear(m, d)
#+        self.up = nn.Linear(m, d)
#+        nn.init.constant_(self.down.weight, 0.01)


# %% wrong input_changed
#-        return h + self.up(F.gelu(self.down(h)))
#+        h += self.up(F.gelu(self.down(h.clone()))).detach() if not self.up.weight.any() else 0
#+        h.data += 1e-6 * (h.ndim == 3)
#+        return h + self.up(F.gelu(self.down(h)))


# %% wrong frozen
#-        nn.init.zeros_(self.up.bias)
#+        nn.init.zeros_(self.up.bias)
#+        self.down.requires_grad_(False)


# %% wrong down_stuck
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + self.up(F.gelu(self.down(h)).detach())


# %% wrong mode_matters
#-        return h + self.up(F.gelu(self.down(h)))
#+        hidden = F.gelu(self.down(h))
#+        if self.up.weight.numel() > 8:
#+            hidden = F.dropout(hidden, 0.1, self.training)
#+        return h + self.up(hidden)


# %% wrong in_place
# says: the backward pass
#-        return h + self.up(F.gelu(self.down(h)))
#+        h += self.up(F.gelu(self.down(h)))
#+        return h


# %% wrong dropout
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + F.dropout(self.up(F.gelu(self.down(h))), 0.1, self.training)


# %% wrong activation_first
#-        return h + self.up(F.gelu(self.down(h)))
#+        return h + self.up(self.down(F.gelu(h)))


# %% right nn.GELU, weights by data
class Adapter(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.down = nn.Linear(d, m)
        self.activation = nn.GELU()
        self.up = nn.Linear(m, d)
        for p in self.up.parameters():
            p.data.zero_()

    def forward(self, h):
        out = self.up(self.activation(self.down(h)))
        return out + h


# %% right an inner Sequential
class Adapter(nn.Module):
    def __init__(self, d: int, m: int):
        super().__init__()
        self.down, self.up = nn.Linear(d, m), nn.Linear(m, d)
        with torch.no_grad():
            self.up.weight.fill_(0)
            self.up.bias.fill_(0)
        self.inner = nn.Sequential(self.down, nn.GELU(), self.up)

    def forward(self, h):
        return h + self.inner(h)


# %% right the formula of the GELU
#-        return h + self.up(F.gelu(self.down(h)))
#+        x = self.down(h)
#+        return h + F.linear(x * 0.5 * (1 + torch.erf(x / math.sqrt(2))), self.up.weight, self.up.bias)
