import pytest
import torch
from distillation.settings import Settings
from distillation.student import new_student

from speech_rnn.features.encoder import RecurrentEncoder


@pytest.fixture
def student():
    torch.manual_seed(0)
    made = new_student(Settings())
    for norm in made.norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, 0, 0.1)
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 2.0)
    return made.eval()


def test_folding_changes_nothing(student):
    frames = torch.randn(3, 80, 40) * 2 - 6
    lengths = torch.tensor([80, 80, 80])
    plain = student.folded()
    assert type(plain) is RecurrentEncoder
    with torch.inference_mode():
        embeddings, steps = plain(frames, lengths)
        # Digital silence after the end, as the encoder has it.
        silence = torch.full((3, 4 * student.encoder.delay, 40), -100.0)
        states = student(torch.cat([frames, silence], dim=1))
    assert steps.tolist() == [20, 20, 20]
    assert (states[:, student.encoder.delay :] - embeddings).abs().max() < 1e-5


def test_the_student_itself_is_not_modified(student):
    before = {name: value.clone() for name, value in student.state_dict().items()}
    student.folded()
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_a_state_does_not_depend_on_later_frames(student):
    frames = torch.randn(1, 80, 40) - 6
    other = frames.clone()
    other[:, 48:] += 3
    with torch.inference_mode():
        one, two = student(frames), student(other)
    assert torch.equal(one[:, :12], two[:, :12])
    assert not torch.equal(one[:, 12], two[:, 12])
