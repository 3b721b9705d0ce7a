import pytest

from speech_rnn.recognizer import Recognizer
from tests.real import SHARED, needs_shared
from tests.recipes.runs import A_FEW_STEPS, few_digits, train


@pytest.mark.slow
@needs_shared
def test_a_few_steps_give_a_recogniser_that_can_stream(tmp_path):
    train(
        "digits_stream",
        tmp_path,
        f"data.root={few_digits(tmp_path / 'digits')}",
        "extra=null",
        "negatives.others=null",
        f"negatives.speech=[{SHARED / 'speech'}]",
        "connected.train_utterances=40",
        "connected.validation_utterances=10",
        "connected.test_utterances=10",
        *A_FEW_STEPS,
    )
    assert Recognizer.load(tmp_path / "run/recognizer.safetensors").can_stream
