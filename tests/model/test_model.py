import json
import math

import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from speech_rnn.config.app import compose
from speech_rnn.engines.device import computes_in_bf16
from speech_rnn.errors import ConfigurationError
from speech_rnn.model import AcousticModel
from speech_rnn.model.layers import MaskedBatchNorm

CELLS = ["gru", "lstm", "rnn_tanh", "rnn_relu"]
N_FEATURES = 5
CONVOLUTIONS = [{"channels": 3, "kernel": 5}, {"channels": 2, "kernel": 4, "stride": 2}]

# One of everything that reads across time.
VARIANTS = {
    "attention": {},
    "middle": {"query": "middle", "cell": "lstm", "n_heads": 3},
    "mean": {"pooling": "mean", "cell": "rnn_tanh", "stack": 3},
    "last": {"pooling": "last", "cell": "rnn_relu"},
    "last, one direction": {"pooling": "last", "bidirectional": False, "stack": 2},
    "convolutions": {"convolutions": CONVOLUTIONS, "stack": 2, "dense": [6, 5]},
    "causal": {"convolutions": CONVOLUTIONS, "causal": True, "bidirectional": False},
    "chunks": {"pooling": "last", "cell": "rnn_tanh", "chunk": 3, "look_ahead": 2},
    "ctc": {"head": "ctc"},
    "ctc, chunks": {
        "head": "ctc",
        "cell": "lstm",
        "stack": 2,
        "convolutions": CONVOLUTIONS,
        "causal": True,
        "chunk": 2,
        "look_ahead": 3,
    },
    "ctc, stacked": {"head": "ctc", "stack": 3, "convolutions": CONVOLUTIONS, "dense": None},
    "ctc, causal": {
        "head": "ctc",
        "cell": "lstm",
        "stack": 2,
        "convolutions": CONVOLUTIONS,
        "causal": True,
        "bidirectional": False,
    },
}
variants = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


def build(**parameters):
    torch.manual_seed(0)
    defaults = {"n_features": N_FEATURES, "n_outputs": 4, "hidden_size": 6, "dense": 7}
    model = AcousticModel(**(defaults | parameters))
    for module in model.modules():  # as if trained: statistics and scales of their own
        if isinstance(module, MaskedBatchNorm):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return model


def draw(lengths, n_steps=None, padding=0.0, seed=1):
    """Frames of clips of `lengths`, the same for any padding and width, and the lengths."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.full((len(lengths), n_steps or max(lengths), N_FEATURES), padding)
    for row, length in zip(frames, lengths, strict=True):
        row[:length] = torch.randn(length, N_FEATURES, generator=generator)
    return frames, torch.tensor(lengths)


@variants
@settings(max_examples=10)
@given(
    lengths=st.lists(st.integers(0, 14), min_size=1, max_size=4),
    extra=st.integers(0, 9),
    padding=st.sampled_from([0.0, 1e3, math.inf, math.nan]),
)
def test_a_clip_alone_is_the_clip_in_a_batch(variant, lengths, extra, padding):
    model = build(**variant).eval()
    frames, counts = draw(lengths, max(lengths) + extra, padding)
    with torch.no_grad():
        logits, steps = model(frames, counts)
        for row, length in enumerate(lengths):
            alone, n_steps = model(frames[row : row + 1, :length], counts[row : row + 1])
            assert n_steps.tolist() == [steps[row]]
            assert n_steps == alone.shape[1]
            torch.testing.assert_close(logits[row, : steps[row]], alone[0], atol=1e-5, rtol=1e-5)


@variants
def test_padding_changes_no_gradient_and_no_statistic(variant):
    lengths = [9, 1, 6]
    results = []
    for extra, padding in ((0, 0.0), (7, math.nan)):
        model = build(**variant, dropout=0.0).train()
        logits, steps = model(*draw(lengths, 9 + extra, padding))
        sum(logits[row, :n].square().sum() for row, n in enumerate(steps)).backward()
        gradients = {name: weight.grad for name, weight in model.named_parameters()}
        results.append((gradients, dict(model.named_buffers())))
    torch.testing.assert_close(results[0], results[1], atol=1e-4, rtol=1e-4)


@variants
def test_shapes_and_subsampling(variant):
    model = build(**variant)
    logits, lengths = model(*draw([13, 1, 8]))
    if model.head == "classification":
        assert logits.shape == (3, 1, 4)
        assert lengths.tolist() == [1, 1, 1]
    else:
        expected = [math.ceil(n / model.subsampling) for n in (13, 1, 8)]
        assert lengths.tolist() == expected
        assert logits.shape == (3, expected[0], 4)


@variants
def test_a_clip_of_no_frames_is_one_frame_of_zeros(variant):
    model = build(**variant).eval()
    nothing, n_steps = model(torch.zeros(1, 0, N_FEATURES), torch.tensor([0]))
    zeros, _ = model(torch.zeros(1, 1, N_FEATURES), torch.tensor([1]))
    assert n_steps.tolist() == [1]
    assert torch.isfinite(nothing).all()
    assert torch.equal(nothing, zeros)


@variants
def test_the_same_seed_gives_the_same_weights(variant):
    for one, other in zip(
        build(**variant).parameters(), build(**variant).parameters(), strict=True
    ):
        assert torch.equal(one, other)


@variants
def test_hyperparameters_are_plain_and_build_the_model_again(variant):
    model = build(**variant)
    plain = json.loads(json.dumps(model.hyperparameters))
    assert plain == model.hyperparameters
    again = AcousticModel(**plain)
    again.load_state_dict(model.state_dict())
    batch = draw([7, 3])
    assert torch.equal(again.eval()(*batch)[0], model.eval()(*batch)[0])
    assert again.n_parameters == model.n_parameters


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    "variant", [variant for variant in VARIANTS.values() if "chunk" not in variant]
)
def test_a_traced_model_takes_any_batch(variant):
    """What the ONNX exporter builds on: no size of the example is written into the graph.

    Chunks are a loop, whose number of turns would be.
    """
    model = build(**variant).eval()
    traced = torch.jit.trace(model, draw([9, 4]), check_trace=False)
    for lengths in ([12, 5, 1], [1], [7, 7]):
        batch = draw(lengths)
        torch.testing.assert_close(traced(*batch), model(*batch))


@pytest.mark.parametrize(("cell", "f"), [("rnn_tanh", torch.tanh), ("rnn_relu", torch.relu)])
def test_an_elman_network_is_its_recurrence(cell, f):
    """h_t = f(W_hh h_(t-1) + W_xh x_t + b_h), y_t = g(W_hy h_t + b_y), step by step."""
    model = build(
        head="ctc",
        cell=cell,
        n_layers=1,
        bidirectional=False,
        input_normalization=False,
        dense=None,
    ).eval()
    weights = {name.split(".")[-1]: weight for name, weight in model.layers.named_parameters()}
    W_hh, W_xh = weights["weight_hh_l0"], weights["weight_ih_l0"]
    with torch.no_grad():
        for bias in ("bias_ih_l0", "bias_hh_l0"):
            weights[bias].uniform_(-1, 1)
    b_h = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    W_hy, b_y = model.output.weight, model.output.bias

    frames, lengths = draw([11])
    h = torch.zeros(6)
    expected = []
    for x in frames[0]:
        h = f(W_hh @ h + W_xh @ x + b_h)
        expected.append(torch.softmax(W_hy @ h + b_y, dim=0))  # g
    logits, _ = model(frames, lengths)
    torch.testing.assert_close(logits[0].softmax(dim=1), torch.stack(expected))


TORCH = {
    "gru": nn.GRU,
    "lstm": nn.LSTM,
    "rnn_tanh": nn.RNN,
    "rnn_relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
}


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_layers_equal_torchs_on_a_packed_sequence(cell, bidirectional):
    model = build(cell=cell, bidirectional=bidirectional, input_normalization=False, pooling="last")
    reference = TORCH[cell](N_FEATURES, 6, 2, bidirectional=bidirectional, batch_first=True)
    for number, layer in enumerate(model.layers):
        for direction, suffix in ((layer.forwards, ""), (layer.backwards, "_reverse")):
            for name, weight in direction.named_parameters() if direction else ():
                nn.init.uniform_(weight, -0.5, 0.5)
                theirs = getattr(reference, name.replace("l0", f"l{number}{suffix}"))
                theirs.data.copy_(weight)
    model.eval()
    frames, lengths = draw([9, 2, 12, 1])
    packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
    expected, state = reference(packed)
    expected, _ = pad_packed_sequence(expected, batch_first=True)
    hidden, _ = model.encode(frames, lengths)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(hidden[row, :length], expected[row, :length])
    last = state[0] if cell == "lstm" else state  # (layers * directions, B, H)
    last = torch.cat(list(last[-2:] if bidirectional else last[-1:]), dim=1)
    logits, _ = model(frames, lengths)
    torch.testing.assert_close(logits[:, 0], model.output(model.dense(last)))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_is_that_of_the_clips_one_after_the_other(momentum):
    lengths = [7, 1, 4]
    ours = MaskedBatchNorm(N_FEATURES, momentum=momentum)
    theirs = nn.BatchNorm1d(N_FEATURES, momentum=momentum)
    theirs.load_state_dict(ours.state_dict())
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        frames, counts = draw(lengths, 10, padding=50.0, seed=int(training))
        frames.requires_grad_()
        valid = [frames[row, :n] for row, n in enumerate(lengths)]
        expected = theirs(torch.cat(valid))
        result = ours(frames.transpose(1, 2)[..., None], counts)[..., 0].transpose(1, 2)
        result = torch.cat([result[row, :n] for row, n in enumerate(lengths)])
        torch.testing.assert_close(result, expected)
        slope = torch.randn_like(result)
        (gradient,) = torch.autograd.grad((result * slope).sum(), frames)
        (wanted,) = torch.autograd.grad((expected * slope).sum(), frames)
        torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_one_frame_in_all_leaves_numbers():
    model = build().train()
    logits, _ = model(*draw([1]))
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(buffer).all() for buffer in model.buffers())


def test_convolutions_follow_their_definition():
    model = build(convolutions=CONVOLUTIONS, stack=1).eval()
    maps = draw([11])[0][:, None]  # (1, 1, 11, D)
    lengths = torch.tensor([11])
    for block, (left, right), stride in zip(
        model.convolutions, [(2, 2), (1, 2)], [1, 2], strict=True
    ):
        padded = nn.functional.pad(maps, (0, 0, left, right))
        weight, bias = block.convolution.weight, block.convolution.bias
        kernel = weight.shape[2]
        expected = torch.stack(
            [
                torch.einsum("oik,bikd->bod", weight[..., 0], padded[:, :, t : t + kernel])
                + bias[:, None]
                for t in range(0, maps.shape[2], stride)
            ],
            dim=2,
        ).relu()
        norm = block.normalization
        expected = nn.functional.batch_norm(
            expected, norm.running_mean, norm.running_var, norm.weight, norm.bias
        )
        maps, lengths = block(maps, lengths)
        torch.testing.assert_close(maps, expected)
    assert lengths.tolist() == [6]


@pytest.mark.parametrize("convolutions", [None, CONVOLUTIONS])
def test_stacked_frames_are_neighbours(convolutions):
    model = build(stack=3, n_layers=1, convolutions=convolutions, head="ctc").eval()
    seen = []
    model.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    plain = build(n_layers=1, convolutions=convolutions, head="ctc").eval()
    plain.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    plain.normalization.load_state_dict(model.normalization.state_dict())
    plain.convolutions.load_state_dict(model.convolutions.state_dict())
    batch = draw([8, 11])
    _, n_stacked = model(*batch)
    _, n_steps = plain(*batch)
    stacked, steps = seen
    for row, n in enumerate(n_steps.tolist()):
        filled = nn.functional.pad(steps[row, :n], (0, 0, 0, -n % 3))
        assert torch.equal(stacked[row, : n_stacked[row]], filled.reshape(-1, 3 * steps.shape[2]))


@pytest.mark.parametrize("query", ["learned", "middle"])
def test_attention_weighs_the_steps_and_makes_the_answer(query):
    model = build(query=query, n_heads=3).eval()
    lengths = [9, 4, 1]
    batch = draw(lengths, 12, padding=7.0)
    weights = model.attention(*batch)
    hidden, _ = model.encode(*batch)
    assert weights.shape == (3, 3, 12)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 3))
    assert all((weights[row, :, n:] == 0).all() for row, n in enumerate(lengths))
    pooled = torch.stack([(w @ h).flatten() for w, h in zip(weights, hidden, strict=True)])
    torch.testing.assert_close(model(*batch)[0][:, 0], model.output(model.dense(pooled)))
    for row, n in enumerate(lengths):
        if query == "learned":
            queries = model.attend.learned
        else:
            queries = model.attend.project(hidden[row, n // 2]).view(3, -1)
        expected = torch.softmax(queries @ hidden[row, :n].T, dim=1)
        torch.testing.assert_close(weights[row, :, :n], expected)


def test_mean_pooling_is_the_mean_of_each_clip():
    model = build(pooling="mean").eval()
    batch = draw([6, 2], 8)
    hidden, _ = model.encode(*batch)
    means = torch.stack([hidden[0, :6].mean(0), hidden[1, :2].mean(0)])
    torch.testing.assert_close(model(*batch)[0][:, 0], model.output(model.dense(means)))


@pytest.mark.parametrize(
    ("parameters", "is_causal"),
    [
        ({"bidirectional": False}, True),
        ({"bidirectional": False, "stack": 3}, True),
        ({"bidirectional": False, "stack": 2, "convolutions": CONVOLUTIONS, "causal": True}, True),
        ({"bidirectional": False, "convolutions": CONVOLUTIONS}, False),
        ({"bidirectional": True}, False),
    ],
)
def test_a_causal_model_does_not_look_ahead(parameters, is_causal):
    model = build(head="ctc", **parameters).eval()
    frames, lengths = draw([24])
    logits, _ = model(frames, lengths)
    frames[:, 12:] += 1  # a border of a step for every subsampling above
    changed, _ = model(frames, lengths)
    before = 12 // model.subsampling
    assert torch.equal(logits[:, :before], changed[:, :before]) is is_causal
    assert not torch.equal(logits[:, before], changed[:, before])


def test_dropout_acts_in_training_only():
    batch = draw([9])
    for dropout, differs in ((0.5, True), (0.0, False)):
        model = build(dropout=dropout).train()
        assert torch.equal(model(*batch)[0], model(*batch)[0]) is not differs
        model.eval()
        assert torch.equal(model(*batch)[0], model(*batch)[0])


@pytest.mark.parametrize(("cell", "n_gates"), [("gru", 3), ("lstm", 4), ("rnn_tanh", 1)])
def test_each_gate_starts_orthogonal(cell, n_gates):
    torch.manual_seed(0)
    model = AcousticModel(N_FEATURES, 4, cell=cell, hidden_size=8)
    for layer in model.layers:
        for direction in (layer.forwards, layer.backwards):
            blocks = direction.weight_hh_l0.split(8)
            assert len(blocks) == n_gates
            for block in blocks:
                torch.testing.assert_close(block @ block.T, torch.eye(8), atol=1e-5, rtol=0)
            limit = math.sqrt(6 / (8 + direction.input_size))  # Xavier's, of one gate
            assert 0.7 * limit < direction.weight_ih_l0.abs().max() <= limit
            forget = torch.zeros(8 * n_gates)
            if cell == "lstm":
                forget[8:16] = 1
            assert torch.equal(direction.bias_ih_l0 + direction.bias_hh_l0, forget)


@pytest.mark.parametrize("blank_bias", [0.0, 4.0])
def test_the_blank_starts_with_its_bias(blank_bias):
    model = build(head="ctc", blank_bias=blank_bias)
    assert model.output.bias.tolist() == [blank_bias, 0, 0, 0]
    assert not build().output.bias.any()


@pytest.mark.parametrize(
    ("name", "n_features", "n_outputs", "n_parameters"),
    [
        ("mhatt_gru", 40, 12, 756_689),  # Rybakov et al., 2020: to the weight
        ("att_rnn", 80, 12, 201_457),  # de Andrade et al., 2018: 202 K
        ("att_rnn", 80, 35, 202_216),
        ("crnn", 40, 12, 461_972),  # Rybakov et al., 2020: 467 K
        ("elman", 26, 10, 162_558),
        ("gru_attention", 40, 10, 491_802),
        ("gru_last_causal", 26, 11, 377_151),
    ],
)
def test_configurations_keep_size_and_padding_law(name, n_features, n_outputs, n_parameters):
    cfg = compose("train", [f"model={name}"])
    model = instantiate(cfg.model, n_features=n_features, n_outputs=n_outputs)
    assert model.n_parameters == n_parameters
    for head in ("classification", "ctc"):
        torch.manual_seed(0)
        model = instantiate(cfg.model, n_features=n_features, n_outputs=n_outputs, head=head).eval()
        frames, lengths = torch.randn(2, 50, n_features), torch.tensor([50, 31])
        frames[1, 31:] = math.nan
        with torch.no_grad():
            logits, steps = model(frames, lengths)
            alone, n_steps = model(frames[1:, :31], lengths[1:])
        expected = 1 if head == "classification" else math.ceil(50 / model.subsampling)
        assert logits.shape == (2, expected, n_outputs)
        assert n_steps == steps[1]
        torch.testing.assert_close(logits[1, : steps[1]], alone[0], atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["classification", "ctc"])
@pytest.mark.parametrize("cell", CELLS)
def test_it_learns(cell, head):
    """Each clip carries a bump in one of two features."""
    torch.manual_seed(0)
    frames, lengths = draw([10, 6, 9, 8, 7, 10, 6, 8])
    targets = torch.tensor([0, 1] * 4)
    frames[torch.arange(8), 3, targets] += 5
    model = AcousticModel(N_FEATURES, 3, head=head, cell=cell, hidden_size=8, dense=8, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        logits, steps = model(frames, lengths)
        if head == "classification":
            loss = nn.functional.cross_entropy(logits[:, 0], targets)
        else:
            log_probs = logits.log_softmax(2).transpose(0, 1)  # (T, B, C)
            ones = torch.ones(8, dtype=torch.long)
            loss = nn.functional.ctc_loss(log_probs, targets[:, None] + 1, steps, ones)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.skipif(
    not computes_in_bf16(torch.device("cpu")), reason="this processor has no bf16, says oneDNN"
)
def test_mixed_precision():
    for variant in VARIANTS.values():
        model = build(**variant).train()
        with torch.autocast("cpu", torch.bfloat16):
            logits, _ = model(*draw([9, 4]))
        logits.float().square().sum().backward()
        assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell": "gruu"}, r"cell='gruu' is unknown; did you mean 'gru'\?"),
        ({"cell": "transformer"}, "choose one of gru, lstm, rnn_tanh, rnn_relu"),
        ({"head": "ctx"}, r"head='ctx' is unknown; did you mean 'ctc'\?"),
        ({"pooling": "atention"}, r"pooling='atention' is unknown; did you mean 'attention'\?"),
        ({"query": "midle"}, r"query='midle' is unknown; did you mean 'middle'\?"),
        ({"pooling": None}, "head='classification' needs a pooling"),
        ({"hidden_size": 0}, "hidden_size=0 must be a whole number, 1 or more"),
        ({"hidden_size": 2**40}, "must be 1048576 at most"),
        ({"n_layers": 2**40}, "must be 1024 at most"),
        ({"n_layers": -1}, "n_layers=-1 must be"),
        ({"n_features": 0}, "n_features=0 must be"),
        ({"n_outputs": 0}, "n_outputs=0 must be"),
        ({"n_heads": 1.5}, r"n_heads=1\.5 must be"),
        ({"stack": 0}, "stack=0 must be"),
        ({"dense": 0}, "dense=0 must be"),
        ({"dense": [8, -1]}, "dense=-1 must be"),
        ({"dropout": 1.0}, r"dropout=1\.0 must lie in \[0, 1\)"),
        ({"causal": True}, "causal=True needs bidirectional=False"),
        ({"chunk": 0}, "chunk=0 must be"),
        ({"chunk": 4, "bidirectional": False}, "chunk=4 .* needs bidirectional=True"),
        ({"look_ahead": -1, "chunk": 4}, "look_ahead=-1 must be a whole number, 0 or more"),
        ({"look_ahead": 2}, "look_ahead=2 needs a chunk"),
        ({"convolutions": [{"channels": 3}]}, "each needs channels and kernel"),
        ({"convolutions": [{"chanels": 3, "kernel": 3}]}, "did you mean 'channels'"),
        ({"convolutions": [{"channels": 3, "kernel": 0}]}, "convolutions: kernel=0 must be"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        build(**parameters)


def test_frames_of_other_features():
    with pytest.raises(ConfigurationError, match="n_features=3 do not fit a model of n_features=5"):
        build()(torch.zeros(1, 4, 3), torch.tensor([4]))


@pytest.mark.parametrize("variant", [{"pooling": "mean"}, {"head": "ctc"}])
def test_attention_of_a_model_without_attention(variant):
    with pytest.raises(ConfigurationError, match="weighs no steps"):
        build(**variant).attention(*draw([4]))
